"""A second, larger pass: as diffusers' own pipelines one after the other, and in shared calls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image, ImageChops

from generation.messages import Drawn, Report, Stepped
from generation.metadata import read
from generation.request import Enlarger, GenerationRequest, Hires, InvalidRequest, Seed, Size, Start
from tests.generation.engine.test_batch import largest_difference, recorded_calls, replayed, run_all
from tests.generation.engine.test_loop import stock_pipeline
from tests.generation.toys import Bench, a_request, a_task, picture, stock_scheduler

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

LARGER = Hires(size=Size(width=96, height=96), steps=6, strength=0.5)


def stock_hires(pipe: Any, bench: Bench, request: GenerationRequest) -> Image.Image:
    """Text to image, scaled, image to image: with one generator, as the engine does it."""
    hires = request.hires
    assert hires is not None
    config = dict(bench.model.scheduler_config)
    generator = torch.Generator("cpu").manual_seed(request.seed)
    asked = {
        "prompt": request.prompt,
        "guidance_scale": request.guidance,
        "generator": generator,
    }
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = stock_scheduler(request.sampler, config)
    by_latents = hires.enlarger is Enlarger.LATENTS
    small = pipe(
        **asked,
        width=request.size.width,
        height=request.size.height,
        num_inference_steps=request.steps,
        output_type="latent" if by_latents else "pil",
    ).images
    size = hires.size.width, hires.size.height
    start: Any
    if by_latents:
        shape = tuple(edge // bench.model.vae_factor for edge in size[::-1])
        start = torch.nn.functional.interpolate(small, size=shape, mode="bilinear")
    else:
        start = small[0].resize(size, Image.Resampling.LANCZOS)
    again = diffusers.StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    again.set_progress_bar_config(disable=True)
    again.scheduler = stock_scheduler(request.sampler, config)
    prepare = again.prepare_latents
    again.prepare_latents = lambda *args, **kwargs: prepare(*args, **kwargs).contiguous()
    image: Image.Image = again(
        **asked, image=start, strength=hires.strength, num_inference_steps=hires.steps
    ).images[0]
    return image


@pytest.mark.parametrize("enlarger", [Enlarger.PIXELS, Enlarger.LATENTS])
@pytest.mark.parametrize("sampler", ["Euler", "Euler a", "DPM++ 2M Karras", "Heun", "DPM++ SDE"])
def test_it_equals_the_stock_pipelines_one_after_the_other(
    sampler: str, enlarger: Enlarger, sd_bench: Bench, toy_sd: Path
) -> None:
    request = a_request(sd_bench.source, sampler=sampler, hires=replace(LARGER, enlarger=enlarger))
    last = sd_bench.run(a_task(request))[-1]
    assert isinstance(last, Drawn), last
    ours = picture(last.png)
    assert ours.size == (96, 96)
    wanted = stock_hires(stock_pipeline(str(toy_sd)), sd_bench, request)
    assert ImageChops.difference(ours, wanted).getbbox() is None


def test_small_and_large_passes_share_their_calls_and_are_drawn_again_exactly(sd_bench: Bench) -> None:
    bench = sd_bench.again(cap=4)
    tasks = [
        a_task(a_request(bench.source, seed=Seed(seed), hires=LARGER), job=f"job{seed}") for seed in range(3)
    ]
    tasks.append(a_task(a_request(bench.source, size=Size(width=96, height=96), steps=9), job="large"))
    pngs = run_all(bench, [(0, task) for task in tasks])
    for task in tasks:
        png = pngs[task.id.job]
        assert replayed(bench, task, png) == png
        alone = sd_bench.run(task)[-1]
        assert isinstance(alone, Drawn)
        assert largest_difference(picture(alone.png), picture(png)) <= 1
        assert max(rows for rows, _, _ in recorded_calls(png)) >= 6


def test_sdxl_is_told_the_larger_size(toy_sdxl: Path) -> None:
    bench = Bench(str(toy_sdxl))
    small = bench.draw(hires=LARGER)
    assert picture(small).size == (96, 96)
    assert picture(bench.draw(hires=replace(LARGER, strength=1.0))).tobytes() != picture(small).tobytes()


def test_the_steps_of_both_passes_are_told(sd_bench: Bench) -> None:
    said = sd_bench.run(a_task(a_request(sd_bench.source, steps=4, hires=LARGER)))
    told = [(each.step, each.steps) for each in said if isinstance(each, Stepped)]
    assert told == [(step, 7) for step in range(1, 8)]


def test_the_file_says_it_as_a1111_does_and_exactly(sd_bench: Bench) -> None:
    png = sd_bench.draw(hires=LARGER)
    settings = read(png)
    assert settings.request is not None
    assert settings.request.hires == LARGER
    text = picture_text(png)
    for words in (
        "Denoising strength: 0.5",
        "Hires upscale: 1.5",
        "Hires steps: 6",
        "Hires upscaler: Lanczos",
    ):
        assert words in text


def picture_text(png: bytes) -> str:
    import io

    return str(Image.open(io.BytesIO(png)).info["parameters"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hires": replace(LARGER, size=Size(width=64, height=64))}, "must be larger than 64x64"),
        ({"hires": LARGER, "start": Start(picture="aa")}, "start from words alone"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_is_told(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        a_request(**changes)


@pytest.mark.parametrize("strength", [0.0, 1.5, 0.1])
def test_a_strength_that_leaves_no_step_is_told(strength: float) -> None:
    with pytest.raises(InvalidRequest, match="second pass"):
        Hires(size=Size(width=96, height=96), steps=6, strength=strength)


def test_the_record_says_whether_it_was_encoded_in_tiles(sd_bench: Bench) -> None:
    def records(climbs_at: int) -> tuple[object, object]:
        bench, task = sd_bench.again(), a_task(a_request(sd_bench.source, steps=4, hires=LARGER))
        bench.run(task, until=lambda said: len(steps_of(said)) >= climbs_at)
        assert bench.engine._memory.climb()
        while bench.engine.busy:
            bench.engine.tick()
        last = bench.said[-1]
        assert isinstance(last, Drawn)
        record = read(last.png).record
        assert record is not None
        assert record.get("first_decode_tiled") == record.get("second_encode_tiled")
        return record.get("second_encode_tiled"), record.get("decode_tiled")

    def steps_of(said: list[Report]) -> list[Report]:
        return [report for report in said if isinstance(report, Stepped)]

    assert records(3) == (True, True)
    assert records(5) == (None, True), "it was encoded before"
