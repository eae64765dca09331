"""The bot judges what is asked by what the models are, as soon as that is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.learning import Learner
from bot.limits import Limits
from generation.shelf import Shelf
from tests.bot.things import MODEL, TWO

TRUTH = replace(MODEL, native=256, max_edge=512, defaults=replace(MODEL.defaults, steps=50))


def limits(pixels: int = 200**2) -> Limits:
    return Limits(waiting=9, waiting_per_person=9, pixels=pixels, steps=30)


def test_what_was_learned_is_handed_on_within_the_limits() -> None:
    told: list[Shelf] = []
    learner = Learner(TWO, limits(), told.append)
    learner.learn(TRUTH)
    (shelf,) = told
    assert (shelf.default.native, shelf.default.max_edge, shelf.default.defaults.steps) == (192, 512, 30)
    assert shelf.models[1].name == "Oil *Paint*"
    learner.learn(TRUTH)
    assert len(told) == 1, "nothing new"


def test_a_model_that_the_limits_leave_nothing_of_is_told_to_the_owner(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Shelf] = []
    Learner(TWO, limits(), told.append).learn(replace(TRUTH, min_edge=256))
    assert told == []
    assert "MAX_PIXELS is 40000, but Mini draws nothing smaller than 256x256" in caplog.text
