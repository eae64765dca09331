"""A LoRA that the owner puts into the folder while the bot runs, from the suggestion to the reroll."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from generation import metadata
from generation.modelfiles import tensor_shapes
from generation.redraw import largest_difference, redraw
from generation.request import Adapter
from playground.reading import pictures_of, text_of
from tests.journeys.stage import MINI, asks, draws, result, staged, told

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning"),
]


def write_lora(path: Path) -> None:
    """One for the embedded model, as kohya's scripts write it, that has learned nothing sensible."""
    import torch
    from safetensors.torch import save_file

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


async def test_a_lora_is_found_named_drawn_shown_and_kept(tmp_path: Path) -> None:
    async with staged(tmp_path, model=MINI) as stage:
        anna, folder = stage.anna, tmp_path / "loras"
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
