"""Whoever watches sees the picture come out of the noise; nobody else pays for it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from generation.messages import Drawn, Previewed, Report
from generation.request import Seed, Size
from generation.samplers import SAMPLERS
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def watched(bench: Bench, **changes: object) -> list[Report]:
    """Draw and ask for a preview before each step."""
    bench.said.clear()
    task = a_task(a_request(bench.source, **changes))
    bench.engine.admit(task)
    while bench.engine.busy:
        bench.engine.watch(task.id)
        bench.engine.tick()
    return list(bench.said)


def previews(said: list[Report]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(r.webp)).convert("RGB") for r in said if isinstance(r, Previewed)]


def distance(small: Image.Image, final: Image.Image) -> float:
    """Mean difference of levels between a preview and the picture at the size of the latents."""
    cells = (final.width // 8, final.height // 8)
    difference = ImageChops.difference(
        small.resize(cells, Image.Resampling.BOX), final.resize(cells, Image.Resampling.BOX)
    )
    return sum(ImageStat.Stat(difference).mean) / 3


@pytest.mark.parametrize("sampler", ["DPM++ 2M Karras", "Euler", "Euler a", "DDIM", "UniPC"])
def test_the_previews_of_the_embedded_model_come_closer_to_the_picture(
    sampler: str, mini_bench: Bench
) -> None:
    size = Size(width=128, height=128)
    said = watched(
        mini_bench,
        prompt="a red circle on a blue background",
        size=size,
        steps=12,
        guidance=2.5,
        sampler=sampler,
        seed=Seed(3),
    )
    shown = previews(said)
    last = said[-1]
    assert isinstance(last, Drawn)
    final = picture(last.png)
    assert len(shown) == 10, "the first call cannot be watched, and the last shows the picture itself"
    assert distance(shown[-1], final) < 20
    assert distance(shown[-1], final) < distance(shown[0], final)


def test_watching_changes_no_bit_of_the_picture(sd_bench: Bench) -> None:
    plain = sd_bench.draw(steps=5)
    said = watched(sd_bench, steps=5)
    assert previews(said)
    assert isinstance(said[-1], Drawn)
    assert said[-1].png == plain


def test_nobody_watches_and_nothing_is_shown(sd_bench: Bench) -> None:
    said = sd_bench.run(a_task(a_request(sd_bench.source, steps=5)))
    assert not previews(said)


@pytest.mark.parametrize("sampler", sorted({spec.sampler for spec in SAMPLERS.values()}))
def test_any_sampler_can_be_watched(sampler: str, sd_bench: Bench) -> None:
    assert previews(watched(sd_bench, sampler=sampler, steps=4))


def test_other_families_and_sizes_can_be_watched(toy_v: Path, toy_sdxl: Path) -> None:
    for folder in (toy_v, toy_sdxl):
        bench = Bench(str(folder))
        shown = previews(watched(bench, steps=4, size=Size(width=128, height=64)))
        assert {small.size for small in shown} == {(256, 128)}


def test_the_clean_latents_come_out_of_any_prediction_that_is_right(toy_sd: Path, toy_v: Path) -> None:
    """Known latents are noised as the training of a model does it; the exact answer must give them back."""
    import torch
    from diffusers import DDPMScheduler

    from generation.engine.prediction import clean_latents

    torch.manual_seed(3)
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    for kind in ("epsilon", "v_prediction", "sample"):
        scheduler = DDPMScheduler(prediction_type=kind)
        for time in (5, 400, 900):
            moment = torch.tensor([time])
            noisy = scheduler.add_noise(clean, noise, moment)
            answer = {
                "epsilon": noise,
                "v_prediction": scheduler.get_velocity(clean, noise, moment),
                "sample": clean,
            }[kind]
            torch.testing.assert_close(
                clean_latents(scheduler, float(time), noisy, answer), clean, atol=2e-3, rtol=1e-3
            )


def test_colours_are_told_by_a_linear_function_where_that_is_near_enough(sd_bench: Bench) -> None:
    """With an autoencoder whose latents are colours, as those of large models nearly are."""
    from types import SimpleNamespace
    from typing import Any, cast

    import torch

    from generation.engine.memory import Memory
    from generation.engine.previews import Previews

    mix = torch.tensor([[0.5, -0.2, 0.1, 0.3], [0.2, 0.6, -0.3, 0.1], [-0.1, 0.2, 0.7, -0.4]])

    class Colours(torch.nn.Module):
        dtype, config = torch.float32, SimpleNamespace(scaling_factor=0.18, block_out_channels=(1, 1, 1, 1))

        def encode(self, pixels: torch.Tensor) -> Any:
            cells = torch.nn.functional.avg_pool2d(pixels, 8)
            latents = torch.einsum("bkhw,kc->bchw", cells, mix) / self.config.scaling_factor
            return SimpleNamespace(latent_dist=SimpleNamespace(mean=latents))

    from dataclasses import replace

    model = replace(sd_bench.model, vae=Colours())
    previews = Previews(model, Memory(sd_bench.model))
    wanted = torch.rand(1, 3, 2, 2).repeat_interleave(32, 2).repeat_interleave(32, 3)
    latents = Colours().encode(2 * wanted - 1).latent_dist.mean * Colours.config.scaling_factor
    scheduler = SimpleNamespace(
        alphas_cumprod=torch.tensor([0.5]), config=SimpleNamespace(prediction_type="sample")
    )
    image = SimpleNamespace(scheduler=scheduler, seen=(0.0, latents, latents))
    webp = previews.draw(cast(Any, image))
    assert webp is not None
    assert previews._colours is not None, "the linear function was near enough"
    shown = Image.open(io.BytesIO(webp)).convert("RGB").resize((8, 8), Image.Resampling.BOX)
    true = Image.fromarray(
        (wanted[0, :, ::8, ::8] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    )
    assert sum(ImageStat.Stat(ImageChops.difference(shown, true)).mean) / 3 < 12


def test_a_look_that_fails_does_not_cost_the_picture(
    sd_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sd_bench.draw(steps=4)

    def broken(image: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(sd_bench.engine._previews, "draw", broken)
    said = watched(sd_bench, steps=4)
    assert isinstance(said[-1], Drawn)
    assert said[-1].png == expected
    assert not previews(said)
