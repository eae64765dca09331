"""Answers of Discord's that come late, get lost or are refusals, and that nobody is left with half a card."""

from __future__ import annotations

import pytest

from playground.faults import Fault
from playground.reading import pictures_of
from tests.journeys.stage import Stage, asks, result, says
from tests.journeys.test_endurance import until_delivered

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_progress_edit_that_lands_after_the_end_does_not_last(stage: Stage) -> None:
    late = Fault(method="PATCH", path="/webhooks/*", delay=8.0, times=1)
    stage.playground.faults.add(late)
    asked = await asks(stage.anna, "slow and overtaken", steps=60)
    card = await result(stage.anna, asked)
    undone = await stage.anna.answer(asked, says("Drawing"))
    assert undone["id"] == card["id"]
    assert not pictures_of(undone)
    assert (await result(stage.anna, asked))["id"] == card["id"]
    await until_delivered(stage)
