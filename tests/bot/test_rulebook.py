"""What is said of a server's settings and of changes to them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from bot.commands.server_words import parse_words
from bot.limits import Refused
from bot.rulebook import TITLES, change_line, setting_line
from bot.safety import OwnerSafety
from generation.job import UserId
from generation.preferences import Preferences
from generation.request import Size
from generation.safety import Safety
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
        (("retention", 1, 30), "**Pictures are kept**: from 1 day to 30 days"),
        (
            ("defaults", {"steps": 3}, {"steps": 9, "count": 2}),
            "**Defaults**: from `steps` 3 to `steps` 9, `count` 2",
        ),
    ],
)
def test_a_change_is_told_from_what_to_what(changed: Any, told: str) -> None:
    assert change(*changed) == told


def test_words_are_typed_with_commas_between_them() -> None:
    assert parse_words(" bad, Red   Sky,,\u200b, 悪い ") == ["bad", "Red Sky", "悪い"]


@pytest.mark.parametrize("typed", ["", " , ", "a", "bad, !", "bad, x" * 40, "a|b", "x" * 61])
def test_what_would_be_found_everywhere_or_nowhere_is_not_banned(typed: str) -> None:
    with pytest.raises(Refused):
        parse_words(typed)
