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
