"""Upscalers: tiles that make the untiled picture, a tile at a time, through whatever goes wrong."""

from __future__ import annotations

import gc
import io
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generation.engine.enlarging import EnlargingEngine
from generation.engine.noise import NoiseEngine
from generation.engine.rack import Rack
from generation.engine.tiles import Enlargement
from generation.engine.upscalers import TILE, Upscaler, UpscalerShelf
from generation.messages import Drawn, Report, Stepped, Stopped, Task, TaskFailed
from generation.metadata import read
from generation.request import Digest, Size, Upscale
from generation.shelf import Shelf
from generation.upscalers import Upscalers
from tests.generation.toys import NOISE, a_request, a_task
from tests.generation.upscaling import build_upscaler

PICTURE = Digest("0" * 64)


def a_photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Noise that is smooth enough to be a picture, and different everywhere."""
    levels = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def as_png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


def stock(path: Path, photo: Image.Image) -> Image.Image:
    """What spandrel makes of the whole picture at once: the oracle."""
    from spandrel import ModelLoader

    model: Any = ModelLoader().load_from_state_dict(load_file(path)).eval()
    pixels = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255
    levels = model(pixels)[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def shelf_of(folder: Path, tile: int = TILE) -> UpscalerShelf:
    return UpscalerShelf(Upscalers(folder), torch.device("cpu"), torch.float32, tile=tile)


def largest(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.array(one).astype(int) - np.array(other).astype(int)).max())


def a_job(upscaler: str, photo: Image.Image, size: Size, *, factor: float = 2, job: str = "job") -> Task:
    upscale = Upscale(picture=PICTURE, upscaler=upscaler, factor=factor, size=size, brought=True)
    task = a_task(a_request(upscale=upscale), job=job)
    return Task(id=task.id, request=task.request, inputs={PICTURE: as_png(photo)})


def run(engine: EnlargingEngine, said: list[Report], *, until: Callable[[], bool] = lambda: False) -> None:
    while engine.busy and not until():
        engine.tick()


@pytest.mark.parametrize(("kind", "scale"), [("compact", 2), ("esrgan", 4), ("span", 2)])
def test_tiles_make_the_picture_that_spandrel_makes_of_the_whole(
    kind: str, scale: int, tmp_path: Path
) -> None:
    path = build_upscaler(tmp_path / "toy.safetensors", kind=kind, scale=scale)
    photo = a_photo(120, 72)
    upscaler = shelf_of(tmp_path).get("toy").result()
    size = Size(width=120 * scale, height=72 * scale)
    whole = stock(path, photo)
    untiled = Enlargement(upscaler, photo, size)
    untiled.advance()
    assert untiled.done
    assert largest(untiled.result(), whole) == 0

    going = Enlargement(upscaler, photo, size, tile=64)
    while not going.done:
        going.advance()
    assert going.steps == 3 * 2
    tiled = going.result()
    # Where there is one tile only, and its edges are further away than these see.
    for box in ((0, 0, 28, 8), (92, 64, 120, 72)):
        inside: Any = tuple(edge * scale for edge in box)
        assert largest(tiled.crop(inside), whole.crop(inside)) <= 1  # other shapes round otherwise
    if kind == "compact":  # it sees four pixels far: less than lies between any pixel and its tile's edge
        assert largest(tiled, whole) <= 2  # two blends, each rounded to whole levels


class SeesItsTile(Upscaler):
    """Makes each tile of one grey, so that seams are seen."""

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        greys.append(0.2 if len(greys) % 2 else 0.8)
        return torch.full((1, 3, pixels.shape[2] * 2, pixels.shape[3] * 2), greys[-1])


greys: list[float] = []


@pytest.mark.parametrize("is_wide", [True, False])
def test_neighbours_are_blended_where_they_overlap(is_wide: bool) -> None:
    greys.clear()
    upscaler = SeesItsTile(
        name="grey", hash="", scale=2, model=None, device=torch.device("cpu"), dtype=torch.float32, version=""
    )
    edges = (160, 64) if is_wide else (64, 160)
    going = Enlargement(upscaler, a_photo(*edges), Size(width=edges[0] * 2, height=edges[1] * 2), tile=96)
    while not going.done:
        going.advance()
    levels = np.array(going.result())[..., 0].astype(int)
    line = levels[64, :] if is_wide else levels[:, 64]
    assert going.steps == 2
    assert (line[0], line[-1]) == (204, 51)
    steps = np.abs(np.diff(line))
    assert 8 <= steps.max() <= 12, "no line between them"
    assert set(line[:152]) == {204}, "only the middle of what they have in common is mixed"
    assert set(line[-152:]) == {51}


def test_what_is_larger_than_asked_is_scaled_down_and_what_is_smaller_goes_through_again(
    tmp_path: Path,
) -> None:
    path = build_upscaler(tmp_path / "toy.safetensors", scale=2)
    photo, upscaler = a_photo(64, 48), shelf_of(tmp_path).get("toy").result()
    going = Enlargement(upscaler, photo, Size(width=96, height=72))
    going.advance()
    assert going.done
    assert largest(going.result(), stock(path, photo).resize((96, 72), Image.Resampling.LANCZOS)) <= 1
    going = Enlargement(upscaler, photo, Size(width=192, height=144))
    assert going.steps == 2
    going.advance()
    going.advance()
    twice = stock(path, stock(path, photo))
    assert largest(going.result(), twice.resize((192, 144), Image.Resampling.LANCZOS)) <= 1


def test_it_says_each_tile_and_writes_what_it_did(tmp_path: Path) -> None:
    build_upscaler(tmp_path / "toy.safetensors")
    said: list[Report] = []
    engine = EnlargingEngine(shelf_of(tmp_path, 64), said.append)
    photo = a_photo(96, 64, "RGBA")
    photo.putalpha(Image.linear_gradient("L").resize((96, 64)))
    engine.admit(a_job("toy", photo, Size(width=192, height=128)))
    run(engine, said)
    assert [(r.step, r.steps) for r in said if isinstance(r, Stepped)] == [(1, 2), (2, 2)]
    last = said[-1]
    assert isinstance(last, Drawn), last
    image = Image.open(io.BytesIO(last.png))
    assert (image.mode, image.size) == ("RGBA", (192, 128)), "what was transparent is so still"
    settings = read(last.png)
    assert (settings.upscaler, settings.upscale_by, settings.prompt) == ("toy", 2, "")
    assert settings.request is not None
    assert settings.record is not None
    assert settings.record["upscaler_tile"] == 64
    assert len(settings.record["upscaler_hash"]) == 10
    assert image.info["parameters"].startswith("Postprocess upscale by: 2, Postprocess upscaler: toy, ")


def test_a_shortage_of_memory_makes_the_tiles_smaller(tmp_path: Path) -> None:
    build_upscaler(tmp_path / "toy.safetensors")
    shelf = shelf_of(tmp_path)
    upscaler = shelf.get("toy").result()
    call, seen = upscaler.model, []

    def short(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(max(pixels.shape[2:]))
        if seen[-1] > 100:
            raise torch.OutOfMemoryError("a small card")
        made: torch.Tensor = call(pixels)
        return made

    object.__setattr__(upscaler, "model", short)
    said: list[Report] = []
    engine = EnlargingEngine(shelf, said.append)
    engine.admit(a_job("toy", a_photo(300, 100), Size(width=600, height=200)))
    run(engine, said)
    assert isinstance(said[-1], Drawn), said[-1]
    assert seen[:3] == [256, 128, 64]
    record = read(said[-1].png).record
    assert record is not None
    assert record["upscaler_tile"] == 64

    object.__setattr__(upscaler, "model", _never)
    engine.admit(a_job("toy", a_photo(300, 100), Size(width=600, height=200)))
    said.clear()
    run(engine, said)
    assert [r.reason[:33] for r in said if isinstance(r, TaskFailed)] == [
        "There is not enough memory to draw"[:33]
    ]


def _never(pixels: torch.Tensor) -> torch.Tensor:
    raise torch.OutOfMemoryError("a smaller card")


def test_it_is_cancelled_between_tiles_and_while_it_waits(tmp_path: Path) -> None:
    build_upscaler(tmp_path / "toy.safetensors")
    said: list[Report] = []
    engine = EnlargingEngine(shelf_of(tmp_path, 64), said.append)
    jobs = [a_job("toy", a_photo(200, 200), Size(width=400, height=400), job=name) for name in ("one", "two")]
    for job in jobs:
        engine.admit(job)
    run(engine, said, until=lambda: any(isinstance(report, Stepped) for report in said))
    assert engine.cancel(jobs[1].id)
    assert engine.cancel(jobs[0].id)
    assert not engine.busy
    assert said[-2:] == [Stopped(task=jobs[1].id), Stopped(task=jobs[0].id)]
    assert not engine.cancel(jobs[0].id)


def test_what_cannot_be_read_is_a_sentence_and_the_next_one_is_enlarged(tmp_path: Path) -> None:
    build_upscaler(tmp_path / "toy.safetensors")
    build_upscaler(tmp_path / "same size.safetensors", scale=1)
    save_file({"strange.weight": torch.zeros(2, 2, 3, 3)}, tmp_path / "strange.safetensors")
    said: list[Report] = []
    engine = EnlargingEngine(shelf_of(tmp_path), said.append)
    size = Size(width=128, height=128)
    for name in ("strange", "same size", "gone", "toy"):
        engine.admit(a_job(name, a_photo(64, 64), size, job=name))
    run(engine, said)
    ends = {r.task.job: r for r in said if isinstance(r, TaskFailed | Drawn)}
    reasons = [end.reason for end in ends.values() if isinstance(end, TaskFailed)]
    assert reasons == [
        "The upscaler strange cannot be read; the owner's log says why.",
        "same size is a RealESRGAN Compact that enlarges nothing; choose another upscaler.",
        "The upscaler gone is not among the upscalers any more.",
    ]
    assert isinstance(said[-1], Drawn)


def test_more_than_there_is_room_for_is_refused_before_it_begins(tmp_path: Path) -> None:
    build_upscaler(tmp_path / "toy.safetensors", kind="esrgan", scale=4)
    said: list[Report] = []
    engine = EnlargingEngine(shelf_of(tmp_path), said.append)
    engine.admit(a_job("toy", Image.new("RGB", (3600, 3600)), Size(width=4096, height=4096)))
    run(engine, said)
    assert isinstance(said[-1], TaskFailed)
    assert "which of 3600x3600 would be more pixels than I have room for" in said[-1].reason


def test_it_takes_turns_with_the_models_and_without_upscalers_it_is_a_sentence(tmp_path: Path) -> None:
    build_upscaler(tmp_path / "toy.safetensors")
    said: list[Report] = []
    shelf = Shelf.one(NOISE)

    def rack(engine: EnlargingEngine | None) -> Rack:
        return Rack(
            shelf,
            lambda info, tell: lambda: NoiseEngine(info, said.append),
            said.append,
            enlarging=engine,
        )

    both = rack(EnlargingEngine(shelf_of(tmp_path, 64), said.append))
    large = a_job("toy", a_photo(200, 200), Size(width=400, height=400), job="large")
    both.admit(large)
    both.admit(a_task(a_request(steps=6), job="drawn"))
    while both.busy:
        both.tick()
    stepped = [str(report.task.job) for report in said if isinstance(report, Stepped)]
    assert stepped.count("large") == 16, "a tile each"
    assert stepped.index("large") < 6, "neither waits for all of the other"
    last_step = max(index for index, job in enumerate(stepped) if job == "drawn")
    assert "large" in stepped[last_step:]
    assert {report.task.job for report in said if isinstance(report, Drawn)} == {"large", "drawn"}
    both.close()

    alone = rack(None)
    alone.admit(large)
    assert not alone.busy
    assert isinstance(said[-1], TaskFailed)
    assert said[-1].reason == "The upscaler toy is not among the upscalers any more."


def test_an_upscaler_that_was_put_away_leaves_memory_and_is_read_again(tmp_path: Path) -> None:
    build_upscaler(tmp_path / "toy.safetensors", kind="compact", scale=2)
    shelf = shelf_of(tmp_path)
    shelf.put_away()
    held = weakref.ref(shelf.get("toy").result().model)
    assert shelf.get("toy").result().model is held()
    shelf.put_away()
    gc.collect()
    assert held() is None
    assert shelf.get("toy").result().scale == 2
