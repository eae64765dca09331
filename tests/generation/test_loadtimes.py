"""How long it takes until a model that is not in memory draws, learned from when it was read before."""

from __future__ import annotations

from typing import Any

import pytest

from generation.catalogue import describe
from generation.estimating import Estimates, Experience, Left, Lesson
from generation.loadtimes import LoadTimes, kind_of_reading, lesson_of_reading
from generation.messages import Entered, Loading, Lost, NotLoaded, Phase, PutAway, Ready
from tests.generation.test_estimating import job, lesson, request

MODEL = describe("fake:noise")


class Machine:
    """A machine whose clock is set by hand, and what it learned."""

    def __init__(self, *lessons: Lesson) -> None:
        self.at = 0.0
        self.learned: list[Lesson] = []
        self.experience = Experience(lessons)
        self.times = LoadTimes(self.experience, self.learned.append, now=lambda: self.at)

    def reads(self, model: str, seconds: float) -> None:
        self.times.hear(Loading(model=model))
        self.at += seconds
        self.times.hear(Loading(model=model))  # it says so more than once
        self.times.hear(ready(model))


def ready(model: str) -> Ready:
    return Ready(model=model, images=1, info=MODEL)


def test_what_was_read_once_is_expected_to_take_as_long() -> None:
    machine = Machine()
    assert machine.times.wait("m") is None
    machine.reads("m", 12.0)
    assert machine.learned == [lesson_of_reading("m", 12.0)]
    assert machine.times.wait("m") == (0.0, False)
    machine.times.hear(PutAway(model="m"))
    assert machine.times.wait("m") == (12.0, False)
    machine.times.hear(Loading(model="m"))
    machine.at += 5
    assert machine.times.wait("m") == (7.0, True)
    machine.at += 100
    assert machine.times.wait("m") == (0.0, True)


def test_one_slow_reading_changes_nothing() -> None:
    machine = Machine(*(lesson_of_reading("m", seconds) for seconds in (10, 11, 300)))
    assert machine.times.wait("m") == (11.0, False)
    assert machine.times.wait("n") is None


def test_fetching_is_no_reading_and_nobody_knows_how_long_it_takes() -> None:
    machine = Machine(lesson_of_reading("m", 10.0))
    machine.times.hear(Loading(model="m"))
    machine.times.hear(Loading(model="m", fetched=1, total=9))
    assert machine.times.wait("m") is None
    machine.at += 600
    machine.times.hear(Loading(model="m"))
    machine.at += 9
    machine.times.hear(ready("m"))
    assert machine.learned == [lesson_of_reading("m", 9.0)]


@pytest.mark.parametrize(
    "report", [Lost(suspects=(), bystanders=(), reason="killed"), Entered(phase=Phase.STARTING)]
)
def test_what_a_lost_worker_had_in_memory_is_read_again(report: Any) -> None:
    machine = Machine()
    machine.reads("m", 4.0)
    machine.times.hear(Loading(model="n"))
    machine.times.hear(report)
    assert machine.times.wait("m") == (4.0, False)
    machine.times.hear(ready("n"))
    assert len(machine.learned) == 1  # nobody saw it begin
    machine.times.hear(NotLoaded(model="n"))
    assert machine.times.wait("n") is None


def test_reading_ones_model_counts_and_goes_on_beside_what_others_draw() -> None:
    pictures = [lesson(request(), 8.0), lesson(request(model="n"), 8.0)]
    machine = Machine(*pictures, lesson_of_reading("m", 20.0))
    other, own = job(request(model="n")), job(request())
    left: list[Left] = [(other, 1.0), (own, 1.0)]
    estimates = Estimates(lambda: left, machine.experience, reading=machine.times.wait)
    machine.reads("n", 1.0)
    assert estimates.seconds(other.id) == pytest.approx(8.0)  # a neighbour's model is read beside
    assert estimates.seconds(own.id) == pytest.approx(20.0 + 16.0)
    machine.times.hear(Loading(model="m"))
    assert estimates.seconds(own.id) == pytest.approx(16.0 + 12.0)
    machine.at += 15
    assert estimates.seconds(own.id) == pytest.approx(16.0)
    machine.times.hear(Loading(model="m", fetched=1, total=9))
    assert estimates.seconds(own.id) is None


def test_lessons_about_reading_are_none_about_pictures() -> None:
    machine = Machine(lesson_of_reading("m", 20.0))
    assert machine.experience.seconds(request(), together=False) is None
    assert kind_of_reading("m") not in {lesson(request(), 1.0).kind}
