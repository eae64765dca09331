"""Models that come beside the drawing: told while they come, given up when they stand still."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from generation.catalogue import describe
from generation.engine.noise import NoiseEngine
from generation.engine.rack import BROKEN_S
from generation.engine.reading import Finish, Reading, Tell
from generation.messages import Loading, NotLoaded, Ready, TaskFailed
from generation.request import Size
from tests.generation.engine.racked import PATIENCE, Racked
from tests.generation.toys import a_request, a_task


def test_how_far_a_model_is_is_told_while_others_are_drawn() -> None:
    hold = threading.Event()
    racked = Racked(hold=hold)
    assert racked.said[0] == Loading(model="fake:one"), "the first one too"
    racked.fetches = {"two": 4_300_000_000}
    racked.rack.admit(racked.task("one", "begun"))
    racked.rack.admit(racked.task("two", "waits"))
    racked.said.clear()
    until = time.monotonic() + 100
    while {"begun"} != racked.drawn_with().keys() or Loading(model="fake:two") not in racked.said[2:]:
        assert time.monotonic() < until
        racked.rack.tick()
    told = [report for report in racked.said if isinstance(report, Loading)]
    assert told == [
        Loading(model="fake:two"),
        Loading(model="fake:two", fetched=2_150_000_000, total=4_300_000_000),
        Loading(model="fake:two"),
    ]
    hold.set()
    racked.finish()
    ready = [report for report in racked.said if isinstance(report, Ready)]
    assert [report.info.name for report in ready] == ["two"]


def test_a_reading_that_stands_still_is_given_up_and_the_others_draw_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hold = threading.Event()
    racked = Racked(hold=hold)
    racked.rack.admit(racked.task("two", "waits"))
    racked.rack.admit(racked.task("one", "slow", steps=30))
    for _ in range(3):
        racked.rack.tick()
    racked.time += PATIENCE - 1
    racked.rack.tick()
    assert not any(isinstance(report, TaskFailed) for report in racked.said)
    assert racked.needless[-1](), "others are drawn"
    racked.time += 2
    racked.finish()
    racked.rack.tick()
    assert racked.needless[-1](), "nobody waits for it"
    (failed,) = [report for report in racked.said if isinstance(report, TaskFailed)]
    assert failed.task.job == "waits"
    assert "Reading the model two stood still for 8 minutes, so I gave it up." in failed.reason
    assert NotLoaded(model="fake:two") in racked.said
    assert "is its disk, or the way to Hugging Face, still there?" in caplog.text
    assert racked.drawn_with() == {"slow": "one"}

    racked.time += 10 * BROKEN_S
    racked.rack.admit(racked.task("two", "again"))
    racked.finish()
    assert racked.was_read.count("two") == 1, "it is not read twice at once"
    assert [r.task.job for r in racked.said if isinstance(r, TaskFailed)] == ["waits", "again"]

    hold.set()
    until = time.monotonic() + 100
    while "two" not in racked.drawn_with().values():  # what is late is dropped, and read anew
        assert time.monotonic() < until
        racked.rack.admit(racked.task("two", "later"))
        racked.finish()
    assert racked.was_read.count("two") == 2


def test_a_third_model_is_read_beside_one_that_stands_still() -> None:
    hold = threading.Event()
    racked = Racked(hold=hold)
    racked.rack.admit(racked.task("two", "waits"))
    racked.rack.tick()
    racked.time += PATIENCE + 1
    racked.rack.tick()
    racked.rack.admit(racked.task("three", "third"))
    hold_of_two, racked.hold = racked.hold, None
    racked.finish()
    assert racked.drawn_with() == {"third": "three"}
    assert hold_of_two is not None
    hold_of_two.set()


def test_who_was_promised_too_much_of_a_misjudged_model_is_told_so() -> None:
    racked = Racked()
    racked.found = {"two": replace(describe("fake:two"), multiple=64)}
    racked.rack.admit(a_task(a_request("fake:two", size=Size(width=72, height=64)), job="odd"))
    racked.rack.admit(racked.task("two", "even"))
    racked.finish()
    (failed,) = [report for report in racked.said if isinstance(report, TaskFailed)]
    assert failed.task.job == "odd"
    assert "both edges must be multiples of 64" in failed.reason
    assert "I knew this model only by its name" in failed.reason
    assert racked.drawn_with() == {"even": "two"}
    told = [report.info.multiple for report in racked.said if isinstance(report, Ready)]
    assert told == [8, 64]


def test_a_reading_moves_while_it_computes_or_fetches_and_stands_still_when_it_waits() -> None:
    """By the processor's time of its own thread: others may draw meanwhile."""
    time_is = [0.0]
    computes, rests, go_on = threading.Event(), threading.Event(), threading.Event()
    tells: list[Tell] = []

    def read(tell: Tell) -> Finish:
        tells.append(tell)
        assert computes.wait(20)
        while computes.is_set():
            sum(range(10_000))
        rests.set()
        assert go_on.wait(20)
        raise LookupError

    def still_after(seconds: float) -> float:
        time_is[0] += seconds
        return reading.still_for()

    reading = Reading("fake:two", read, lambda fetched, total: None, now=lambda: time_is[0])
    until = time.monotonic() + 100
    computes.set()
    while still_after(1) > 0:
        assert time.monotonic() < until
        sum(range(10_000))
    computes.clear()
    assert rests.wait(20)
    still_after(1)
    busy = time.monotonic() + 0.1
    while time.monotonic() < busy:  # as drawing does, on another thread
        sum(range(10_000))
    assert still_after(30) >= 30
    tells[0](1, 2)
    assert still_after(2) == 2
    go_on.set()
    reading.wait(20)
    with pytest.raises(LookupError):
        reading.result()


def test_what_comes_too_late_tells_nothing_and_is_dropped() -> None:
    hold, told = threading.Event(), []

    def read(tell: Tell) -> Finish:
        assert hold.wait(20)
        tell(1, 2)
        return lambda: NoiseEngine(describe("fake:two"), lambda report: None)

    reading = Reading("fake:two", read, lambda *bytes_: told.append(bytes_))
    reading.give_up()
    hold.set()
    reading.wait(20)
    assert reading.is_over
    assert told == []
    with pytest.raises(TimeoutError):
        reading.result()
