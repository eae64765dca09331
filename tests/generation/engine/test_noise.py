"""The engine without a model behaves like a real one, except where it is asked not to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generation.catalogue import UnreadableModel, describe
from generation.engine.noise import HELD, NoiseEngine
from generation.messages import Drawn, Report, Stepped, Stopped, TaskFailed
from generation.metadata import read
from generation.request import Seed, Size
from tests.generation.toys import NOISE, a_request, a_task, picture


def drawn(**changes: Any) -> bytes:
    said: list[Report] = []
    engine = NoiseEngine(describe(NOISE), said.append)
    engine.admit(a_task(a_request(**changes)))
    while engine.busy:
        engine.tick()
    assert isinstance(said[-1], Drawn), said
    return said[-1].png


def test_noise_follows_every_setting_and_says_what_it_is() -> None:
    base = drawn()
    assert drawn() == base
    others = [
        drawn(prompt="a blue circle"),
        drawn(negative_prompt="blue"),
        drawn(seed=Seed(8)),
        drawn(steps=5),
        drawn(guidance=5.5),
        drawn(sampler="Heun"),
    ]
    assert len({picture(png).tobytes() for png in (base, *others)}) == 7
    settings = read(drawn(size=Size(width=96, height=64)))
    assert settings.size == Size(width=96, height=64)
    assert settings.record is not None
    assert settings.record["model_family"] == "coloured noise"


def test_noise_is_cancelled_and_fails_like_the_real_thing() -> None:
    said: list[Report] = []
    engine = NoiseEngine(describe(NOISE), said.append)
    task = a_task()
    engine.admit(task)
    engine.tick()
    assert engine.room == 0
    assert engine.cancel(task.id)
    assert not engine.cancel(task.id)
    assert said.pop() == Stopped(task=task.id)
    engine.admit(a_task(a_request(size=Size(width=2048, height=512))))
    assert isinstance(said.pop(), TaskFailed)
    assert not engine.busy


def test_a_held_picture_goes_on_when_it_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(HELD).touch()
    said: list[Report] = []
    engine = NoiseEngine(describe(NOISE), said.append)
    engine.admit(a_task(a_request(prompt="held", steps=3)))
    for _ in range(3):
        engine.tick()
    Path(HELD).unlink()
    while engine.busy:
        engine.tick()
    assert [report.step for report in said if isinstance(report, Stepped)] == [1, 1, 1, 2, 3]


def test_the_unreadable_model_cannot_be_read() -> None:
    with pytest.raises(UnreadableModel):
        NoiseEngine(describe("fake:unreadable"), lambda report: None)


def test_noise_needs_no_torch() -> None:
    code = "import sys; import generation.engine.noise, generation.worker; print('torch' in sys.modules)"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
