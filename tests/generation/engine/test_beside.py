"""What stands beside the models is counted in their budget, and leaves like them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from generation import worker
from generation.catalogue import describe
from generation.controlfiles import Preprocessor
from generation.engine.annotators import Annotators
from generation.engine.beside import RESTS_S, Beside, Besides
from generation.engine.guard import Guard
from generation.engine.loop import DiffusionEngine
from generation.engine.memory import footprint
from generation.engine.tiles import Enlargement
from generation.engine.upscalers import UpscalerShelf
from generation.request import Size
from generation.safety import Verdict
from generation.upscalers import Upscalers
from tests.generation.companions import build_taesd
from tests.generation.engine.racked import Racked
from tests.generation.engine.test_guard import BLUE, RED, build_checker
from tests.generation.engine.test_looks import drawn, looking, with_adapter, write_adapter
from tests.generation.engine.test_poses import toy_people, toy_pose
from tests.generation.toys import Bench
from tests.generation.upscaling import build_upscaler

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

CPU = torch.device("cpu")
WEIGHT = 100
"""Bytes of each model of a rack, see Racked."""


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beside")
    build_upscaler(folder / "upscalers" / "soft.safetensors")
    build_checker(folder / "checker", RED)
    toy_pose(folder / "pose")
    toy_people(folder / "people")
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf(files: Path, clock: Clock) -> UpscalerShelf:
    return UpscalerShelf(Upscalers(files / "upscalers"), CPU, torch.float32, now=clock)


@pytest.fixture
def guard(files: Path, clock: Clock) -> Guard:
    return Guard(str(files / "checker"), may_fetch=False, device=CPU, now=clock)


@pytest.fixture
def annotators(files: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Annotators:
    monkeypatch.setattr("generation.engine.annotators.time.monotonic", clock)
    return Annotators(pose=files / "pose", people=files / "people")


def read_upscaler(shelf: UpscalerShelf) -> int:
    """Its bytes."""
    return footprint(shelf.get("soft").result().model.model)


def read_checker(guard: Guard) -> None:
    guard.expect(None)
    assert guard.verdict(BLUE) is Verdict.CLEAN


def read_poses(annotators: Annotators) -> None:
    while not annotators.are_here([Preprocessor.POSE]):
        annotators.wait(1)


def test_each_is_counted_while_it_is_in_memory(
    shelf: UpscalerShelf, guard: Guard, annotators: Annotators
) -> None:
    assert [each.footprint for each in (shelf, guard, annotators)] == [0, 0, 0]
    assert shelf.footprint == 0 < read_upscaler(shelf) == shelf.footprint
    read_checker(guard)
    assert guard.footprint > 10_000
    read_poses(annotators)
    alone = annotators.footprint
    assert alone > 10_000
    those: list[Beside] = [shelf, guard, annotators]
    besides = Besides(lambda: those)
    assert besides.footprint == shelf.footprint + guard.footprint + alone
    besides.put_all_away()
    assert besides.footprint == 0


def test_the_one_used_least_recently_goes_first_and_none_that_was_just_used(
    shelf: UpscalerShelf, guard: Guard, annotators: Annotators, clock: Clock
) -> None:
    besides = Besides(lambda: [annotators, guard, shelf], now=clock)
    for read in (lambda: read_checker(guard), lambda: read_upscaler(shelf), lambda: read_poses(annotators)):
        read()
        clock.time += 1
    assert not besides.put_one_away(), "all may be asked for again soon"
    clock.time += RESTS_S
    assert not besides.put_one_away(before=1000.0), "that is older than any"
    assert besides.put_one_away(before=1000.5)
    assert (guard.footprint, bool(shelf.footprint), bool(annotators.footprint)) == (0, True, True)
    assert besides.put_one_away()
    assert (shelf.footprint, bool(annotators.footprint)) == (0, True)
    assert besides.put_one_away()
    assert annotators.footprint == 0
    assert not besides.put_one_away()


def test_an_upscaler_that_somebody_works_with_stays(shelf: UpscalerShelf, clock: Clock) -> None:
    going = Enlargement(shelf.get("soft").result(), RED, Size(width=128, height=96), tile=64)
    before = shelf.get("soft").result()
    shelf.put_away()
    assert shelf.get("soft").result() is before
    clock.time += 2 * RESTS_S
    assert not Besides(lambda: [shelf], now=clock).put_one_away()
    del going, before
    shelf.put_away()
    assert shelf.footprint == 0
    assert read_upscaler(shelf), "and it is read again"


def test_a_checker_that_was_put_away_meanwhile_is_read_again_for_the_picture(guard: Guard) -> None:
    read_checker(guard)
    guard.expect(None)
    guard.put_away()
    assert guard.footprint == 0
    assert guard.verdict(RED) is Verdict.FLAGGED
    assert guard.footprint
    assert Guard("nowhere", may_fetch=False, device=CPU).verdict(RED) is Verdict.UNCHECKED, "never expected"


def test_what_tells_poses_is_read_again_when_it_is_asked_again(annotators: Annotators) -> None:
    read_poses(annotators)
    annotators.put_away()
    assert not annotators.are_here([Preprocessor.POSE])
    read_poses(annotators)
    assert annotators(Preprocessor.POSE, Image.new("RGB", (32, 32), "red"), CPU).size == (32, 32)


def racked_beside(shelf: UpscalerShelf, clock: Clock, budget: Callable[[int], int]) -> Racked:
    """A rack of models beside an upscaler that is read; its budget is told from the upscaler's bytes."""
    racked = Racked(budget=budget(read_upscaler(shelf)))
    racked.rack._besides, racked.rack._now = Besides(lambda: [shelf], now=clock), clock
    racked.rack._used["fake:one"] = clock.time
    return racked


def test_an_idle_upscaler_leaves_for_a_model_before_one_that_was_used_later(
    shelf: UpscalerShelf, clock: Clock
) -> None:
    clock.time = 0.0
    racked = racked_beside(shelf, clock, lambda bytes_: bytes_ + WEIGHT)
    clock.time = 10.0
    racked.rack.admit(racked.task("one", "a"))
    racked.finish()
    clock.time += RESTS_S
    racked.rack.admit(racked.task("two", "b"))
    racked.finish()
    assert shelf.footprint == 0
    assert racked.rack.footprint == 2 * WEIGHT
    assert racked.gone == []


def test_a_model_leaves_before_an_upscaler_that_was_used_later(shelf: UpscalerShelf, clock: Clock) -> None:
    racked = racked_beside(shelf, clock, lambda bytes_: bytes_ + WEIGHT)
    clock.time += 5
    shelf.get("soft").result()
    clock.time += RESTS_S + 1
    racked.rack.admit(racked.task("two", "b"))
    racked.finish()
    assert racked.gone == ["one"]
    assert shelf.footprint
    assert racked.rack.footprint == shelf.footprint + WEIGHT


def test_what_is_read_beside_a_model_makes_others_leave_but_never_the_last(
    shelf: UpscalerShelf, clock: Clock
) -> None:
    racked = racked_beside(shelf, clock, lambda bytes_: bytes_ + WEIGHT)
    shelf.put_away()
    racked.rack.admit(racked.task("two", "b"))
    racked.finish()
    assert racked.rack.footprint == 2 * WEIGHT
    clock.time += 1
    read_upscaler(shelf)
    clock.time += RESTS_S + 1
    racked.rack.tick()
    assert racked.gone == ["one"], "it was used before the upscaler"
    assert shelf.footprint
    read_upscaler(shelf)
    racked.rack._budget = WEIGHT
    racked.rack.tick()
    assert shelf.footprint, "over the budget, but there is no other way to enlarge anything"
    clock.time += 2 * RESTS_S
    racked.rack.tick()
    assert shelf.footprint == 0
    assert racked.rack.footprint == WEIGHT


def test_a_look_is_counted_with_all_that_was_read_and_so_is_a_tiny_decoder(
    sd_bench: Bench, tmp_path: Path
) -> None:
    bench = with_adapter(sd_bench, write_adapter(tmp_path / "adapters", sd_bench.model.unet))
    before = bench.engine.footprint
    drawn(bench, looking(bench.source))
    read = bench.engine._controls.looks._adapter
    assert read is not None
    assert bench.engine.footprint - before == footprint(read.layers, read.encoder, read.projection)
    from generation.engine.tiny import load_tiny

    tiny = load_tiny(str(build_taesd(tmp_path / "taesd")), channels=4, device=CPU, dtype=torch.float32)
    watched = Bench(bench.source, loaded=replace(sd_bench.model, tiny=tiny))
    assert watched.engine.footprint == sd_bench.engine.footprint + footprint(tiny)
    shutil.rmtree(tmp_path)


def test_readings_that_fail_count_nothing(tmp_path: Path, clock: Clock) -> None:
    guard = Guard(str(tmp_path), may_fetch=False, device=CPU, now=clock)
    guard.expect(None)
    assert guard.verdict(RED) is Verdict.UNCHECKED
    (tmp_path / "soft.safetensors").write_bytes(b"no weights")
    shelf = UpscalerShelf(Upscalers(tmp_path), CPU, torch.float32, now=clock)
    wait([shelf.get("soft")], timeout=20)
    annotators = Annotators(pose=tmp_path)
    annotators.put_away()
    besides = Besides(lambda: [guard, shelf, annotators], now=clock)
    clock.time += 2 * RESTS_S
    assert besides.footprint == 0
    assert not besides.put_one_away()
    besides.put_all_away()


def test_the_worker_counts_what_its_engines_share(files: Path, toy_sd: Path) -> None:
    chosen = ("--safety-checker", str(files / "checker"), "--pose", str(files / "pose"), "--device", "cpu")
    options = worker.read_options(["--model", str(toy_sd), *chosen])
    made = worker._read_files(describe(str(toy_sd)), options, lambda report: None, None)()
    assert isinstance(made, DiffusionEngine)
    guard, annotators = worker._beside(None, options)
    assert made._guard is guard
    assert made._controls._annotators is annotators
