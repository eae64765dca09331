"""Everything that cannot be is a sentence for the person who typed it, and nothing is drawn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from playground.nouns import Json
from playground.reading import is_ephemeral, pictures_of, text_of
from tests.journeys.stage import Stage, asks, draws, says, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A bot whose owner allows little."""
    limits = {"MAX_WAITING": "3", "MAX_WAITING_PER_PERSON": "2", "MAX_STEPS": "100", "MAX_PIXELS": "30000"}
    async with staged(tmp_path_factory.mktemp("bot"), **limits) as stage:
        yield stage


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prompt": "   "}, "The prompt is empty; say what the picture should show."),
        ({"prompt": "x" * 6000}, "The prompt has 6,000 characters; I can take 2,000 at the most."),
        ({"negative_prompt": "x" * 2001}, "The negative prompt has 2,001 characters"),
        ({"size": "big"}, "I could not read the size `big`; write it like `512x768`."),
        ({"size": "100x100"}, "both edges must be multiples of 8"),
        ({"size": "4096x4096"}, "noise cannot draw 4096x4096"),
        ({"size": "256x256"}, "256x256 is larger than I may draw here; a square can be 168x168"),
        ({"seed": -1}, "The seed -1 is out of range; choose 0 to 4294967295"),
        ({"seed": 4294967296}, "is out of range"),
        ({"sampler": "Euler b"}, "I do not know the sampler `Euler b`; did you mean `Euler a`?"),
        ({"steps": 0}, "0 steps are not possible; choose 1 to 150."),
        ({"steps": 101}, "101 steps are more than I may take here; choose 1 to 100."),
        ({"guidance": -1.5}, "A guidance of -1.5 is not possible; choose 0 to 30."),
        ({"count": 5}, "5 pictures at once are not possible; choose 1 to 4."),
        ({"size": "128x128", "aspect": "wide 16:9"}, "Choose an aspect or a size, not both."),
    ],
    ids=lambda given: str(given)[:60],
)
async def test_what_cannot_be_is_a_private_sentence(
    stage: Stage, options: dict[str, object], sentence: str
) -> None:
    before = len(await stage.bruno.messages())
    asked = await stage.anna.command("imagine", {"prompt": "a red circle", **options})
    assert sentence in await told(stage.anna, asked)
    assert len(await stage.bruno.messages()) == before


@pytest.mark.parametrize(
    "prompt",
    ["@everyone @here look", "**bold** ||spoiler|| `code`", "# heading", "[x](https://example.org)"],
    ids=["crowd", "formatting", "heading", "link"],
)
async def test_markup_is_shown_literally_and_calls_nobody(stage: Stage, prompt: str) -> None:
    card = await draws(stage.anna, prompt + f" <@{stage.bruno.id}>")
    assert card["mentions"] == []
    assert card["mention_everyone"] is False
    shown = text_of(card).splitlines()[0]
    assert shown.replace("\\", "") == f"> {prompt} <@{stage.bruno.id}>"
    (picture,) = pictures_of(card)
    assert picture["description"] == prompt + f" <@{stage.bruno.id}>"


async def test_the_longest_prompt_and_emoji_do_no_harm(stage: Stage) -> None:
    card = await draws(stage.anna, "🎨" * 1000 + "`" * 1000, negative_prompt="🧵" * 2000, count=4)
    assert len(pictures_of(card)) == 4


async def test_a_full_queue_is_a_sentence_for_commands_and_buttons_and_empties_again(stage: Stage) -> None:
    before = await draws(stage.anna, "before it was full")
    with stage.bot.holding():
        at_once = await asyncio.gather(*(asks(stage.anna, "held") for _ in range(3)))
        one_too_many = await stage.anna.message(
            lambda m: is_ephemeral(m) and source(m) in {a.id for a in at_once}
        )
        assert text_of(one_too_many) == (
            "You have 2 requests waiting already; ask again when one of them is done."
        )
        full = "The queue is full at the moment; please ask again in a little while."
        waiting = [(stage.anna, asked) for asked in at_once if asked.id != source(one_too_many)]
        waiting.append((stage.bruno, await asks(stage.bruno, "held")))
        assert await told(stage.bruno, await asks(stage.bruno, "held")) == full
        assert await told(stage.mina, await stage.mina.press(before, "Reroll")) == full
        for person, asked in waiting:
            await person.press(await person.answer(asked), "Cancel")
            await person.answer(asked, says("Cancelled"))
    assert pictures_of(await draws(stage.anna, "room again"))


def source(message: Json) -> str | None:
    """The id of the interaction that a message answers."""
    found = message.get("interaction_metadata", {}).get("id")
    return None if found is None else str(found)


async def test_a_failure_is_told_in_words_and_can_be_tried_again(stage: Stage) -> None:
    asked = await asks(stage.anna, "fail")
    card = await stage.anna.answer(asked, says("did not work"))
    assert "This cannot be drawn, as its prompt asks." in text_of(card)
    again = await stage.anna.press(card, "Try again")
    await stage.anna.answer(again, says("did not work"))


async def test_samplers_and_sizes_are_suggested_while_typing(stage: Stage) -> None:
    samplers = await stage.anna.autocomplete("imagine", "sampler", "karras")
    assert {"DPM++ 2M Karras"} <= {choice["value"] for choice in samplers}
    sizes = await stage.anna.autocomplete("imagine", "size", "")
    for choice in sizes:
        assert pictures_of(await draws(stage.anna, "a suggested size", size=choice["value"], steps=1))
