"""How long one will wait, learned from what was drawn before."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from playground.reading import text_of
from tests.journeys.kept import rows
from tests.journeys.stage import asks, draws, running, says, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_was_learned_before_a_restart_tells_how_long_it_will_take(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await draws(stage.anna, "slow", steps=16)
        assert await stage.bot.stop() == 0
        kinds = [kind for (kind,) in rows(stage, "SELECT kind FROM durations ORDER BY id")]
        assert kinds == ["reading fake:noise", "fake:noise · guided"]
        await stage.bot.start()

        with stage.bot.holding():
            drawn = await asks(stage.anna, "held", steps=150)
            waiting = await asks(stage.bruno, "held", steps=150)
            card = await stage.bruno.answer(waiting, says("Your picture is next."))
            told = re.search(r"It should be there <t:(\d+):R>", text_of(card))
            assert told is not None
            asked_at = (int(card["id"]) >> 22) / 1000 + 1_420_070_400
            # 15 seconds of steps at least: more on a machine that is busy
            assert 8 <= int(told[1]) - asked_at <= 600
            await stage.anna.press(await stage.anna.answer(drawn, says("about", "left")), "Cancel")
            await stage.bruno.press(await running(stage.bruno, waiting), "Cancel")
            await stage.bruno.answer(waiting, says("Cancelled"))
