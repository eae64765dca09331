"""Pictures made larger by an upscaler of the owner's, and settings read back from files."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image

from generation import metadata
from generation.redraw import largest_difference, redraw
from playground.nouns import Json
from playground.reading import button_labels, component, is_ephemeral, is_loading, text_of
from tests.generation.upscaling import build_upscaler
from tests.journeys.stage import Stage, draws, result, staged, told
from tests.journeys.test_pictures import files_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("bot")
    await asyncio.to_thread(build_upscaler, folder / "upscalers" / "2x toy.safetensors")
    (folder / "upscalers" / "old.pth").write_bytes(b"a pickle")
    async with staged(folder) as stage:
        yield stage


def private(message: Json) -> bool:
    return is_ephemeral(message) and not is_loading(message)


def photo(width: int, height: int) -> tuple[str, bytes]:
    file = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").resize((width, height)).save(file, format="PNG")
    return "photo.png", file.getvalue()


async def test_the_button_offers_the_upscaler_and_the_file_says_what_it_did(stage: Stage) -> None:
    assert "old.pth is a pickle" in stage.bot.log
    card = await draws(stage.anna, "a red circle", size="128x64", seed=7)
    (small,) = await files_of(stage.anna, card)
    asked = await stage.bruno.press(card, "Upscale")
    menu = await stage.bruno.answer(asked, private)
    chosen = component(menu, "Make it larger…", (3,))
    assert chosen is not None
    offered = [option["label"] for option in chosen["options"]]
    assert offered == [
        *(f"{factor}× with 2x toy" for factor in (2, 3, 4)),
        "By drawing it again, with new details",
    ]
    larger = await result(stage.bruno, await stage.bruno.select(menu, "Make it larger…", ["2× with 2x toy"]))
    assert "then 256 × 128, 2 times as large with 2x toy" in text_of(larger)
    assert button_labels(larger) == [
        "Edit",
        "Settings",
        "Delete",
        "Vary a little",
        "Vary a lot",
        "Upscale",
        "Inpaint",
    ]
    (png,) = await files_of(stage.bruno, larger)
    assert Image.open(io.BytesIO(png)).size == (256, 128)
    settings = metadata.read(png)
    assert (settings.prompt, settings.seed, settings.upscale_by) == ("a red circle", 7, 2)
    assert "Postprocess upscaler: 2x toy" in Image.open(io.BytesIO(png)).info["parameters"]
    again = await asyncio.to_thread(
        redraw,
        settings,
        files=stage.bot.folder / "data" / "pictures",
        upscalers=stage.bot.folder / "upscalers",
    )
    assert largest_difference(png, again) == 0
    said = await told(stage.anna, await stage.anna.press(larger, "Settings"))
    assert "**Made larger** 2 times by `2x toy`, to 256x128" in said
    # A variation is one of the picture as it was drawn.
    varied = await result(stage.anna, await stage.anna.press(larger, "Vary a little"))
    assert Image.open(io.BytesIO((await files_of(stage.anna, varied))[0])).size == (128, 64)
    assert Image.open(io.BytesIO(small)).size == (128, 64)


async def test_what_somebody_brings_is_made_larger_or_refused_with_a_sentence(stage: Stage) -> None:
    asked = await stage.anna.command("upscale", {"image": photo(90, 70), "factor": 3})
    card = await result(stage.anna, asked)
    assert "272 × 208, 3 times as large with 2x toy" in text_of(card)
    assert button_labels(card) == ["Settings", "Delete", "Upscale"]
    (png,) = await files_of(stage.anna, card)
    settings = metadata.read(png)
    assert settings.prompt == ""
    kept = stage.bot.folder / "data" / "pictures"
    again = await asyncio.to_thread(redraw, settings, files=kept, upscalers=stage.bot.folder / "upscalers")
    assert largest_difference(png, again) == 0
    for options, sentence in (
        ({"image": photo(90, 70), "factor": 9}, "9 times as large is not possible; choose 1.1 to 8."),
        (
            {"image": photo(90, 70), "upscaler": "none"},
            "I do not know the upscaler `none`; I have `2x toy`.",
        ),
        (
            {"image": photo(1200, 800), "factor": 8},
            "cannot be made 8 times as large here; choose 1.1 to 3.41.",
        ),
        ({"image": ("photo.png", b"no picture")}, "What you brought as the picture is no PNG"),
    ):
        assert sentence in await told(stage.anna, await stage.anna.command("upscale", options))


async def test_a_second_pass_may_be_by_an_upscaler(stage: Stage) -> None:
    offered = await stage.anna.autocomplete("imagine", "hires_by", "", {"prompt": "x"})
    assert [choice["name"] for choice in offered] == ["pixels", "latents", "2x toy"]
    card = await draws(stage.anna, "a sun", size="128x64", hires=1.5, hires_by="2X Toy")
    assert "then 192 × 96 with 2x toy" in text_of(card)
    (png,) = await files_of(stage.anna, card)
    assert metadata.read(png).hires_upscaler == "2x toy"
    asked = await stage.anna.command("imagine", {"prompt": "a sun", "hires": 1.5, "hires_by": "none"})
    assert await told(stage.anna, asked) == "I do not know the upscaler `none`; I have `2x toy`."


async def test_settings_are_read_from_files_and_from_messages(stage: Stage) -> None:
    card = await draws(stage.anna, "a @everyone **star**", size="128x64", seed=8, steps=3)
    (png,) = await files_of(stage.anna, card)
    said = await told(stage.bruno, await stage.bruno.command("inspect", {"image": ("star.png", png)}))
    assert "**Prompt** a \\@everyone \\*\\*star\\*\\*" in said
    assert "**Seed** 8" in said
    assert "Written by **Atelier**" in said
    assert "/imagine prompt:a @everyone **star**" in said
    asked = await stage.bruno.command("Show settings", target=card["id"])
    assert await told(stage.bruno, asked) == said
    empty = await told(stage.bruno, await stage.bruno.command("inspect", {"image": photo(64, 64)}))
    assert empty == "This picture holds no settings."
    plain = await stage.bruno.say("no picture")
    nothing = await told(stage.bruno, await stage.bruno.command("Show settings", target=plain["id"]))
    assert nothing == "There is no picture in that message."
    asked = await stage.bruno.command("Send as JPEG", target=card["id"])
    answer = await stage.bruno.answer(asked, private)
    jpeg = await stage.bruno.fetch(answer["attachments"][0])
    assert metadata.read(jpeg).request == metadata.read(png).request
