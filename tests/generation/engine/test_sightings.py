"""Whoever watches a picture of another family sees it come out of the noise too."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import AutoencoderTiny
from diffusers.image_processor import VaeImageProcessor
from PIL import Image, ImageChops, ImageStat

from generation.catalogue import MemoryMode, describe
from generation.engine.lane import PipelineEngine
from generation.engine.pipeline import Pipeline, load_pipeline
from generation.engine.previews import Look
from generation.engine.sightings import look_of, overhear, unpacked
from generation.messages import Drawn, Previewed, Report
from generation.request import OWN_SAMPLER, GenerationRequest, Size
from tests.generation.companions import build_taesd
from tests.generation.toys import a_request, a_task, build_flux, build_pixart, build_sd3

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module", params=[build_sd3, build_flux], ids=["SD 3", "Flux"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    built: Path = request.param(tmp_path_factory.mktemp("models") / "toy")
    return built


@pytest.fixture(scope="module")
def taesd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_taesd(tmp_path_factory.mktemp("models") / "toy-taesd")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Pipeline:
    return load_pipeline(describe(str(folder)), device="cpu")


@pytest.fixture(scope="module")
def tiny(folder: Path, taesd: Path) -> Pipeline:
    return load_pipeline(replace(describe(str(folder)), taesd=str(taesd)), device="cpu")


def request_for(model: Pipeline, **changes: Any) -> GenerationRequest:
    size = Size(width=96, height=64)
    return a_request(model.info.source, sampler=OWN_SAMPLER, **{"steps": 5, "size": size, **changes})


def drawn(model: Pipeline, *, watched: bool = True, **changes: Any) -> list[Report]:
    """Draw, and ask for a preview before each step."""
    said: list[Report] = []
    engine, task = PipelineEngine(model, said.append), a_task(request_for(model, **changes))
    engine.admit(task)
    while engine.busy:
        if watched:
            engine.watch(task.id)
        engine.tick()
    assert isinstance(said[-1], Drawn), said[-1]
    return said


def shown(said: list[Report]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(r.webp)).convert("RGB") for r in said if isinstance(r, Previewed)]


def difference(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def as_preview(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.BICUBIC).save(file, format="WEBP", quality=70)
    return Image.open(file).convert("RGB")


def test_watching_shows_each_step_but_the_last_and_changes_no_bit(plain: Pipeline, tiny: Pipeline) -> None:
    unwatched = drawn(plain, watched=False)
    assert not shown(unwatched)
    for model in (plain, tiny):
        said = drawn(model)
        assert [small.size for small in shown(said)] == [(256, 171)] * 4
        assert said[-1] == unwatched[-1]
    assert difference(shown(drawn(plain))[0], shown(drawn(tiny))[0]) > 1, "by its own VAE, and by the other"


def test_what_is_shown_is_the_picture_that_the_model_is_on_its_way_to(
    tiny: Pipeline, folder: Path, taesd: Path
) -> None:
    """Of a straight way from noise to picture two points and their noise levels tell where it ends."""
    stock, decoder = (
        diffusers.DiffusionPipeline.from_pretrained(folder),
        AutoencoderTiny.from_pretrained(taesd),
    )
    stock.set_progress_bar_config(disable=True)
    points: list[torch.Tensor] = []

    def note(pipe: Any, index: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        points.append(tensors["latents"].clone())
        return tensors

    request = request_for(tiny)
    stock(
        request.prompt,
        width=96,
        height=64,
        num_inference_steps=5,
        guidance_scale=request.guidance,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        callback_on_step_end=note,
    )
    levels = stock.scheduler.sigmas
    for step, small in enumerate(shown(drawn(tiny))[1:], start=1):
        before, after = points[step - 1], points[step]
        direction = (after - before) / (levels[step + 1] - levels[step])
        end = unpacked(stock, after - levels[step + 1] * direction, request.size)
        assert end is not None
        with torch.inference_mode():
            wanted = VaeImageProcessor().postprocess(decoder.decode(end).sample)[0]
        assert difference(small, as_preview(wanted, small.size)) < 0.5
        other = wanted.transpose(Image.Transpose.ROTATE_180)
        assert difference(small, as_preview(other, small.size)) > 5, "else this proves nothing"


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "DDIMScheduler", "DDPMScheduler"])
def test_what_is_overheard_is_what_the_scheduler_itself_takes_for_the_end(name: str, kind: str) -> None:
    config = {"prediction_type": kind, "timestep_spacing": "leading", "clip_sample": False}
    scheduler = getattr(diffusers, name).from_config(config)
    scheduler.set_timesteps(5)
    heard: list[torch.Tensor] = []
    overhear(scheduler, lambda: len(heard) < 3, heard.append)
    latents = torch.randn(1, 4, 8, 8) * scheduler.init_noise_sigma
    for index, time in enumerate(scheduler.timesteps):
        prediction = torch.sin(3 * scheduler.scale_model_input(latents, time)) / 9
        step = scheduler.step(prediction, time, latents)
        if index < 3:
            torch.testing.assert_close(heard[index], step.pred_original_sample, rtol=1e-3, atol=1e-3)
        latents = step.prev_sample
    assert len(heard) == 3


def test_multistep_schedulers_are_overheard_too() -> None:
    for config in ({}, {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}):
        scheduler = diffusers.DPMSolverMultistepScheduler(**config)
        scheduler.set_timesteps(5)
        heard: list[torch.Tensor] = []
        overhear(scheduler, lambda: True, heard.append)
        latents = torch.randn(1, 4, 8, 8)
        for time in scheduler.timesteps:
            latents = scheduler.step(torch.sin(3 * latents), time, latents).prev_sample
            torch.testing.assert_close(heard[-1], scheduler.model_outputs[-1], rtol=1e-2, atol=1e-2)


def test_a_scheduler_or_latents_of_another_kind_show_nothing_and_cost_nothing(plain: Pipeline) -> None:
    heard: list[torch.Tensor] = []
    for scheduler in (
        diffusers.EDMEulerScheduler(),
        diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True),
    ):
        scheduler.set_timesteps(3)
        overhear(scheduler, lambda: True, heard.append)
        scheduler.step(torch.zeros(1, 4, 8, 8), scheduler.timesteps[0], torch.zeros(1, 4, 8, 8))
    assert not heard
    assert unpacked(plain.pipe, torch.zeros(1, 4, 2, 8, 8), Size(width=64, height=64)) is None
    assert unpacked(plain.pipe, torch.zeros(1, 99, 8, 8), Size(width=64, height=64)) is None


def test_in_the_mode_that_moves_parts_only_a_tiny_decoder_shows_something(
    plain: Pipeline, tiny: Pipeline
) -> None:
    def moving(model: Pipeline) -> Pipeline:
        small = replace(model.info, memory=MemoryMode.SMALL)
        return replace(model, info=small, device=torch.device("meta"))

    assert look_of(moving(plain)) is None
    assert look_of(moving(tiny)) is not None
    assert look_of(plain) is not None


def test_a_look_that_fails_does_not_cost_the_picture(
    plain: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = drawn(plain, watched=False)[-1]

    def broken(look: Look, latents: torch.Tensor) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Look, "webp", broken)
    said = drawn(plain)
    assert said[-1] == expected
    assert not shown(said)


def test_a_family_with_a_scheduler_of_the_older_kind_can_be_watched(tmp_path: Path) -> None:
    model = load_pipeline(describe(str(build_pixart(tmp_path / "toy"))), device="cpu")
    said = drawn(model, size=Size(width=256, height=256), steps=3)
    assert [small.size for small in shown(said)] == [(256, 256)] * 2
