"""What one person decides for themselves, and what becomes of it."""

from __future__ import annotations

import pytest

from playground.reading import text_of
from tests.journeys.stage import Stage, asks, result, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_a_person_prefers_holds_where_they_leave_it_out(stage: Stage) -> None:
    said = await told(stage.anna, await stage.anna.command("prefer set", {"steps": 3, "sampler": "ddim"}))
    assert "`steps`** 3" in said
    card = await result(stage.anna, await asks(stage.anna, "a red circle", sampler="Euler"))
    assert "3 steps · guidance 5 · Euler ·" in text_of(card)
    card = await result(stage.bruno, await asks(stage.bruno, "a red circle"))
    assert "3 steps" not in text_of(card)

    refused = await told(stage.anna, await stage.anna.command("prefer set", {"steps": 500}))
    assert refused == "500 steps are not possible; choose 1 to 150."
    large = await told(stage.anna, await stage.anna.command("prefer set", {"size": "4096x4096"}))
    assert "`size` is left aside" in large
    assert "`steps`** 3" in await told(stage.anna, await stage.anna.command("prefer show"))
    card = await result(stage.anna, await asks(stage.anna, "a red circle"))
    assert "128 × 128 · 3 steps · guidance 5 · DDIM" in text_of(card)

    assert "nothing in particular" in await told(stage.anna, await stage.anna.command("prefer clear"))
