"""A second pass over what an upscaler made larger, in shared calls."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image, ImageChops

from generation.engine.building import building
from generation.engine.loop import DiffusionEngine
from generation.engine.schedulers import scheduler_class
from generation.engine.upscalers import UpscalerShelf
from generation.messages import Drawn, Report, Stepped, Stopped, TaskFailed
from generation.metadata import read
from generation.redraw import CannotRedraw, largest_difference, redraw
from generation.request import Enlarger, Hires, Seed, Size
from generation.samplers import SAMPLERS
from generation.upscalers import Upscalers
from tests.generation.engine.test_enlarging import stock
from tests.generation.engine.test_loop import stock_pipeline
from tests.generation.toys import Bench, a_request, a_task, picture
from tests.generation.upscaling import build_upscaler

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

LARGER = Hires(
    size=Size(width=96, height=96), steps=6, strength=0.5, enlarger=Enlarger.UPSCALER, upscaler="toy"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_upscaler(tmp_path_factory.mktemp("upscalers") / "toy.safetensors").parent


def bench_with(sd_bench: Bench, folder: Path | None, *, tile: int = 64) -> Bench:
    bench = sd_bench.again()
    shelf = (
        None
        if folder is None
        else UpscalerShelf(Upscalers(folder), torch.device("cpu"), torch.float32, tile=tile)
    )
    bench.engine = DiffusionEngine(
        bench.model, lambda report: bench.said.append(report), cap=4, padded=False, upscalers=shelf
    )
    return bench


def stock_hires(pipe: Any, bench: Bench, folder: Path) -> Image.Image:
    """Text to image, enlarged by spandrel, scaled, image to image: with one generator."""
    request = a_request(bench.source, hires=LARGER)
    spec = SAMPLERS[request.sampler]
    generator = torch.Generator("cpu").manual_seed(request.seed)
    asked: dict[str, Any] = {
        "prompt": request.prompt,
        "guidance_scale": request.guidance,
        "generator": generator,
    }
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_class(spec).from_config(dict(bench.model.scheduler_config), **spec.overrides)
    small = pipe(**asked, width=64, height=64, num_inference_steps=request.steps).images[0]
    start = stock(folder / "toy.safetensors", small).resize((96, 96), Image.Resampling.LANCZOS)
    again = diffusers.StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    again.set_progress_bar_config(disable=True)
    prepare = again.prepare_latents
    again.prepare_latents = lambda *args, **kwargs: prepare(*args, **kwargs).contiguous()
    image: Image.Image = again(
        **asked, image=start, strength=LARGER.strength, num_inference_steps=LARGER.steps
    ).images[0]
    return image


def test_it_equals_the_stock_pipelines_with_spandrel_between_them(
    sd_bench: Bench, toy_sd: Path, folder: Path
) -> None:
    bench = bench_with(sd_bench, folder)
    last = bench.run(a_task(a_request(bench.source, hires=LARGER)))[-1]
    assert isinstance(last, Drawn), last
    wanted = stock_hires(stock_pipeline(str(toy_sd)), bench, folder)
    assert ImageChops.difference(picture(last.png), wanted).getbbox() is None
    settings = read(last.png)
    assert (settings.hires_upscaler, settings.hires_upscale) == ("toy", 1.5)
    assert "Hires upscaler: toy" in Image.open(io.BytesIO(last.png)).info["parameters"]
    assert settings.record is not None
    assert settings.record["upscaler_tile"] == 64


def test_others_draw_on_meanwhile_and_it_can_be_taken_back(sd_bench: Bench, folder: Path) -> None:
    bench = bench_with(sd_bench, folder, tile=32)  # nine of them
    grown = a_task(a_request(bench.source, steps=1, hires=LARGER), job="grown")
    other = a_task(a_request(bench.source, steps=8, seed=Seed(9)), job="other")
    engine, said = bench.engine, bench.said
    engine.admit(grown)
    engine.admit(other)
    entry = engine._entries[0]
    while entry.growth is None and engine.busy:
        engine.tick()

    def steps() -> int:
        return max((r.step for r in said if isinstance(r, Stepped) and r.task == other.id), default=0)

    before = steps()
    engine.tick()
    engine.tick()
    assert steps() == before + 2, "a tile holds nobody up"
    assert entry.growth is not None
    assert engine.cancel(grown.id)
    while engine.busy:
        engine.tick()
    ends = {r.task.job: type(r) for r in said if isinstance(r, Drawn | Stopped | TaskFailed)}
    assert ends == {"grown": Stopped, "other": Drawn}


def test_pictures_of_two_models_that_want_two_upscalers_read_each_once(
    sd_bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for name in ("one", "two"):
        build_upscaler(tmp_path / f"{name}.safetensors")
    shelf = UpscalerShelf(Upscalers(tmp_path), torch.device("cpu"), torch.float32)
    said: list[Report] = []
    engines = {
        name: DiffusionEngine(sd_bench.model, said.append, cap=1, upscalers=shelf) for name in ("one", "two")
    }
    for name, engine in engines.items():
        hires = replace(LARGER, upscaler=name)
        engine.admit(a_task(a_request(sd_bench.source, steps=1, hires=hires), job=name))
    with building():  # so that neither is read before both have asked some times
        for engine in (*engines.values(),) * 3:
            engine.tick()
    while any(engine.busy for engine in engines.values()):
        for engine in engines.values():
            engine.tick()
    assert [type(report) for report in said if isinstance(report, Drawn | TaskFailed)] == [Drawn] * 2
    assert caplog.text.count("read the upscaler") == 2


def test_it_is_drawn_again_from_its_file(sd_bench: Bench, toy_sd: Path, folder: Path) -> None:
    bench = bench_with(sd_bench, folder)
    png = bench.draw(hires=LARGER)
    settings = read(png)
    with pytest.raises(CannotRedraw, match="The upscaler toy made it larger: say with --upscalers"):
        redraw(settings, model=str(toy_sd))
    again = redraw(settings, model=str(toy_sd), upscalers=folder)
    assert largest_difference(png, again) == 0


def test_without_its_upscaler_it_fails_with_a_sentence(sd_bench: Bench, tmp_path: Path) -> None:
    for where, reason in (
        (None, "I have no upscalers here any more"),
        (tmp_path, "The upscaler toy is not among the upscalers any more."),
    ):
        bench = bench_with(sd_bench, where)
        said: list[Report] = bench.run(a_task(a_request(bench.source, steps=1, hires=LARGER)))
        assert isinstance(said[-1], TaskFailed)
        assert said[-1].reason.startswith(reason)
