"""The profile of the loop finds who makes it wait for the device, and it is nobody of ours."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.engine.__main__ import main
from benchmarks.engine.profiling import read_in_ticks
from benchmarks.engine.sides import Ours
from benchmarks.engine.work import Work
from generation.engine.batch import Image
from generation.samplers import SAMPLERS
from tests.generation.toys import build_sd

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sd(tmp_path_factory.mktemp("models") / "toy")


def test_no_sampler_has_us_read_a_number_of_the_devices_in_a_tick(toy: Path) -> None:
    one_of_each = {spec.scheduler: name for name, spec in SAMPLERS.items()}
    plain = Work.square(toy, 64, 4).equal(len(one_of_each))
    requests = [replace(each, sampler=name) for each, name in zip(plain, one_of_each.values(), strict=True)]
    sites = read_in_ticks(Ours.load(toy, "cpu", "float32", cap=len(requests)), requests)
    assert not sites, "neither we nor diffusers"


def test_a_read_that_hides_in_a_tick_is_found(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Ours.load(toy, "cpu", "float32", cap=1)
    step = Image.step

    def nosy(image: Image, prediction: torch.Tensor) -> None:
        step(image, prediction)
        float(image.scheduler.timesteps[0])  # on the CPU, whatever the device
        bool(image.latents.isfinite().all())
        image.latents.tolist()

    monkeypatch.setattr(Image, "step", nosy)
    found = read_in_ticks(ours, Work.square(toy, 64, 4).equal(1))
    assert {(site.what, times) for site, times in found.items()} == {
        ("is_nonzero", 2),
        ("tolist", 2),
    }
    assert all(site.is_ours for site in found)
    assert all("test_profiling.py" in site.where for site in found)


def test_it_says_what_a_tick_is_spent_on(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [
            *("--profile", "--model", str(toy), "--device", "cpu", "--steps", "4", "--requests", "2"),
            *("--out", str(tmp_path)),
        ]
    )
    said = capsys.readouterr().out.splitlines()
    figures = json.loads(said[-1])
    assert figures["steady_ticks"] >= 2
    assert 0 < figures["tick_ms"]["p50"] <= figures["tick_ms"]["most"]
    assert len(figures["operators"]) == 10
    assert figures["operators"][0]["ms"] >= figures["operators"][-1]["ms"] > 0
    assert not any(figures["waits_in_steady_ticks"].values())
    assert figures["ours"] == 0
    assert "        0  by us" in said
    with gzip.open(tmp_path / figures["trace"]) as trace:
        names = {event.get("name") for event in json.load(trace)["traceEvents"]}
    assert {"tick 0", "aten::addmm"} <= names
