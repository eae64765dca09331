"""What the owner adds to a model, in chat: ControlNets by /control, and LoRAs, also while the bot runs."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import diffusers
import pytest
import pytest_asyncio
import torch
from PIL import Image, ImageChops, ImageDraw
from safetensors.torch import save_file

from generation import metadata
from generation.engine.edges import edges
from generation.modelfiles import tensor_shapes
from generation.redraw import largest_difference, redraw
from generation.request import Adapter
from playground.reading import button_labels, is_ephemeral, pictures_of, text_of
from tests.journeys.stage import MINI, Stage, asks, draws, result, staged, told
from tests.journeys.test_palette import a_file, drawn_by, request_of
from tests.journeys.test_pictures import files_of, pixels

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning"),
]


def _build(folder: Path) -> None:
    """A ControlNet for the embedded model that has learned nothing."""
    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel.from_pretrained(MINI, subfolder="unet")
    net = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 16))
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "controlnet_" in name:
                weight.normal_(0, 0.05)
    net.save_pretrained(folder)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("bot")
    async with staged(folder, model=MINI, BATCH="2") as stage:
        # Only now, for the folder of ControlNets may be made while the bot runs.
        await asyncio.to_thread(_build, folder / "controlnets" / "house-canny")
        yield stage


def a_drawing() -> Image.Image:
    drawing = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(drawing).rectangle((64, 64, 180, 180), fill="navy")
    return drawing


async def test_a_picture_goes_by_another_and_shows_which_on_demand(stage: Stage) -> None:
    card = await drawn_by(
        stage.anna,
        "control",
        picture=a_file(a_drawing()),
        prompt="a blue square on a white background",
        control="house-canny",
        weight=0.8,
        end=0.7,
        picture2=a_file(a_drawing(), "second.jpg"),
        preprocessor2="lineart",
        weight2=0.2,
        seed=3,
        steps=5,
    )
    assert "ControlNet house-canny 0.8" in text_of(card)
    assert "Control picture" in button_labels(card)
    (png,) = await files_of(stage.anna, card)
    parameters = Image.open(io.BytesIO(png)).info["parameters"]
    assert 'ControlNet 0: "Module: canny, Model: house-canny [' in parameters
    shown = await stage.bruno.answer(
        await stage.bruno.press(card, "Control picture"), lambda message: "Steered by" in text_of(message)
    )
    assert "edges, with weight 0.8, from 0% to 70% of the steps" in text_of(shown)
    first, second = [pixels(file) for file in await files_of(stage.bruno, shown)]
    wanted = edges(a_drawing().resize((128, 128), Image.Resampling.LANCZOS))
    assert ImageChops.difference(first, wanted).getbbox() is None
    assert second.convert("L").getextrema()[1] > 100  # type: ignore[operator]
    said = await told(stage.anna, await stage.anna.press(card, "Settings"))
    assert "Steered by" in said
    files = stage.bot.folder / "data" / "pictures"
    again = await asyncio.to_thread(
        redraw, metadata.read(png), model=MINI, files=files, controlnets=stage.bot.folder / "controlnets"
    )
    assert largest_difference(png, again) == 0


async def test_a_reroll_after_a_restart_goes_by_the_same(stage: Stage) -> None:
    options = {"prompt": "a red square", "picture": a_file(a_drawing()), "seed": 4, "steps": 4}
    card = await drawn_by(stage.anna, "control", **options)
    await stage.bot.stop()
    await stage.bot.start()
    again = await result(stage.bruno, await stage.bruno.press(card, "Reroll"))
    (one,), (two,) = [await files_of(stage.anna, each) for each in (card, again)]
    assert request_of(one).controls == request_of(two).controls
    (control,) = request_of(one).controls
    assert (control.model, control.preprocessor) == ("house-canny", "edges")
    varied = await result(stage.anna, await stage.anna.press(card, "Vary a little"))
    (three,) = await files_of(stage.anna, varied)
    assert request_of(three).controls == request_of(one).controls


async def test_one_that_the_owner_puts_there_meanwhile_is_suggested_and_steers(stage: Stage) -> None:
    async def suggested() -> list[str]:
        return [each["name"] for each in await stage.anna.autocomplete("control", "control", "cellar")]

    assert await suggested() == []
    made = stage.bot.folder / "controlnets" / "cellar-canny"
    await asyncio.to_thread(_build, made.with_name(".unfinished"))
    made.with_name(".unfinished").rename(made)
    assert await suggested() == ["cellar-canny (edges)"]
    options = {"prompt": "a red square", "picture": a_file(a_drawing()), "steps": 3}
    card = await drawn_by(stage.anna, "control", control="cellar-canny", **options)
    assert "ControlNet cellar-canny" in text_of(card)


async def test_what_cannot_be_is_told_in_words(stage: Stage) -> None:
    async def refused(**options: object) -> str:
        asked = {"prompt": "a red square", "picture": a_file(a_drawing()), **options}
        return await told(stage.anna, await stage.anna.command("control", asked))

    assert "I do not know the ControlNet `fog`" in await refused(control="fog")
    assert "DEPTH_MODEL" in await refused(preprocessor="depth")
    assert "choose 0 to 2" in await refused(weight=3.0)
    assert "it must begin before it ends" in await refused(start=0.8, end=0.2)
    assert "picture2" in await refused(control2="house-canny")
    assert "give me one as `image`" in await refused(strength=0.5)
    broken = a_file(a_drawing())[1][:200]
    assert "damaged" in await refused(picture=("half.png", broken))
    assert "no PNG, JPEG or WebP" in await refused(picture=("words.png", b"words"))
    nothing = {"prompt": "a red square", "picture": a_file(Image.new("RGB", (128, 128), "teal"))}
    asked = await stage.anna.command("control", {**nothing, "private": True})
    card = await stage.anna.answer(asked, lambda message: "did not work" in text_of(message))
    assert "I found no edges" in text_of(card)
    assert is_ephemeral(card)


# LoRAs ------------------------------------------------------------------------------------------------------


def write_lora(path: Path) -> None:
    """One for the embedded model, as kohya's scripts write it, that has learned nothing sensible."""
    generator = torch.Generator().manual_seed(1)
    state = {}
    shapes = tensor_shapes(Path(MINI) / "unet" / "diffusion_pytorch_model.safetensors")
    for name, shape in shapes.items():
        if name.endswith("attn2.to_v.weight"):
            layer = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
            state[f"{layer}.lora_down.weight"] = torch.randn(2, shape[1], generator=generator) / 4
            state[f"{layer}.lora_up.weight"] = torch.randn(shape[0], 2, generator=generator) / 4
            state[f"{layer}.alpha"] = torch.tensor(2.0)
    path.parent.mkdir(exist_ok=True)
    save_file(state, path, metadata={"modelspec.trigger_phrase": "in my style"})


async def test_a_lora_is_found_named_drawn_shown_and_kept(stage: Stage) -> None:
    anna, folder = stage.anna, stage.bot.folder / "loras"
    unknown = await told(anna, await asks(anna, "a red circle <lora:mine:0.8>"))
    assert "I do not know the LoRA `mine`" in unknown
    await asyncio.to_thread(write_lora, folder / "mine.safetensors")
    (folder / "half.safetensors").write_bytes(b"\x10")
    choices = await anna.autocomplete("imagine", "lora", "sty")
    assert [choice["name"] for choice in choices] == ["mine · in my style"]
    asked = {"steps": 4, "seed": 5}
    plain = await draws(anna, "a red circle", **asked)
    card = await draws(anna, "a red circle", lora="Mine:0.8", **asked)
    assert "LoRA Mine 0.8" in text_of(card)
    png, without = [await anna.fetch(pictures_of(each)[0]) for each in (card, plain)]
    assert largest_difference(png, without) > 20
    tagged = await draws(anna, "a red circle<lora:mine:0.8>", **asked)
    assert largest_difference(await anna.fetch(pictures_of(tagged)[0]), png) == 0
    settings = metadata.read(png)
    assert settings.prompt == "a red circle"
    again = await asyncio.to_thread(redraw, settings, model=MINI, loras=folder)
    assert largest_difference(png, again) == 0
    shown = await told(anna, await anna.press(card, "Settings"))
    assert "**LoRA** `Mine` with weight 0.8; trigger words: in my style" in shown
    rerolled = await result(anna, await anna.press(card, "Reroll"))
    request = metadata.read(await anna.fetch(pictures_of(rerolled)[0])).request
    assert request is not None
    assert request.adapters == (Adapter(name="Mine", weight=0.8),)
    broken = await told(anna, await asks(anna, "a red circle", lora="half"))
    assert "its file is broken" in broken
