"""How long a reading is waited for, who may read at the same time, and what is kept of it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from generation.engine.awaited import STILL_S, Awaited
from generation.engine.building import building, busy_for, is_free
from generation.engine.failures import CannotDraw
from generation.engine.hashes import hashes_of
from generation.engine.lorafiles import Hashes
from generation.engine.schedulers import Schedulers
from generation.loras import Format, Lora
from tests.generation.toys import BETAS

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


def test_a_reading_is_waited_for_so_long_and_one_that_has_come_is_never_too_late() -> None:
    time, future = [100.0], Future[str]()
    reading = Awaited(future, "the ControlNet edges", lambda: time[0])
    time[0] += STILL_S
    assert not reading.is_over()
    time[0] += 1
    with pytest.raises(CannotDraw, match=r"^Reading the ControlNet edges stood still"):
        reading.is_over()
    reading.check(held_up=STILL_S)  # something else has been in its way no longer than that
    future.set_result("here")
    assert reading.is_over()


def test_who_builds_may_build_a_part_of_it_and_others_wait_until_all_is_built() -> None:
    def may_another(threads: ThreadPoolExecutor) -> bool:
        return threads.submit(is_free).result()

    with ThreadPoolExecutor(1) as threads:
        assert busy_for() == 0.0
        with building(1):
            with building(1):
                assert not may_another(threads)
            assert not may_another(threads)
            assert busy_for() > 0
        assert may_another(threads)
        assert busy_for() == 0.0


def test_a_hash_that_was_taken_is_not_kept(tmp_path: Path) -> None:
    path, hashes = tmp_path / "it.safetensors", Hashes()
    path.write_bytes((8).to_bytes(8, "little") + b"{}      " + b"one")
    lora = Lora(name="it", path=path, version=(0, 0), format=Format.PEFT, rank=1, width=None, reads=False)
    while not hashes.are_here([lora]):
        hashes.wait(1)
    first = hashes.take(lora)
    assert first == hashes_of(path)
    path.write_bytes((8).to_bytes(8, "little") + b"{}      " + b"two")
    assert hashes.take(lora) == hashes_of(path) != first


def test_as_many_schedules_are_kept_as_are_said_those_asked_for_last() -> None:
    schedulers = Schedulers({**BETAS, "_class_name": "DDIMScheduler"})
    for steps in range(1, Schedulers._KEPT + 1):
        schedulers.make("Euler", steps)
    schedulers.make("Euler", 1)
    schedulers.make("Euler", Schedulers._KEPT + 1)
    kept = {steps for _, steps in schedulers._spaced}
    assert len(kept) == Schedulers._KEPT
    assert kept >= {1, Schedulers._KEPT + 1}
    assert 2 not in kept
