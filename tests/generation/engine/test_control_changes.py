"""ControlNets that come, or become others, while the engine draws."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from generation.controlnets import ControlFolders
from generation.engine.loop import DiffusionEngine
from generation.messages import Drawn, Report, Stepped, TaskFailed
from generation.metadata import read
from tests.generation.controlled import build_controlnet, controlled, drawn
from tests.generation.toys import Bench

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def watching(bench: Bench, folder: Path) -> Bench:
    """An engine with the same model, which looks into this folder."""
    other = bench.again(cap=4)
    other.engine = DiffusionEngine(
        other.model, other.said.append, cap=4, padded=False, controlnets=ControlFolders(folder)
    )
    return other


def net_hash(done: Drawn) -> str:
    record = read(done.png).record
    assert record is not None
    return str(record["controls"][0]["model_hash"])


def has_begun(said: list[Report]) -> bool:
    return any(isinstance(report, Stepped) for report in said)


def test_one_that_came_is_read_and_one_that_was_replaced_is_read_anew(
    sd_bench: Bench, toy_sd: Path, toy_nets: Path, tmp_path: Path
) -> None:
    bench = watching(sd_bench, tmp_path)
    last = bench.run(controlled(bench.source, ("mine", {})))[-1]
    assert isinstance(last, TaskFailed)
    assert last.reason == "I do not have the ControlNet mine any more."
    shutil.copytree(toy_nets / "toy-canny", tmp_path / "mine")
    first = drawn(bench, controlled(bench.source, ("mine", {})))
    assert net_hash(drawn(bench, controlled(bench.source, ("mine", {})))) == net_hash(first)
    build_controlnet(tmp_path / "mine", toy_sd, seed=8)
    second = drawn(bench, controlled(bench.source, ("mine", {})))
    assert net_hash(second) != net_hash(first)
    assert second.png != first.png
    assert bench.engine._controls.names == ("mine",)


def test_who_is_steered_by_the_old_one_is_to_the_end(
    sd_bench: Bench, toy_sd: Path, toy_nets: Path, tmp_path: Path
) -> None:
    shutil.copytree(toy_nets / "toy-canny", tmp_path / "mine")
    bench = watching(sd_bench, tmp_path)
    wanted = drawn(bench, controlled(bench.source, ("mine", {})))
    bench.run(controlled(bench.source, ("mine", {})), until=has_begun)
    build_controlnet(tmp_path / "mine", toy_sd, seed=8)
    bench.engine.admit(controlled(bench.source, ("mine", {}), job="later"))
    while bench.engine.busy:
        bench.engine.tick()
    done = {str(each.task.job): each for each in bench.said if isinstance(each, Drawn)}
    assert net_hash(done["job"]) == net_hash(done["later"]) == net_hash(wanted)
    assert net_hash(drawn(bench, controlled(bench.source, ("mine", {}), job="last"))) != net_hash(wanted)


def test_one_that_was_broken_is_tried_as_soon_as_it_is_mended(
    sd_bench: Bench, toy_nets: Path, tmp_path: Path
) -> None:
    shutil.copytree(toy_nets / "toy-canny", tmp_path / "mine")
    config = (tmp_path / "mine" / "config.json").read_text()
    (tmp_path / "mine" / "config.json").write_text(
        config.replace('"layers_per_block": 1', '"layers_per_block": 2')
    )
    bench = watching(sd_bench, tmp_path)
    for _ in range(2):
        last = bench.run(controlled(bench.source, ("mine", {})))[-1]
        assert isinstance(last, TaskFailed)
        assert "cannot be used at the moment" in last.reason
    (tmp_path / "mine" / "config.json").write_text(config)
    drawn(bench, controlled(bench.source, ("mine", {})))
