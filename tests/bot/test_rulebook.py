"""What is said of a server's settings and of changes to them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from bot.commands.server_words import parse_words
from bot.limits import Refused
from bot.messages import MAX_TEXT, ROOM
from bot.rulebook import TITLES, by_whom, change_line, setting_line
from bot.safety import OwnerSafety
from generation.job import UserId
from generation.preferences import Preferences
from generation.request import Size
from generation.safety import Safety
from storage.privacy import NOBODY
from storage.quotas import Quota
from storage.servers import Change, ServerSettings
from tests.bot.things import TWO

OWNER = OwnerSafety(checker="none")


def line(name: str, **settings: Any) -> str:
    return setting_line(name, ServerSettings(**settings), OWNER, TWO)


def change(name: str, was: Any, became: Any) -> str:
    return change_line(Change(name=name, was=was, became=became, by=UserId(8), at=0.0))


def test_each_setting_is_told() -> None:
    assert set(TITLES) == {field.name for field in fields(ServerSettings)}
    for name in TITLES:
        assert line(name).startswith("**")


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("safety", {}, "**Flagged pictures** off: nothing is checked, as the owner of the bot has it."),
        (
            "safety",
            {"safety": Safety.HOLD},
            "**Flagged pictures** hold: held until a moderator lets it pass.",
        ),
        ("channels", {"channels": (5, 6)}, "**Channels** <#5>, <#6>, with their threads and posts."),
        ("models", {"models": ("Mini", "Gone")}, "**Models** `Mini`, `Gone`; of these I do not have `Gone`."),
        ("words", {"words": ("a*b", "c")}, "**Banned words** “a\\*b”, “c”."),
        ("blocked", {"blocked": (7,)}, "**Blocked people** <@7>."),
        ("language", {"language": "ja"}, "**Language** of a card: 日本語."),
        ("room", {}, "**Room for pictures** as much as they take."),
        (
            "room",
            {"room": 1_500_000},
            "**Room for pictures** 1,500 GB; beyond that I forget the oldest, and their messages stay.",
        ),
        (
            "retention",
            {"retention": 1},
            "**Pictures are kept** 1 day, then I forget them; their messages stay.",
        ),
        (
            "defaults",
            {"defaults": Preferences(steps=9, size=Size(width=128, height=192))},
            "**Defaults** `size` 128x192, `steps` 9.",
        ),
    ],
)
def test_a_setting_is_told_as_it_is(name: str, settings: Any, told: str) -> None:
    assert line(name, **settings) == told


def test_of_a_long_list_is_told_how_much_more_there_is() -> None:
    said = line("words", words=tuple(f"word number {number}" for number in range(100)))
    assert len(said) < 800
    assert said.startswith("**Banned words** “word number 0”, ")
    assert said.endswith(" more.")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("words", ["a"], ["b", "c"]), "**Banned words**: added “b”, “c”; removed “a”"),
        (("safety", None, "hold"), "**Flagged pictures**: from nothing to `hold`"),
        (("spoilers", True, None), "**Spoilers**: from on to off"),
        (("log_channel", 5, None), "**Changes**: from <#5> to nothing"),
        (("web_gallery", None, True), "**Gallery on the web**: from off to on"),
        (("room", 1_500, 20_000), "**Room for pictures**: from 1,500 MB to 20 GB"),
        (("retention", 1, 30), "**Pictures are kept**: from 1 day to 30 days"),
        (
            ("defaults", {"steps": 3}, {"steps": 9, "count": 2}),
            "**Defaults**: from `steps` 3 to `steps` 9, `count` 2",
        ),
        # Of another version:
        (("safety", "hold", "gentle"), '**Flagged pictures**: from `"hold"` to `"gentle"`'),
        (("board", None, "noon"), '**Best of the week**: from `null` to `"noon"`'),
        (("defaults", None, {"steps": "all"}), '**Defaults**: from `null` to `{"steps": "all"}`'),
        (("quotas", [], [{"colours": 3}]), '**Limits**: from `[]` to `[{"colours": 3}]`'),
    ],
)
def test_a_change_is_told_from_what_to_what(changed: Any, told: str) -> None:
    assert change(*changed) == told


def test_a_server_full_of_rules_still_fits_on_one_page() -> None:
    full = ServerSettings(
        channels=tuple(range(2**60, 2**60 + 100)),
        models=tuple(f"a model of number {number}" for number in range(50)),
        adult_models=tuple(f"a model of number {number}" for number in range(50)),
        words=tuple(f"word of number {number}" for number in range(500)),
        blocked=tuple(range(2**60, 2**60 + 1000)),
        defaults=Preferences(negative_prompt="ugly " * 300, style="a style " * 10, steps=9),
        quotas=tuple(Quota(role=2**60 + number, pictures=5, steps=50, weight=3) for number in range(50)),
    )
    lines = [setting_line(name, full, OWNER, TWO) for name in TITLES]
    whom = by_whom(Change(name="words", was=None, became=None, by=UserId(2**62), at=1.8e9))
    assert sum(len(line) + len(whom) + 4 for line in lines) < MAX_TEXT - ROOM


def test_who_is_forgotten_is_not_named() -> None:
    change = Change(name="words", was=None, became=None, by=NOBODY, at=5.0)
    assert by_whom(change) == "somebody who is forgotten <t:5:R>"


def test_words_are_typed_with_commas_between_them() -> None:
    assert parse_words(" bad, Red   Sky,,\u200b, 悪い ") == ["bad", "Red Sky", "悪い"]


@pytest.mark.parametrize("typed", ["", " , ", "a", "bad, !", "bad, x" * 40, "a|b", "x" * 61])
def test_what_would_be_found_everywhere_or_nowhere_is_not_banned(typed: str) -> None:
    with pytest.raises(Refused):
        parse_words(typed)


def test_limits_that_changed_are_one_sentence() -> None:
    said = change("quotas", [Quota(pictures=3).plain()], [Quota(pictures=5).plain()])
    assert (
        said == "**Limits**: added **Everybody**: 5 pictures a day; removed **Everybody**: 3 pictures a day"
    )
