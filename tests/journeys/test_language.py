"""A person whose Discord is in German reads German, everywhere, and their neighbour English."""

from __future__ import annotations

from pathlib import Path

import pytest

from playground.reading import button_labels, pictures_of, text_of
from tests.journeys.kept import change
from tests.journeys.stage import asks, result, says, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_card_is_in_the_language_of_who_asked_for_it_also_after_a_restart(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.anna.speak("de")
        imagine = next(each for each in await stage.anna.commands() if each["name"] == "imagine")
        assert imagine["description"] == "Draw a picture from words"
        assert imagine["description_localizations"]["de"] == "Ein Bild aus Worten zeichnen"
        prompt = next(option for option in imagine["options"] if option["name"] == "prompt")
        assert prompt["description_localizations"]["de"] == "Was das Bild zeigen soll"

        with stage.bot.holding():
            asked = await asks(stage.anna, "held", steps=50)
            card = await stage.anna.answer(asked, says("**Zeichne:** Schritt", "50 Schritte"))
            assert button_labels(card) == ["Abbrechen"]
            outdated = await asks(stage.anna, "held and outdated", steps=9)
            said = await told(stage.anna, await asks(stage.anna, "too many", count=9))
            assert said == "9 Bilder auf einmal gehen nicht; wähle 1 bis 4."
            said = await told(stage.bruno, await stage.bruno.press(card, "Abbrechen"))
            assert said == "Only the person who asked for this, or a moderator, can cancel it."
            assert await stage.bot.stop() == 0
        change(stage, "UPDATE jobs SET steps = 151 WHERE prompt = 'held and outdated'")
        await stage.bot.start()
        done = await result(stage.anna, asked)
        assert f"gewünscht von <@{stage.anna.id}>" in text_of(done)
        assert button_labels(done)[0] == "Neu würfeln"
        failed = await stage.anna.answer(outdated, says("Das hat nicht geklappt."))
        assert "151 Schritte gehen nicht; wähle 1 bis 150." in text_of(failed)

        # What somebody presses is answered to them in their own language, and drawn in it.
        again = await result(stage.bruno, await stage.bruno.press(done, "Neu würfeln"))
        assert f"asked by <@{stage.bruno.id}>" in text_of(again)
        assert button_labels(again)[0] == "Reroll"
        assert pictures_of(again)
