"""Whatever the bot says can be found by those who translate it, and what is there is kept."""

from __future__ import annotations

import polib
import pytest

from bot.catalogues import (
    COMMANDS,
    Found,
    NoLiteral,
    begun,
    brought_up_to_date,
    templates,
)

SAYING = "from generation.sentence import count, say\n"


def test_a_template_is_found_wherever_it_is_said() -> None:
    source = f"""{SAYING}
NOTHING = say("Nothing {{x}} is here.", x=say("of it"))

def told(number: int) -> str:
    return count("{{number}} step", "{{number}} "
        "steps", number)
"""
    assert set(templates(source, "bot/x.py")) == {
        ("Nothing {x} is here.", None),
        ("of it", None),
        ("{number} step", "{number} steps"),
    }


@pytest.mark.parametrize("said", ["say(text)", 'say(f"a {text}")', 'say("a" + text)', 'count("a", text, 1)'])
def test_a_template_that_is_not_written_out_is_refused(said: str) -> None:
    with pytest.raises(NoLiteral, match=r"bot/x\.py, line 3"):
        list(templates(f"{SAYING}\n{said}\n", "bot/x.py"))


def test_what_others_call_say_says_nothing_to_people() -> None:
    assert not list(templates("def run(say):\n    say(1)\n", "bot/x.py"))


def test_sentences_of_every_room_and_the_commands_are_collected(said: Found) -> None:
    assert "bot/apologies.py" in {
        place for (english, _), places in said.items() for place in places if "went wrong" in english
    }
    assert (
        "generation/size.py"
        in said["A size of {size} is not possible: both edges must be multiples of 8.", None]
    )
    assert "storage/jobs.py" in said["Please ask anew.", None]
    assert said["Skip to the content", None] == {"web/templates/base.html"}
    assert "web/days.py" in said["November", None]
    assert COMMANDS in said["Draw a picture from words", None]
    assert COMMANDS in said["Show settings", None]
    assert not any(english == "imagine" for english, _ in said)


def test_what_is_translated_stays_what_is_new_comes_and_what_is_gone_goes() -> None:
    found = {
        ("old", None): frozenset({"bot/b.py", "bot/a.py"}),
        ("{number} new", "{number} news"): frozenset({"bot/a.py"}),
    }
    before = begun("ja")
    before.append(polib.POEntry(msgid="old", msgstr="alt", tcomment="mind the gap"))
    before.append(polib.POEntry(msgid="gone", msgstr="weg"))
    after = brought_up_to_date(before, found)
    assert [(entry.msgid, entry.msgstr) for entry in after] == [("old", "alt"), ("{number} new", "")]
    old, new = after
    assert new.msgstr_plural == {0: ""}
    assert old.occurrences == [("bot/a.py", ""), ("bot/b.py", "")]
    assert old.tcomment == "mind the gap"
    assert str(brought_up_to_date(polib.pofile(str(after)), found)) == str(after)


def test_a_template_is_found_in_a_page_and_refused_where_it_is_not_written_out() -> None:
    page = """{% macro likes(number) %}{{ count("{number} like", "{number} likes", number) }}{% endmacro %}
<p title="{{ say('Order') }}">{% set said = say("by {who}", who=say("Somebody"))|upper %}</p>"""
    assert set(templates(page, "web/templates/x.html")) == {
        ("{number} like", "{number} likes"),
        ("Order", None),
        ("by {who}", None),
        ("Somebody", None),
    }
    with pytest.raises(NoLiteral, match=r"x\.html, line 2"):
        list(templates("<p>\n{{ say(title) }}</p>", "x.html"))
