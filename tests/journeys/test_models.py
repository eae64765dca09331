"""Several models: chosen by name, each with what its owner decided for it, kept by Reroll."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from generation import metadata
from playground.nouns import Json
from playground.reading import pictures_of, text_of
from tests.generation.toys import write_safetensors
from tests.journeys.stage import Stage, asks, draws, result, says, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN = """
[[model]]
name = "Plain Noise"
source = "fake:noise"
"""
FANCY = """
[[model]]
name = "Fancy *Noise*"
source = "fake:noise-two"
size = "192x128"
steps = 3
guidance = 2.5
sampler = "euler a"
negative_prompt = "dull colours"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A bot with two models."""
    folder = tmp_path_factory.mktemp("bot")
    (folder / "models.toml").write_text(PLAIN + FANCY + 'ip_adapter = "look.safetensors"\n')
    shapes = {"image_proj.proj.weight": [64, 12], "ip_adapter.1.to_k_ip.weight": [8, 16]}
    write_safetensors(folder / "look.safetensors", shapes)
    (folder / "image_encoder").mkdir()
    (folder / "image_encoder" / "config.json").write_text('{"projection_dim": 12}')
    write_safetensors(folder / "image_encoder" / "model.safetensors", {"weight": [1]})
    async with staged(folder, MAX_STEPS="20", MAX_PIXELS="30000") as stage:
        yield stage


def unescaped(card: Json) -> str:
    return text_of(card).replace("\\", "")


async def settings_of(stage: Stage, card: Json) -> metadata.Settings:
    (picture,) = pictures_of(card)
    return metadata.read(await stage.anna.fetch(picture))


async def test_the_default_draws_for_who_chooses_none_and_the_card_names_it(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle")
    assert "Plain Noise · 128 × 128 · 8 steps · guidance 5 · Euler" in unescaped(card)
    assert "without" not in text_of(card)


async def test_a_chosen_model_draws_with_its_own_defaults_and_they_are_in_the_file(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", model="fancy *noise*")
    said = unescaped(card)
    assert "Fancy *Noise* · 192 × 128 · 3 steps · guidance 2.5 · Euler a" in said
    assert "without: dull colours" in said
    kept = await settings_of(stage, card)
    assert (kept.negative_prompt, kept.steps, kept.sampler) == ("dull colours", 3, "Euler a")
    assert kept.model == "Fancy *Noise*", "it was really that model that drew"


async def test_what_is_typed_wins_over_the_models_defaults(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", model="Fancy *Noise*", steps=4, negative_prompt="none")
    said = unescaped(card)
    assert "4 steps" in said
    assert "without" not in said


async def test_a_reroll_keeps_the_model_and_its_negative_prompt(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", model="Fancy *Noise*")
    again = unescaped(await result(stage.bruno, await stage.bruno.press(card, "Reroll")))
    assert "Fancy *Noise* · 192 × 128 · 3 steps" in again
    assert "without: dull colours" in again


def a_photo(size: tuple[int, int] = (90, 60)) -> tuple[str, bytes]:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, format="PNG")
    return "look.png", file.getvalue()


async def test_a_look_is_taken_where_the_owner_has_made_that_possible(stage: Stage) -> None:
    card = await draws(
        stage.anna,
        "a sun",
        model="Fancy *Noise*",
        look=a_photo((3000, 900)),
        look_weight=0.4,
        style="Pixel art",
    )
    assert "the look of a picture, weight 0.4" in unescaped(card)
    first = (await settings_of(stage, card)).request
    assert first is not None
    assert first.look is not None
    assert first.look.weight == 0.4
    kept = stage.bot.folder / "data" / "pictures" / first.look.picture[:2] / first.look.picture
    with Image.open(kept) as picture:
        assert picture.size == (1024, 307)
    again = await result(stage.bruno, await stage.bruno.press(card, "Reroll"))
    rerolled = (await settings_of(stage, again)).request
    assert rerolled is not None
    assert rerolled.look == first.look
    said = await told(stage.anna, await stage.anna.press(again, "Settings"))
    assert "**Look** of a picture, with weight 0.4" in said
    assert "/imagine" not in said
    both = await draws(stage.anna, "a sun", model="Fancy *Noise*", image=a_photo(), look=a_photo(), steps=4)
    assert "from a picture, strength 0.7 · the look of a picture, weight 0.6" in unescaped(both)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"look": a_photo()}, "Plain Noise cannot take the look of a picture: its owner has to give it an"),
        ({"look_weight": 0.5}, "A weight of the look needs a picture that has it; give me one as `look`."),
        ({"look": a_photo(), "look_weight": 2}, "A weight of 2 for the style picture is not possible"),
        ({"look": ("look.png", b"no"), "model": "Fancy *Noise*"}, "picture for the look"),
    ],
)
async def test_a_look_that_cannot_be_is_a_sentence(
    stage: Stage, options: dict[str, Any], sentence: str
) -> None:
    assert sentence in await told(stage.anna, await asks(stage.anna, "a sun", **options))


async def test_an_unknown_model_is_a_sentence_with_the_nearest(stage: Stage) -> None:
    said = await told(stage.anna, await asks(stage.anna, "a red circle", model="fancy nose"))
    assert said == "I do not know the model `fancy nose`; did you mean `Fancy *Noise*`?"
    said = await told(stage.anna, await asks(stage.anna, "a red circle", model="zzz"))
    assert said == "I do not know the model `zzz`; I have `Plain Noise`, `Fancy *Noise*`."


async def test_names_are_suggested_and_the_chosen_ones_sizes(stage: Stage) -> None:
    choices = await stage.anna.autocomplete("imagine", "model", "")
    assert [choice["value"] for choice in choices] == ["Plain Noise", "Fancy *Noise*"]
    choices = await stage.anna.autocomplete("imagine", "model", "fan")
    assert [choice["name"] for choice in choices] == ["Fancy *Noise*"]
    sizes = await stage.anna.autocomplete("imagine", "size", "", {"model": "Fancy *Noise*"})
    assert sizes[0]["value"] == "192x128"
    sizes = await stage.anna.autocomplete("imagine", "size", "")
    assert "192x128" not in [choice["value"] for choice in sizes]


async def test_no_sampler_is_suggested_for_a_model_that_takes_none(tmp_path: Path) -> None:
    flux = '[[model]]\nname = "Flux"\nsource = "black-forest-labs/FLUX.1-dev"\n'
    (tmp_path / "models.toml").write_text(PLAIN + flux)
    async with staged(tmp_path) as stage:
        choices = await stage.anna.autocomplete("imagine", "sampler", "euler", {"model": "Flux"})
        assert choices == []
        assert await stage.anna.autocomplete("imagine", "sampler", "euler")


async def test_the_owners_limits_hold_for_each_model(stage: Stage) -> None:
    for name in ("Plain Noise", "Fancy *Noise*"):
        said = await told(stage.anna, await asks(stage.anna, "a red circle", model=name, steps=21))
        assert said == "21 steps are more than I may take here; choose 1 to 20."
        said = await told(stage.anna, await asks(stage.anna, "a red circle", model=name, size="256x256"))
        assert "256x256 is larger than I may draw here" in said


async def test_settings_name_the_model_and_give_the_line_that_chooses_it(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", model="Fancy *Noise*", negative_prompt="none", seed=7)
    said = await told(stage.anna, await stage.anna.press(card, "Settings"))
    assert r"**Model** Fancy \*Noise\*" in said
    assert (
        "/imagine prompt:a red circle negative_prompt:none model:Fancy *Noise* size:192x128 steps:3 "
        "guidance:2.5 sampler:Euler a seed:7"
    ) in said


async def test_a_reroll_with_a_model_that_was_taken_away_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(PLAIN + FANCY)
    async with staged(tmp_path) as stage:
        assert "model" in await options_of_imagine(stage)
        card = await draws(stage.anna, "a red circle", model="Fancy *Noise*")
        assert await stage.bot.stop() == 0
        (tmp_path / "models.toml").write_text(PLAIN)
        await stage.bot.start()
        assert "model" not in await options_of_imagine(stage)
        said = await told(stage.anna, await stage.anna.press(card, "Reroll"))
        assert said == (
            "That was drawn with `fake:noise-two`, which I do not have any more. "
            "With `/imagine` you can draw with `Plain Noise`."
        )
        said = await told(stage.anna, await stage.anna.press(card, "Settings"))
        assert "I do not have its model any more, so no command draws the same again." in said
        assert "Plain Noise" in text_of(await draws(stage.anna, "on it goes"))


async def options_of_imagine(stage: Stage) -> list[str]:
    """The options that Discord shows of /imagine."""
    commands = await stage.mina.request("GET", f"/applications/{stage.mina.bot['id']}/commands")
    (imagine,) = [command for command in commands if command["name"] == "imagine"]
    return [option["name"] for option in imagine["options"]]


async def test_with_one_model_there_is_nothing_to_choose_and_a_reroll_draws_with_what_is_there(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, model="fake:noise") as stage:
        card = await draws(stage.anna, "a red circle", steps=5)
        assert await stage.bot.stop() == 0
        stage.bot.configure(MODEL="fake:another")
        await stage.bot.start()
        assert "model" not in await options_of_imagine(stage)
        again = await result(stage.anna, await stage.anna.press(card, "Reroll"))
        assert "another · 128 × 128 · 5 steps" in text_of(again)


async def test_a_model_that_ends_the_process_is_given_up_and_nobody_elses_picture(tmp_path: Path) -> None:
    (tmp_path / "models.toml").write_text(PLAIN + '[[model]]\nname = "Deadly"\nsource = "fake:crash"\n')
    async with staged(tmp_path) as stage:
        deadly = await asks(stage.anna, "a red circle", model="Deadly")
        card = await draws(stage.bruno, "a blue square", model="Plain Noise")
        assert "Plain Noise" in unescaped(card)
        end = await stage.anna.answer(deadly, says("did not work"))
        assert "stopped the drawing process 3 times" in text_of(end)
        assert len(re.findall("starting another|lost a worker", stage.bot.log)) < 12
        await draws(stage.bruno, "a green star", model="Plain Noise")


async def test_only_models_that_the_server_allows_are_suggested_and_draw(stage: Stage) -> None:
    async def offered() -> list[str]:
        shown = await stage.anna.autocomplete("imagine", "model", "")
        return [choice["name"] for choice in shown]

    old = await draws(stage.anna, "a sun", model="Plain Noise")
    assert await offered() == ["Plain Noise", "Fancy *Noise*"]
    await told(stage.mina, await stage.mina.command("server models allow", {"model": "fancy *noise*"}))
    assert await offered() == ["Fancy *Noise*"]
    assert "Fancy *Noise* · 192 × 128" in unescaped(await draws(stage.anna, "a sun"))
    wanted = "`Plain Noise` may not draw in this server; there are: `Fancy *Noise*`."
    assert await told(stage.anna, await asks(stage.anna, "a sun", model="Plain Noise")) == wanted
    assert await told(stage.anna, await stage.anna.press(old, "Reroll")) == wanted
    await told(stage.mina, await stage.mina.command("server models allow", {"model": "Plain Noise"}))
    allowed = await stage.mina.autocomplete("server models remove", "model", "")
    assert {choice["value"] for choice in allowed} == {"Fancy *Noise*", "Plain Noise"}
    await told(stage.mina, await stage.mina.command("server models remove", {"model": "fancy *noise*"}))
    assert await offered() == ["Plain Noise"]
    last = await stage.mina.command("server models remove", {"model": "plain noise"})
    assert (await told(stage.mina, last)).startswith("That is the only one.")
    await told(stage.mina, await stage.mina.command("server models all", {}))
    assert await offered() == ["Plain Noise", "Fancy *Noise*"]
