"""What is filled in where an option was left out, and what is left aside."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.limits import Limits
from bot.options import Typed
from bot.preferring import Preferred, filled, pinned, told, unfit
from generation.preferences import Preferences
from generation.request import InvalidRequest, Size
from generation.shelf import Shelf
from tests.bot.things import MODEL, OIL, SHELF, TWO

LIMITS = Limits(waiting=9, waiting_per_person=9, pixels=256 * 192, steps=60)
NOTHING_TYPED = Typed(prompt="a red circle")


def drawn(typed: Typed, *preferences: Preferences, shelf: Shelf = TWO) -> Typed:
    return filled(typed, None, preferences, shelf, LIMITS)[0]


def test_what_was_typed_goes_before_the_person_who_goes_before_the_server_who_goes_before_the_model() -> None:
    person = Preferences(steps=7, guidance=1.0)
    server = Preferences(steps=8, guidance=2.0, count=2)
    request = drawn(replace(NOTHING_TYPED, steps=6), person, server).request(SHELF)
    assert (request.steps, request.guidance, request.count, request.sampler) == (
        6,
        1.0,
        2,
        MODEL.defaults.sampler,
    )


def test_nothing_preferred_changes_nothing() -> None:
    assert filled(NOTHING_TYPED, None, (Preferences(),), TWO, LIMITS) == (NOTHING_TYPED, None)


def test_the_model_is_that_of_the_nearest_who_prefers_one_that_is_here() -> None:
    gone, oil = Preferences(model="Sold"), Preferences(model="oil *paint*")
    assert drawn(NOTHING_TYPED, gone, oil).chosen_model(TWO) is OIL
    assert drawn(NOTHING_TYPED, gone).chosen_model(TWO) is MODEL
    assert drawn(replace(NOTHING_TYPED, model="Mini"), oil).chosen_model(TWO) is MODEL


def test_what_the_chosen_model_cannot_take_is_left_aside_and_the_next_one_asked() -> None:
    person = Preferences(size=Size(width=1024, height=1024), sampler="DDIM", steps=7)
    server = Preferences(size=Size(width=128, height=192), sampler="Euler")
    picky = replace(MODEL, samplers=("Euler", "Euler a"), defaults=replace(MODEL.defaults, sampler="Euler a"))
    shelf = Shelf(models=(picky,), default=picky)
    request = drawn(NOTHING_TYPED, person, server, shelf=shelf).request(shelf)
    assert (request.size, request.sampler, request.steps) == (Size(width=128, height=192), "Euler", 7)
    assert [each.name for each in unfit(person, picky, LIMITS)] == ["size", "sampler"]


@pytest.mark.parametrize(
    ("typed", "preferred"),
    [
        ({"sampler": "LCM"}, Preferences(steps=55)),
        ({"steps": 55}, Preferences(sampler="LCM")),
        ({}, Preferences(sampler="LCM", steps=55)),
        ({}, Preferences(steps=61)),
        ({}, Preferences(size=Size(width=256, height=256))),
    ],
)
def test_a_preference_never_makes_a_request_impossible(typed: dict[str, Any], preferred: Preferences) -> None:
    request = drawn(replace(NOTHING_TYPED, **typed), preferred).request(SHELF)
    assert LIMITS.reject_reason(request) is None


def test_what_was_typed_wrongly_is_still_refused() -> None:
    with pytest.raises(InvalidRequest, match="I do not know the model"):
        drawn(replace(NOTHING_TYPED, model="Sold"), Preferences(steps=7)).request(TWO)


def test_a_typed_shape_stands_alone() -> None:
    wide = Preferences(aspect="wide 16:9")
    assert drawn(replace(NOTHING_TYPED, size="128x128"), wide).request(SHELF).size == Size(
        width=128, height=128
    )
    assert drawn(NOTHING_TYPED, wide).request(SHELF).size == Size(width=176, height=96)


def test_what_starts_from_a_picture_keeps_its_shape() -> None:
    typed, _ = filled(
        NOTHING_TYPED, None, (Preferences(aspect="wide 16:9", steps=7),), SHELF, LIMITS, shaped=False
    )
    assert (typed.aspect, typed.steps) == (None, 7)


def test_a_preferred_empty_negative_prompt_goes_before_the_one_of_the_model() -> None:
    none = Preferences(model="Oil *Paint*", negative_prompt="")
    assert drawn(NOTHING_TYPED).request(Shelf(models=(OIL,), default=OIL)).negative_prompt == "blurry"
    assert drawn(NOTHING_TYPED, none).request(TWO).negative_prompt == ""


def test_a_preferred_style_can_be_left_out_for_once() -> None:
    neon = (Preferences(style="Neon"),)
    _, style = filled(NOTHING_TYPED, None, neon, SHELF, LIMITS)
    assert (style, isinstance(style, Preferred)) == ("Neon", True)
    assert filled(NOTHING_TYPED, "None ", neon, SHELF, LIMITS)[1] is None
    assert filled(NOTHING_TYPED, "Photograph", neon, SHELF, LIMITS)[1] == "Photograph"


def test_a_line_to_copy_draws_the_same_whatever_is_preferred() -> None:
    mine = Preferences(style="Neon", negative_prompt="blurry", count=3, steps=7)
    line = "/imagine prompt:a sun size:128x128 steps:20"
    assert pinned((mine,), line) == f"{line} style:none negative_prompt:none count:1"
    assert pinned((Preferences(),), line) == line


def test_preferences_are_told_as_people_write_them() -> None:
    wanted = Preferences(size=Size(width=512, height=768), guidance=7.0, negative_prompt="")
    assert told(wanted) == [("size", "512x768"), ("guidance", "7"), ("negative_prompt", "none")]
