"""Preferences: defaults of somebody's own, and who goes before whom."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from generation.preferences import Preferences
from generation.request import InvalidRequest, Size

ALL = Preferences(
    model="Mini",
    style="Photograph",
    size=Size(width=512, height=768),
    steps=30,
    guidance=6.5,
    sampler="DPM++ 2M Karras",
    negative_prompt="",
    count=2,
)


def test_preferences_survive_json() -> None:
    kept = json.loads(json.dumps(ALL.plain()))
    assert Preferences.from_plain(kept) == ALL
    assert kept.keys() == {field.name for field in fields(Preferences)} - {"aspect"}
    assert Preferences().plain() == {}
    assert Preferences.from_plain({}) == Preferences()


def test_the_nearer_ones_go_before_those_further_away() -> None:
    person = Preferences(steps=30, negative_prompt="")
    server = Preferences(steps=12, guidance=3.0, negative_prompt="blurry")
    assert person.over(server) == Preferences(steps=30, guidance=3.0, negative_prompt="")
    assert Preferences().over(server) == server
    assert server.over(Preferences()) == server


def test_an_aspect_takes_the_place_of_a_size_and_the_other_way_round() -> None:
    size = Preferences(size=Size(width=512, height=512))
    aspect = Preferences(aspect="tall 9:16")
    assert aspect.over(size) == aspect
    assert size.over(aspect) == size


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"aspect": "square 1:1", "size": Size(width=64, height=64)}, "not both"),
        ({"steps": 0}, "choose 1 to 150"),
        ({"guidance": -1.0}, "choose 0 to 30"),
        ({"guidance": float("nan")}, "choose 0 to 30"),
        ({"sampler": "Eulr"}, "did you mean `Euler`"),
        ({"negative_prompt": "x" * 2001}, "2,001 characters"),
        ({"count": 5}, "choose 1 to 4"),
    ],
)
def test_what_can_never_be_is_no_preference(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        Preferences(**wrong)


@pytest.mark.parametrize("plain", [{"colour": "red"}, {"steps": "30"}, {"steps": True}, {"size": [1, 2]}])
def test_what_is_no_preference_is_not_read_as_one(plain: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Preferences.from_plain(plain)
