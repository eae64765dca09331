"""Models that come while the bot runs: who waits for one sees it, and others draw meanwhile."""

from __future__ import annotations

from pathlib import Path

from playground.reading import text_of
from tests.journeys.stage import asks, draws, result, running, says, staged, told

PLAIN = '[[model]]\nname = "Plain"\nsource = "fake:noise"\n'
FETCHED = '[[model]]\nname = "Large"\nsource = "fake:fetched"\n'
MISJUDGED = '[[model]]\nname = "Misjudged"\nsource = "fake:misjudged"\n'


async def test_who_waits_for_a_download_sees_it_and_a_restart_in_the_middle_loses_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / "models.toml").write_text(PLAIN + FETCHED)
    async with staged(tmp_path) as stage:
        with stage.bot.holding():
            drawn = await asks(stage.bruno, "held", model="Plain")
            await running(stage.bruno, drawn)
            waits = await asks(stage.anna, "a red circle", model="Large")
            card = await stage.anna.answer(waits, says("Downloading Large:", "of 4.3 GB."))
            assert "Drawing" not in text_of(card)
            await stage.bruno.answer(drawn, says("Drawing", "step"))
            await stage.bot.kill()
        await stage.bot.start()
        assert "Large" in text_of(await result(stage.anna, waits))
        assert "Plain" in text_of(await result(stage.bruno, drawn))


async def test_a_model_that_turns_out_to_be_another_is_known_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(PLAIN + MISJUDGED)
    async with staged(tmp_path) as stage:
        asked = await asks(stage.anna, "a red circle", model="Misjudged", size="136x128")
        end = text_of(await stage.anna.answer(asked, says("did not work")))
        assert "both edges must be multiples of 64" in end
        assert "Until it was fetched I knew this model only by its name" in end
        said = await told(stage.anna, await asks(stage.anna, "a circle", model="Misjudged", size="136x128"))
        assert said == (
            "Misjudged cannot draw 136x128: both edges must be multiples of 64. "
            "The nearest that works is 128x128."
        )
        await draws(stage.anna, "a circle", model="Misjudged", size="128x128")
