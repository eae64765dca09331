"""Starting from a picture: as diffusers' own pipelines do it, and what is not masked stays as it was."""

from __future__ import annotations

import hashlib
import io
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from generation.engine.inputs import eroded, feathered
from generation.engine.preparing import slerp
from generation.job import JobId
from generation.messages import Drawn, Stepped, Task, TaskFailed, TaskId
from generation.metadata import read
from generation.request import MAX_BLUR, Digest, GenerationRequest, Seed, Size, Start, Variation
from generation.samplers import SAMPLERS
from tests.generation.engine.test_batch import largest_difference, recorded_calls, replayed, run_all
from tests.generation.engine.test_loop import stock_pipeline
from tests.generation.toys import Bench, a_request, a_task, picture, stock_scheduler

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def a_photo(size: Size, seed: int = 0) -> Image.Image:
    rng = Random(seed)
    small = Image.new("RGB", (4, 4))
    small.putdata([(rng.randrange(256), rng.randrange(256), rng.randrange(256)) for _ in range(16)])
    return small.resize((size.width, size.height), Image.Resampling.BICUBIC)


def a_mask(size: Size, box: tuple[int, int, int, int]) -> Image.Image:
    """Black, and white where it is to be drawn anew."""
    mask = Image.new("L", (size.width, size.height))
    ImageDraw.Draw(mask).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    return mask


def file_of(image: Image.Image) -> tuple[Digest, bytes]:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return Digest(hashlib.sha256(buffer.getvalue()).hexdigest()), buffer.getvalue()


def from_picture(
    source: str,
    photo: Image.Image,
    mask: Image.Image | None = None,
    *,
    strength: float = 0.6,
    blur: int = 0,
    job: str = "job",
    **changes: Any,
) -> Task:
    digest, png = file_of(photo)
    inputs = {digest: png}
    masked = None
    if mask is not None:
        masked, png = file_of(mask)
        inputs[masked] = png
    start = Start(picture=digest, strength=strength, mask=masked, blur=blur)
    size = Size(width=photo.width, height=photo.height)
    request = a_request(source, **{"steps": 5, "size": size, "start": start, **changes})
    return Task(id=TaskId(job=JobId(job), index=0, attempt=1), request=request, inputs=inputs)


def drawn(bench: Bench, task: Task) -> bytes:
    last = bench.run(task)[-1]
    assert isinstance(last, Drawn), last
    return last.png


def pipeline_of(kind: str, parts: dict[str, Any], bench: Bench, request: GenerationRequest) -> Any:
    """diffusers' own pipeline of this kind, with the request's sampler."""
    import diffusers

    more = {} if "XL" in kind else {"requires_safety_checker": False}
    made = getattr(diffusers, kind)(**parts, **more)
    made.scheduler = stock_scheduler(request.sampler, dict(bench.model.scheduler_config))
    made.set_progress_bar_config(disable=True)
    # The pipeline's latents are in the memory order of the photo, and the UNet's last bits depend on that.
    prepare = made.prepare_latents

    def prepare_in_plain_order(*args: Any, **kwargs: Any) -> Any:
        latents = prepare(*args, **kwargs)
        if isinstance(latents, tuple):
            return tuple(each.contiguous() for each in latents)
        return latents.contiguous()

    made.prepare_latents = prepare_in_plain_order
    return made


def stock(pipe_class: str, pipe: Any, bench: Bench, request: GenerationRequest, **more: Any) -> Image.Image:
    made = pipeline_of(pipe_class, pipe.components, bench, request)
    assert request.start is not None
    eta = {"eta": 0.3} if SAMPLERS[request.sampler].sampler == "TCD" else {}
    image: Image.Image = made(
        request.prompt,
        negative_prompt=request.negative_prompt or None,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        strength=request.start.strength,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        **eta,
        **more,
    ).images[0]
    return image


@pytest.fixture(scope="module")
def stock_sd(toy_sd: Path) -> Any:
    return stock_pipeline(str(toy_sd))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_goes_on_from_a_picture_as_the_stock_pipeline_does(
    sampler: str, sd_bench: Bench, stock_sd: Any
) -> None:
    photo = a_photo(Size(width=64, height=64))
    task = from_picture(sd_bench.source, photo, sampler=sampler, negative_prompt="blue")
    png = drawn(sd_bench, task)
    wanted = stock("StableDiffusionImg2ImgPipeline", stock_sd, sd_bench, task.request, image=photo)
    assert ImageChops.difference(picture(png), wanted).getbbox() is None
    assert sum(calls for _, _, calls in recorded_calls(png)) < 2 * task.request.steps, "not all steps"


def test_sdxl_goes_on_from_a_picture_as_the_stock_pipeline_does(toy_sdxl: Path) -> None:
    sdxl_bench = Bench(str(toy_sdxl))
    photo = a_photo(Size(width=64, height=96))
    task = from_picture(sdxl_bench.source, photo, strength=0.45)
    pipe = stock_pipeline(str(toy_sdxl))
    wanted = stock("StableDiffusionXLImg2ImgPipeline", pipe, sdxl_bench, task.request, image=photo)
    assert ImageChops.difference(picture(drawn(sdxl_bench, task)), wanted).getbbox() is None


@pytest.mark.parametrize("strength", [1.0, 0.6])
@pytest.mark.parametrize("sampler", ["Euler", "DPM++ 2M Karras", "DDIM", "Heun", "UniPC"])
def test_a_mask_is_drawn_anew_as_the_stock_pipeline_does(
    sampler: str, strength: float, sd_bench: Bench, stock_sd: Any
) -> None:
    size = Size(width=64, height=64)
    photo, mask = a_photo(size), a_mask(size, (16, 8, 48, 40))
    task = from_picture(sd_bench.source, photo, mask, strength=strength, sampler=sampler)
    ours = picture(drawn(sd_bench, task))
    wanted = stock(
        "StableDiffusionInpaintPipeline",
        stock_sd,
        sd_bench,
        task.request,
        image=photo,
        mask_image=mask,
        width=64,
        height=64,
    )
    inside = (16, 8, 48, 40)
    assert ImageChops.difference(ours.crop(inside), wanted.crop(inside)).getbbox() is None
    changed = ImageChops.difference(ours, photo).getbbox()
    assert changed is not None
    assert changed[0] >= 16, "every pixel outside is as it was"
    assert changed[1] >= 8
    assert changed[2] <= 48
    assert changed[3] <= 40


def test_a_soft_mask_changes_nothing_outside_of_itself(sd_bench: Bench) -> None:
    size = Size(width=64, height=64)
    photo = a_photo(size)
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).ellipse((11, 13, 50, 47), fill=255)
    soft, hard = (
        picture(drawn(sd_bench, from_picture(sd_bench.source, photo, mask, blur=blur))) for blur in (6, 0)
    )
    outside = mask.point(lambda level: 0 if level else 255)
    for result in (soft, hard):
        assert (
            Image.composite(
                ImageChops.difference(result, photo), Image.new("RGB", (64, 64)), outside
            ).getbbox()
            is None
        )
    assert soft.tobytes() != hard.tobytes()
    assert feathered(mask, 6).getextrema() == (0, 255)


@pytest.mark.parametrize("blur", [1, 2, 5, 64])
def test_a_soft_edge_begins_as_far_inside_as_the_blur_is_wide(blur: int) -> None:
    mask = Image.new("L", (90, 70))
    ImageDraw.Draw(mask).ellipse((-20, 5, 80, 66), fill=255)
    ImageDraw.Draw(mask).rectangle((60, 0, 63, 30), fill=0)
    smaller = mask
    for _ in range(blur):
        smaller = smaller.filter(ImageFilter.MinFilter(3))
    assert eroded(np.array(mask), blur).tobytes() == smaller.tobytes()


def test_the_widest_blur_of_a_large_mask_keeps_nobody_waiting() -> None:
    mask = a_mask(Size(width=2048, height=2048), (50, 50, 2000, 2000))
    began = time.process_time()
    feathered(mask, MAX_BLUR)
    assert time.process_time() - began < 2, "it once took twelve seconds"


def test_pictures_from_words_and_from_pictures_share_calls(sd_bench: Bench) -> None:
    size = Size(width=64, height=64)
    bench = sd_bench.again(cap=8)
    mask = a_mask(size, (0, 0, 40, 64))
    tasks = [
        a_task(a_request(sd_bench.source, steps=5), job="words"),
        from_picture(sd_bench.source, a_photo(size, 1), job="photo", sampler="Euler a"),
        from_picture(sd_bench.source, a_photo(size, 2), mask, job="masked", strength=0.9),
        a_task(
            a_request(sd_bench.source, steps=4, variations=(Variation(seed=Seed(3), strength=0.3),)),
            job="varied",
        ),
    ]
    pngs = run_all(bench, [(0, task) for task in tasks])
    for task in tasks:
        png = pngs[task.id.job]
        assert max(rows for rows, _, _ in recorded_calls(png)) == 8
        assert replayed(bench, task, png) == png
        assert largest_difference(picture(drawn(sd_bench, task)), picture(png)) <= 1


def test_a_start_that_did_not_come_along_is_told(sd_bench: Bench) -> None:
    task = replace(from_picture(sd_bench.source, a_photo(Size(width=64, height=64))), inputs={})
    last = sd_bench.run(task)[-1]
    assert isinstance(last, TaskFailed)
    assert last.reason == "The picture that this starts from is not there any more."


def test_the_steps_that_are_told_are_those_that_are_taken(sd_bench: Bench) -> None:
    task = from_picture(sd_bench.source, a_photo(Size(width=64, height=64)), strength=0.5, steps=10)
    told = [(report.step, report.steps) for report in bench_steps(sd_bench, task)]
    assert told == [(step, 5) for step in range(1, 6)]


def bench_steps(bench: Bench, task: Task) -> list[Stepped]:
    return [report for report in bench.run(task) if isinstance(report, Stepped)]


def test_a_little_strength_changes_little_and_much_changes_much(mini_bench: Bench) -> None:
    size = Size(width=128, height=128)
    photo = picture(mini_bench.draw(prompt="a red circle on a white background", size=size, steps=12))

    def change(strength: float) -> float:
        task = from_picture(
            mini_bench.source,
            photo,
            strength=strength,
            prompt="a blue square on a black background",
            steps=12,
        )
        again = picture(drawn(mini_bench, task))
        difference = ImageChops.difference(again, photo).convert("L")
        return sum(difference.tobytes()) / (128 * 128)

    little, some, all_ = change(0.1), change(0.6), change(1.0)
    assert little < some < all_
    assert little < 12 < 60 < all_


# Variations ----------------------------------------------------------------------------------------------


def test_a_variation_goes_from_one_seed_to_the_other(sd_bench: Bench) -> None:
    seed, other = Seed(7), Seed(99)

    def varied(strength: float) -> Image.Image:
        variation = Variation(seed=other, strength=strength)
        return picture(sd_bench.draw(seed=seed, variations=(variation,)))

    one, two = picture(sd_bench.draw(seed=seed)), picture(sd_bench.draw(seed=other))
    assert varied(0.0).tobytes() == one.tobytes()
    assert varied(1.0).tobytes() == two.tobytes()
    assert varied(0.3).tobytes() not in (one.tobytes(), two.tobytes())
    same = picture(sd_bench.draw(seed=seed, variations=(Variation(seed=seed, strength=0.5),)))
    assert same.tobytes() == one.tobytes()


def test_noise_keeps_its_deviation_on_the_way() -> None:
    one, other = (torch.randn((1, 4, 64, 64), generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    for share in (0.1, 0.5, 0.9):
        assert slerp(share, one, other).std().item() == pytest.approx(1, abs=0.02)


def test_each_picture_of_a_varied_request_has_a_variation_seed_of_its_own() -> None:
    request = a_request(count=3, seed=Seed(5), variations=(Variation(seed=Seed(10), strength=0.2),))
    seeds = [(part.seed, part.variations[-1].seed) for part in map(request.image, range(3))]
    assert seeds == [(5, 10), (5, 11), (5, 12)]
    rerolled = request.rerolled(Seed(77))
    assert rerolled.seed == 5
    assert rerolled.variations == (Variation(seed=Seed(77), strength=0.2),)


def test_the_file_says_all_of_it_exactly(sd_bench: Bench) -> None:
    task = from_picture(
        sd_bench.source,
        a_photo(Size(width=64, height=64)),
        a_mask(Size(width=64, height=64), (0, 0, 32, 32)),
        variations=(Variation(seed=Seed(10), strength=0.2),),
    )
    settings = read(drawn(sd_bench, task))
    assert settings.request is not None
    assert settings.request.start == task.request.start
    assert settings.request.variations == task.request.variations
