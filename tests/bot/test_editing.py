"""What becomes of a request in the form of Edit, and how long a form may wait for what it needs."""

from __future__ import annotations

import asyncio

import pytest

from bot import forms
from bot.editing import Edited, edit_fields
from bot.forms import Text
from bot.limits import Refused
from generation.request import (
    Adapter,
    Digest,
    GenerationRequest,
    Hires,
    InvalidRequest,
    Seed,
    Size,
    Start,
    Upscale,
    Variation,
    Wording,
)
from storage.errors import DatabaseUnusable
from tests.bot.things import request

NEW = Seed(99)
DISCORDS_PATIENCE = 3.0
"""Seconds, for the first answer to a press."""


def edited(of: GenerationRequest, **changes: str) -> GenerationRequest:
    texts = {field.name: field.value for field in edit_fields(of)}
    return Edited.read({**texts, **changes}).applied(of, NEW)


def test_what_is_left_as_it_was_stays_to_the_last_digit() -> None:
    start = Start(picture=Digest("0" * 64), strength=0.5)
    of = request(
        guidance=7.123456789,
        adapters=(Adapter(name="oil", weight=0.8),),
        variations=(Variation(seed=Seed(5), strength=0.15),),
        start=start,
        count=3,
        clip_skip=2,
    )
    assert edited(of) == of


def test_another_seed_ends_the_variation_and_an_empty_one_is_drawn_anew() -> None:
    of = request(variations=(Variation(seed=Seed(5), strength=0.15),))
    assert edited(of, seed="124").variations == ()
    assert edited(of, seed=" ").seed == NEW


def test_choices_are_open_again_and_an_enlarged_picture_is_drawn() -> None:
    size = Size(width=256, height=256)
    of = request(
        prompt="{a|b}",
        chosen=(Wording(prompt="a", negative_prompt=""),),
        upscale=Upscale(upscaler="x2", factor=2.0, picture=Digest("0" * 64), size=size),
    )
    again = edited(of)
    assert (again.prompt, again.chosen, again.upscale) == ("{a|b}", None, None)


def test_a_second_pass_takes_as_many_steps_as_the_first_unless_it_had_its_own() -> None:
    size = Size(width=256, height=256)
    same = request(steps=20, hires=Hires(size=size, steps=20))
    own = request(steps=20, hires=Hires(size=size, steps=12))
    for of, steps in ((same, 30), (own, 12)):
        hires = edited(of, steps="30").hires
        assert hires is not None
        assert hires.steps == steps


def test_steps_of_which_none_is_left_are_refused() -> None:
    of = request(start=Start(picture=Digest("0" * 64), strength=0.1))
    with pytest.raises(InvalidRequest, match="none of 5 steps is left"):
        edited(of, steps="5")


@pytest.mark.parametrize("field", ["steps", "guidance"])
@pytest.mark.parametrize("typed", ["", "nan", "²", "1e5", "--1", "1_0_0"])
def test_numbers_that_are_none_are_refused(field: str, typed: str) -> None:
    with pytest.raises(InvalidRequest):
        edited(request(), **{field: typed})


async def test_a_form_does_not_wait_for_what_is_slow_or_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert forms.LOOK_PATIENCE < DISCORDS_PATIENCE
    monkeypatch.setattr(forms, "LOOK_PATIENCE", 0.01)

    async def locked() -> None:
        raise DatabaseUnusable("busy")

    for looking in (asyncio.Event().wait(), locked()):
        with pytest.raises(Refused, match="quickly enough"):
            await forms.at_hand(looking)


@pytest.mark.parametrize(
    ("value", "room"),
    [("", 2000), ("a" * 2000, 2000), ("🦊" * 1000, 2000), ("🦊" * 1001, 4000), ("a" * 2001, 4000)],
)
def test_a_form_takes_as_much_as_a_prompt_may_have_unless_more_stands_in_it(value: str, room: int) -> None:
    assert Text(name="prompt", label="Prompt", value=value, long=True).room == room
