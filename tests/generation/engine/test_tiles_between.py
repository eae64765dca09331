"""Memory may run out, or be enough again, between two passes: the record says which stages were in tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generation.engine.memory import STAGES
from generation.messages import Drawn, Report, Stepped
from generation.metadata import read
from generation.redraw import largest_difference, redraw
from generation.request import Enlarger, GenerationRequest, Hires, Size
from tests.generation.engine.test_growing import bench_with
from tests.generation.engine.test_painting import build_painting
from tests.generation.toys import Bench, a_request, a_task
from tests.generation.upscaling import build_upscaler

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

SIZE, LARGER = Size(width=96, height=64), Size(width=128, height=96)
"""More than the one tile of 64 x 64 that a toy's VAE is made for, both."""


def stages_of(png: bytes) -> list[str]:
    record = read(png).record
    assert record is not None
    return [stage for stage in STAGES if record.get(stage)]


def with_other_stages(png: bytes, stages: list[str]) -> Any:
    settings = read(png)
    kept = {name: value for name, value in (settings.record or {}).items() if name not in STAGES}
    return replace(settings, record=kept | dict.fromkeys(stages, True))


def drawn(
    bench: Bench, request: GenerationRequest, *changes: tuple[Callable[[list[Report]], bool], str]
) -> bytes:
    """Draw; whenever one of these holds, one after the other, memory runs out or is enough again."""
    due = list(changes)
    bench.said.clear()
    bench.engine.admit(a_task(request))
    while bench.engine.busy:
        if due and due[0][0](bench.said):
            (bench.engine._memory.climb if due.pop(0)[1] == "climb" else bench.engine._memory.descend)()
        # Nobody else is in hand who would need the memory.
        bench.engine._take_memory_back = lambda: None  # type: ignore[method-assign]
        bench.engine.tick()
    assert not due
    bench.engine._memory.descend()  # others draw with the same model
    last = bench.said[-1]
    assert isinstance(last, Drawn), last
    return last.png


def after(steps: int) -> Callable[[list[Report]], bool]:
    return lambda said: sum(isinstance(report, Stepped) for report in said) >= steps


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_upscaler(tmp_path_factory.mktemp("upscalers") / "toy.safetensors").parent


@pytest.mark.parametrize(
    ("begins", "then", "stages"),
    [
        ("climb", "descend", ["first_decode_tiled"]),
        (None, "climb", ["second_encode_tiled", "decode_tiled"]),
    ],
)
def test_what_an_upscaler_is_shown_and_what_it_made_are_told_apart(
    begins: str | None, then: str, stages: list[str], sd_bench: Bench, folder: Path
) -> None:
    bench = bench_with(sd_bench, folder, tile=64)
    hires = Hires(size=LARGER, steps=4, strength=0.5, enlarger=Enlarger.UPSCALER, upscaler="toy")
    request = a_request(sd_bench.source, size=SIZE, steps=2, hires=hires)
    changes = [] if begins is None else [(after(1), begins)]
    changes.append((lambda said: any(entry.growth for entry in bench.engine._entries), then))
    png = drawn(bench, request, *changes)
    assert stages_of(png) == stages
    again = redraw(read(png), model=sd_bench.source, device="cpu", upscalers=folder)
    assert largest_difference(png, again) == 0
    all_alike = with_other_stages(png, ["second_encode_tiled", "first_decode_tiled", "decode_tiled"])
    other = redraw(all_alike, model=sd_bench.source, device="cpu", upscalers=folder)
    assert largest_difference(png, other) > 0, "else this proves nothing"


@pytest.mark.parametrize(
    ("begins", "then", "stages"),
    [
        ("climb", "descend", ["encode_tiled"]),
        (None, "climb", ["second_encode_tiled", "decode_tiled"]),
    ],
)
def test_what_a_model_for_inpainting_is_told_before_each_pass_is_told_apart(
    begins: str | None, then: str, stages: list[str], toy_sd: Path, tmp_path: Path
) -> None:
    bench = Bench(str(build_painting(tmp_path / "painting", toy_sd)))
    hires = Hires(size=LARGER, steps=4, strength=0.5, enlarger=Enlarger.LATENTS)
    request = a_request(bench.source, size=SIZE, steps=2, hires=hires)
    changes = [] if begins is None else [(after(0), begins)]
    png = drawn(bench, request, *changes, (after(1), then))
    assert stages_of(png) == stages
    again = redraw(read(png), model=bench.source, device="cpu")
    assert largest_difference(png, again) == 0
    all_alike = with_other_stages(png, ["encode_tiled", "second_encode_tiled", "decode_tiled"])
    assert largest_difference(png, redraw(all_alike, model=bench.source, device="cpu")) > 0
