"""What people write into prompts besides words: choices that repeat, and sentences about what cannot be."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from generation import metadata
from generation.prompting.wildcards import Wildcards
from generation.request import GenerationRequest, Seed
from playground.nouns import Json
from playground.person import Person
from playground.reading import pictures_of, text_of
from tests.generation.toys import a_request, write_safetensors
from tests.journeys.stage import NOISE, Stage, draws, result, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEMPLATE = "a {big|small} __colour__ circle, (very {round|flat}:1.2)"
COLOURS = ["red", "blue", "green", "yellow"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A bot whose owner has lists, some of them broken."""
    folder = tmp_path_factory.mktemp("bot")
    lists = folder / "wildcards"
    lists.mkdir()
    (lists / "colour.txt").write_text("\n".join(COLOURS))
    (lists / "loop.txt").write_text("a __loop__")
    (lists / "open.txt").write_text("(red")
    (folder / "embeddings").mkdir()
    write_safetensors(folder / "embeddings" / "night-ink.safetensors", {"emb_params": [2, 768]})
    async with staged(folder) as stage:
        yield stage


async def requests_of(person: Person, card: Json) -> list[GenerationRequest]:
    """What the files of a card say about how they were made."""
    found = []
    for picture in pictures_of(card):
        settings = metadata.read(await person.fetch(picture))
        assert settings.request is not None
        found.append(settings.request)
    return found


async def test_learned_words_are_listed_and_who_uses_one_in_vain_is_told(stage: Stage) -> None:
    assert "For models that are not here: `night-ink`" in await told(
        stage.anna, await stage.anna.command("words", {})
    )
    card = await draws(stage.anna, "a sun, Night-Ink", steps=1)
    assert "night-ink was learned for Stable Diffusion 1; noise read it as letters" in text_of(card)
    write_safetensors(stage.bot.folder / "embeddings" / "late.safetensors", {"emb_params": [2, 768]})
    assert "`late`, `night-ink`" in await told(stage.anna, await stage.anna.command("words", {}))


async def test_each_picture_has_its_own_choice_and_says_template_and_words(stage: Stage) -> None:
    card = await draws(stage.anna, TEMPLATE, negative_prompt="{grey|dull}", count=4, seed=70)
    ours = a_request(NOISE, prompt=TEMPLATE, negative_prompt="{grey|dull}", count=4, seed=Seed(70))
    expected = Wildcards(stage.bot.folder / "wildcards").decided(ours).wordings
    assert len(set(expected)) > 1
    made = await requests_of(stage.anna, card)
    assert [(one.prompt, one.negative_prompt) for one in made] == [
        (one.prompt, one.negative_prompt) for one in expected
    ]
    for index, request in enumerate(made):
        assert request.template is not None
        assert (request.template.prompt, request.template.negative_prompt) == (TEMPLATE, "{grey|dull}")
        assert pictures_of(card)[index]["description"] == f"Picture {index + 1} of 4: {request.prompt}"
        alone = await draws(stage.anna, TEMPLATE, negative_prompt="{grey|dull}", seed=70 + index)
        assert await requests_of(stage.anna, alone) == [request]
    shown = text_of(card).replace("\\", "")
    assert f"> {TEMPLATE}" in shown
    assert f"chosen: 1: {expected[0].prompt}" in shown


async def test_a_reroll_chooses_anew_from_the_template(stage: Stage) -> None:
    first = await draws(stage.anna, TEMPLATE + " {a|b|c|d|e|f|g|h|i|j|k|l} {m|n|o|p|q|r|s|t|u|v|w|x}", seed=1)
    again = await result(stage.bruno, await stage.bruno.press(first, "Reroll"))
    (before,), (after,) = await requests_of(stage.anna, first), await requests_of(stage.bruno, again)
    assert after.template == before.template
    assert after.seed != before.seed
    assert after.prompt != before.prompt
    settings = await told(stage.anna, await stage.anna.press(again, "Settings"))
    shown = settings.replace("\\", "")
    assert f"Chosen {after.prompt}" in shown.replace("*", "")
    assert after.template is not None
    assert f"/imagine prompt:{after.template.prompt}" in settings


async def test_what_was_chosen_is_kept_with_the_job(stage: Stage) -> None:
    """So neither a restart nor the owner's next edit changes a picture between asking and drawing."""
    card = await draws(stage.anna, "a __colour__ circle", seed=5)
    (made,) = await requests_of(stage.anna, card)
    ((more,),) = rows(stage, "SELECT more FROM jobs WHERE prompt = 'a __colour__ circle'")
    assert json.loads(str(more))["chosen"] == [{"prompt": made.prompt, "negative_prompt": ""}]


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("a (red circle", "The prompt has a `(` that is never closed, at `(red circle`."),
        ("a red] circle", "The prompt has a `]` that closes nothing"),
        ("a (red:1e9) circle", "A weight of 1e9 is not possible; choose 0 to 10."),
        ("a (red:nan) circle", "A weight of nan is not possible"),
        ("(" * 999 + "red" + ")" * 998, "is never closed"),
        ("{" * 1000 + "}" * 1000, "more than 10 deep"),
        ("a __color__ circle", "I do not know the wildcard `__color__`; did you mean `__colour__`?"),
        ("a __loop__", "The wildcard `__loop__` includes itself"),
        ("a {red|} circle", "A choice of the prompt has an empty alternative."),
        ("a {red|blue circle", "The prompt has a `{` that is never closed"),
        ("a {red|blue}} circle", "The prompt has a `}` that closes nothing"),
        ("__open__ circle", "The prompt has a `(` that is never closed"),
        ("a BREAK " * 9, "BREAK divides the prompt into 9 parts"),
    ],
    ids=lambda text: str(text)[:25],
)
async def test_what_cannot_be_read_is_a_private_sentence_and_nothing_is_kept(
    stage: Stage, prompt: str, sentence: str
) -> None:
    before = len(await stage.bruno.messages()), rows(stage, "SELECT count(*) FROM jobs")
    asked = await stage.anna.command("imagine", {"prompt": prompt})
    assert sentence in await told(stage.anna, asked)
    asked = await stage.anna.command("imagine", {"prompt": "a sun", "negative_prompt": prompt})
    assert sentence.replace("The prompt", "The negative prompt").replace(
        "the prompt", "the negative prompt"
    ) in await told(stage.anna, asked)
    assert (len(await stage.bruno.messages()), rows(stage, "SELECT count(*) FROM jobs")) == before


async def test_a_list_that_is_gone_is_a_sentence_for_who_rerolls(stage: Stage) -> None:
    shapes = stage.bot.folder / "wildcards" / "shape.txt"
    await asyncio.to_thread(shapes.write_text, "circle")
    card = await draws(stage.anna, "a red __shape__")
    await asyncio.to_thread(shapes.unlink)
    pressed = await stage.bruno.press(card, "Reroll")
    assert "I do not know the wildcard `__shape__`" in await told(stage.bruno, pressed)
    assert pictures_of(await draws(stage.anna, "a red circle"))


async def test_clip_skip_is_an_option_and_stands_in_the_picture(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", clip_skip=2)
    (made,) = await requests_of(stage.anna, card)
    assert made.clip_skip == 2
    assert "clip skip 2" in text_of(card)
    settings = await told(stage.anna, await stage.anna.press(card, "Settings"))
    assert "clip_skip:2" in settings
    asked = await stage.anna.command("imagine", {"prompt": "a sun", "clip_skip": 13})
    assert "A clip skip of 13 is not possible; choose 1 to 12." in await told(stage.anna, asked)


def rows(stage: Stage, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(stage.bot.database) as database:
        return database.execute(query).fetchall()
