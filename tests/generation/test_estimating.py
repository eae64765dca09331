"""How long drawing will take, learned from simulated machines."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from generation.estimating import Estimates, Experience, Left, Lesson, Meter, kind_of, work_of
from generation.job import Cancelled, Finished, Job, JobEvent, JobId, Progressed, Queued, UserId
from generation.request import Control, Digest, GenerationRequest, Hires, Seed, Size, Upscale

NUMBERS = count()


def request(steps: int = 20, edge: int = 512, **changes: Any) -> GenerationRequest:
    fields: dict[str, Any] = {"model": "m", "guidance": 7.0, "sampler": "Euler", "seed": Seed(1)}
    size = Size(width=edge, height=edge)
    return GenerationRequest(prompt="x", size=size, steps=steps, **{**fields, **changes})


def job(of: GenerationRequest) -> Job:
    return Job(id=JobId(f"{next(NUMBERS):016d}"), request=of, asker=UserId(1), created_at=0.0)


def lesson(of: GenerationRequest, seconds: float, together: float = 1.0) -> Lesson:
    return Lesson(
        kind=kind_of(of),
        pixels=of.final_size.pixels,
        steps=of.steps_taken,
        work=work_of(of),
        seconds=seconds,
        together=together,
    )


def progressed(of: Job, step: int = 0) -> JobEvent:
    return Progressed(job=of, step=step, steps=of.request.steps_taken * of.request.count)


def finished(of: Job) -> JobEvent:
    return Finished(job=of, pictures=())


# What is learned ------------------------------------------------------------------------------------------


def test_a_picture_that_is_drawn_alone_takes_the_time_from_its_beginning_to_its_end() -> None:
    one, meter = job(request(count=2)), Meter()
    assert meter.hear(Queued(job=one, place=1), 0.0) == []
    assert meter.hear(progressed(one), 5.0) == []
    assert meter.hear(progressed(one, 20), 9.0) == []
    (learned,) = meter.hear(finished(one), 15.0)
    assert learned == lesson(one.request, 5.0)  # each of two, and waiting is no drawing


def test_nothing_is_learned_from_a_batch_that_was_interrupted() -> None:
    one, meter = job(request(count=4)), Meter()
    meter.hear(progressed(one), 0.0)
    assert meter.hear(Queued(job=one, place=1), 30.0) == []  # three of them are drawn, and stay
    meter.hear(progressed(one), 100.0)
    assert meter.hear(finished(one), 110.0) == []
    meter.hear(progressed(one), 200.0)
    assert meter.hear(finished(one), 240.0) == [lesson(one.request, 10.0)], "nothing is remembered for ever"


def test_what_is_drawn_together_shares_the_time_by_pixels() -> None:
    small, large, meter = job(request(edge=512)), job(request(edge=1024)), Meter()
    meter.hear(progressed(small), 0.0)
    meter.hear(progressed(large), 0.0)
    (first,) = meter.hear(finished(small), 10.0)
    (second,) = meter.hear(finished(large), 18.0)
    assert [first.seconds, second.seconds] == pytest.approx([2.0, 16.0])
    assert first.together == pytest.approx(2.0)
    assert second.together == pytest.approx((10 * 2 + 8) / 18)
    assert first.seconds + second.seconds == pytest.approx(18.0)  # no second is counted twice


def test_nothing_is_learned_from_what_was_cancelled_or_lost_with_its_worker() -> None:
    meter = Meter()
    cancelled, lost = job(request()), job(request())
    meter.hear(progressed(cancelled), 0.0)
    assert meter.hear(Cancelled(job=cancelled), 5.0) == []
    meter.hear(progressed(lost), 6.0)
    assert meter.hear(Queued(job=lost, place=1), 100.0) == []
    meter.hear(progressed(lost), 200.0)
    (learned,) = meter.hear(finished(lost), 203.0)
    assert learned.seconds == pytest.approx(3.0)


def test_what_makes_a_step_slower_is_another_kind() -> None:
    control = Control(model="edges", picture=Digest("0" * 64))
    upscale = Upscale(upscaler="x4", factor=4.0, picture=Digest("0" * 64), size=Size(width=2048, height=2048))
    variants = (
        request(),
        request(model="n"),
        request(guidance=1.0),
        request(sampler="Heun Karras"),
        request(controls=(control,)),
        request(upscale=upscale),
    )
    assert len({kind_of(each) for each in variants}) == len(variants)
    assert kind_of(request(sampler="DPM++ 2M SDE Karras")) == kind_of(request(steps=5, edge=64))


def test_the_work_of_both_passes_counts() -> None:
    hires = Hires(size=Size(width=1024, height=1024), steps=20, strength=0.5)
    assert work_of(request(hires=hires)) == pytest.approx((20 * 512**2 + 10 * 1024**2) / 1e6)


# What is expected -----------------------------------------------------------------------------------------


def test_of_what_was_never_drawn_here_nothing_is_known() -> None:
    experience = Experience([lesson(request(), 8.0)])
    assert experience.seconds(request(model="another"), together=False) is None
    assert experience.seconds(request(edge=2048), together=False) is None  # too far away
    assert Experience().seconds(request(), together=False) is None


def test_the_same_size_and_steps_count_before_others_and_then_the_nearest_size() -> None:
    experience = Experience(
        [
            lesson(request(steps=20), 8.0),
            lesson(request(steps=4), 4.0),
            lesson(request(edge=1024), 99.0),
        ]
    )
    assert experience.seconds(request(steps=20), together=False) == pytest.approx(8.0)
    assert experience.seconds(request(steps=25), together=False) == pytest.approx(10.0)
    assert experience.seconds(request(steps=4), together=False) == pytest.approx(4.0)
    nearer_to_small = experience.seconds(request(steps=20, edge=640), together=False)
    assert nearer_to_small == pytest.approx(8.0 * 640**2 / 512**2)


def test_one_slow_picture_changes_nothing_and_a_faster_machine_is_believed_soon() -> None:
    usual = [lesson(request(), 8.0)] * 9
    experience = Experience([*usual[:4], lesson(request(), 500.0), *usual[4:]])
    assert experience.seconds(request(), together=False) == pytest.approx(8.0)
    for _ in range(8):
        experience.add(lesson(request(), 2.0))
    assert experience.seconds(request(), together=False) == pytest.approx(2.0)


def test_what_is_drawn_in_company_is_expected_from_what_was() -> None:
    experience = Experience([lesson(request(), 8.0), lesson(request(), 3.0, together=3.5)])
    assert experience.seconds(request(), together=False) == pytest.approx(8.0)
    assert experience.seconds(request(), together=True) == pytest.approx(3.0)
    assert Experience([lesson(request(), 8.0)]).seconds(request(), together=True) == pytest.approx(8.0)


def test_everything_up_to_ones_last_picture_counts_in_the_order_of_turns() -> None:
    mine, theirs, later = job(request(count=2)), job(request(count=2)), job(request())
    left: list[Left] = [(theirs, 0.25), (mine, 1.0), (theirs, 1.0), (mine, 1.0), (later, 1.0)]
    estimates = Estimates(lambda: left, Experience([lesson(request(), 8.0)]))
    assert estimates.seconds(mine.id) == pytest.approx(8.0 * 3.25)
    assert estimates.seconds(theirs.id) == pytest.approx(8.0 * 2.25)
    assert estimates.seconds(job(request()).id) is None
    left.insert(0, (job(request(model="another")), 1.0))
    assert estimates.seconds(mine.id) is None  # what is ahead may take any time


@pytest.mark.parametrize("at_once", [1, 4])
def test_on_a_simulated_machine_estimates_come_true(at_once: int) -> None:
    """So many rows share each call, which then takes longer, but less than so many times as long."""
    chance = random.Random(7)
    call = 0.1 * (1 + 0.5 * (at_once - 1))
    learned: list[Lesson] = []
    waiting = [job(request(steps=chance.choice([8, 20, 30]))) for _ in range(60)]
    steps: dict[JobId, int] = {}
    running: list[Job] = []

    def left() -> list[Left]:
        return [
            *((each, 1 - steps[each.id] / each.request.steps) for each in running),
            *((each, 1.0) for each in waiting),
        ]

    estimates = Estimates(left, Experience(), learned.append)
    now, asked = 0.0, None
    ends: dict[JobId, float] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(waiting.pop(0))
            steps[running[-1].id] = 0
            estimates.hear(progressed(running[-1]), now)
        if len(ends) == 30 and asked is None:
            asked = (now, {each.id: estimates.seconds(each.id) for each in waiting[5::6]})
        now += call * chance.uniform(0.9, 1.1)
        for each in list(running):
            steps[each.id] += 1
            estimates.hear(progressed(each, steps[each.id]), now)
            if steps[each.id] == each.request.steps:
                running.remove(each)
                ends[each.id] = now
                estimates.hear(finished(replace(each)), now)
    assert asked is not None
    assert len(learned) == 60
    at, expected = asked
    assert len(expected) >= 4
    for job_id, seconds in expected.items():
        assert seconds == pytest.approx(ends[job_id] - at, rel=0.2)
