"""ControlNets that are missing, broken, misfits or too much for the memory: the engine draws on."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image

from generation.engine import controlmodels
from generation.engine.awaited import Awaited
from generation.engine.controlmodels import KEPT, ControlNet
from generation.messages import Drawn, Entered, Phase, Report, Task, TaskFailed
from generation.request import Control
from tests.generation.controlled import build_controlnet, controlled, drawn, steered
from tests.generation.engine.test_batch import largest_difference
from tests.generation.engine.test_inputs import file_of
from tests.generation.toys import Bench, a_request, a_task, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module")
def bench(sd_bench: Bench, toy_nets: Path) -> Bench:
    return steered(sd_bench, toy_nets)


def reason(bench: Bench, task: Task) -> str:
    last = bench.run(task)[-1]
    assert isinstance(last, TaskFailed), last
    return last.reason


def still_draws(bench: Bench) -> bool:
    return isinstance(bench.run(a_task(a_request(bench.source)))[-1], Drawn)


def test_what_cannot_steer_is_a_sentence_and_the_engine_draws_on(bench: Bench) -> None:
    flat, png = file_of(Image.new("RGB", (64, 64), "teal"))
    control = Control(model="toy-canny", picture=flat, preprocessor="edges")

    def asked(**changes: Any) -> Task:
        request = a_request(bench.source, controls=(replace(control, **changes),))
        return replace(a_task(request), inputs={flat: png})

    assert "found no edges" in reason(bench, asked())
    assert "found no lines" in reason(bench, asked(preprocessor="lineart"))
    assert "DEPTH_MODEL" in reason(bench, asked(preprocessor="depth"))
    assert "do not know the preprocessor magic" in reason(bench, asked(preprocessor="magic"))
    assert reason(bench, asked(model="gone")) == "I do not have the ControlNet gone any more."
    assert "is not there any more" in reason(bench, replace(asked(), inputs={}))
    assert still_draws(bench)


def test_one_that_does_not_fit_is_refused_in_words(
    sd_bench: Bench, toy_sd: Path, toy_sdxl: Path, toy_nets: Path, tmp_path: Path
) -> None:
    build_controlnet(tmp_path / "xl", toy_sdxl)
    lacking = tmp_path / "lacking"
    shutil.copytree(toy_nets / "toy-canny", lacking)
    config = json.loads((lacking / "config.json").read_text())
    (lacking / "config.json").write_text(json.dumps({**config, "layers_per_block": 2}))
    unet = diffusers.UNet2DConditionModel.from_config({**sd_bench.model.unet.config, "layers_per_block": 2})
    deep = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
    deep.save_pretrained(tmp_path / "deep")
    bench = steered(sd_bench, tmp_path)
    assert "is for Stable Diffusion XL" in reason(bench, controlled(bench.source, ("xl", {})))
    assert "its blocks have 2 layers, and the model's 1" in reason(
        bench, controlled(bench.source, ("deep", {}))
    )
    assert "cannot be used at the moment" in reason(bench, controlled(bench.source, ("lacking", {})))
    assert "cannot be used at the moment" in reason(bench, controlled(bench.source, ("lacking", {})))
    assert still_draws(bench)


def test_numbers_that_run_away_are_a_sentence(sd_bench: Bench, toy_nets: Path, tmp_path: Path) -> None:
    net = diffusers.ControlNetModel.from_pretrained(toy_nets / "toy-canny")
    with torch.no_grad():
        net.controlnet_mid_block.weight.fill_(float("nan"))
    net.save_pretrained(tmp_path / "wild")
    bench = steered(sd_bench, tmp_path)
    assert "ran away" in reason(bench, controlled(bench.source, ("wild", {})))
    assert still_draws(bench)


def test_a_reading_is_told_and_what_was_read_is_counted(
    bench: Bench, sd_bench: Bench, toy_nets: Path
) -> None:
    fresh = steered(sd_bench, toy_nets)
    said: list[Report] = fresh.run(controlled(fresh.source, ("toy-third", {})))
    entered = [each.phase for each in said if isinstance(each, Entered)]
    assert entered[0] is Phase.LOADING
    assert isinstance(said[-1], Drawn)
    assert fresh.engine.footprint > sd_bench.engine.footprint


def test_those_that_are_not_used_leave(sd_bench: Bench, toy_nets: Path, tmp_path: Path) -> None:
    names = [f"net{number}" for number in range(KEPT + 2)]
    for name in names:
        shutil.copytree(toy_nets / "toy-canny", tmp_path / name)
    bench = steered(sd_bench, tmp_path)
    for name in names:
        drawn(bench, controlled(bench.source, (name, {}), steps=1))
    assert bench.engine._controls.names == tuple(names[-KEPT:])


def test_none_leaves_that_a_picture_is_about_to_be_steered_by(
    sd_bench: Bench, toy_nets: Path, tmp_path: Path
) -> None:
    names = [f"net{number}" for number in range(KEPT + 2)]
    for name in names:
        shutil.copytree(toy_nets / "toy-canny", tmp_path / name)
    bench = steered(sd_bench, tmp_path)
    for name in names[:KEPT]:
        drawn(bench, controlled(bench.source, (name, {}), steps=1))
    drawn(bench, controlled(bench.source, (names[0], {}), (names[KEPT], {}), steps=1))
    bench = steered(sd_bench, tmp_path)
    tasks = [controlled(bench.source, (name, {}), steps=1, job=name) for name in names]
    bench.said.clear()
    for task in tasks:
        bench.engine.admit(task)
        bench.engine._waits(bench.engine._entries[-1])
    while (pool := bench.engine._controls._pool)._readings.keys() != set(names) or not all(
        reading.future.done() for reading in pool._readings.values()
    ):
        bench.engine._controls.wait(0.1)
    while bench.engine.busy:  # all were here in one tick, before any of them was prepared
        bench.engine.tick()
    assert sorted(each.task.job for each in bench.said if isinstance(each, Drawn)) == sorted(names)


def test_who_waits_for_a_reading_hardly_keeps_other_models_waiting(
    sd_bench: Bench, toy_nets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = steered(sd_bench, toy_nets)
    waited: list[float] = []

    def counted(futures: list[Future[ControlNet]], timeout: float) -> None:
        waited.append(timeout)
        wait(futures, timeout)

    monkeypatch.setattr(controlmodels, "wait", counted)
    task = controlled(bench.source, ("toy-canny", {}))
    bench.engine.admit(task)
    stuck: Future[ControlNet] = Future()
    bench.engine._controls._pool._readings["toy-canny"] = Awaited(stuck, "it")
    for _ in range(10):
        bench.engine.tick()
    assert len(waited) > 5
    assert max(waited) <= 0.05
    assert bench.engine.cancel(task.id)


def test_what_is_read_for_nobody_any_more_is_not_kept(sd_bench: Bench, toy_nets: Path) -> None:
    bench = steered(sd_bench, toy_nets)
    for name in ("toy-canny", "toy-depth"):
        task = controlled(bench.source, (name, {}), job=name)
        bench.engine.admit(task)
        assert bench.engine._waits(bench.engine._entries[-1])
        assert bench.engine.cancel(task.id)
    assert not bench.engine._controls._pool._readings
    assert still_draws(bench)


def test_on_every_rung_of_memory_it_is_the_same_picture(sd_bench: Bench, toy_nets: Path) -> None:
    bench = steered(sd_bench, toy_nets)
    task = controlled(bench.source, ("toy-canny", {}), ("toy-depth", {}), steps=2)
    wanted = picture(drawn(bench, task).png)
    for climbs in (1, 2, 3):
        for _ in range(climbs):
            assert bench.engine._memory.climb()
        assert largest_difference(picture(drawn(bench, task).png), wanted) <= 2
        assert bench.engine._memory.rung == 0, "it is taken back when nobody is in hand"
    assert picture(drawn(bench, task).png).tobytes() == wanted.tobytes()


def test_when_memory_runs_out_idle_ones_leave_first(sd_bench: Bench, toy_nets: Path) -> None:
    bench = steered(sd_bench, toy_nets)
    drawn(bench, controlled(bench.source, ("toy-depth", {})))
    assert bench.engine._climb()
    assert bench.engine._controls.names == ()
    assert bench.engine._memory.rung == 0
