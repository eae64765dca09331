"""Places are true at every moment, and hundreds who wait hold nobody's answer up."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from types import FrameType

from generation.backend import Backend
from generation.estimating import Estimates, Experience
from generation.job import Job, Queued, UserId
from generation.messages import Task
from generation.request import Size
from generation.workload import Workload
from tests.generation.studios import HandBackend, Story
from tests.generation.test_estimating import lesson
from tests.generation.test_job import a_job
from tests.generation.test_request import REQUEST


def place(story: Story, job: Job) -> int:
    event = story.of(job)[-1]
    assert isinstance(event, Queued)
    return event.place


async def test_nobody_stands_behind_what_was_cancelled_while_that_is_being_kept() -> None:
    async with Story() as story:
        story.ask(person=1)
        await story.took(1)
        cancelled, behind = story.ask(person=2), story.ask(person=3)
        await story.until(lambda: place(story, behind) == 3)
        story.store.failures = 1000
        ending = asyncio.ensure_future(story.studio.cancel(cancelled.id))
        await story.until(lambda: place(story, behind) == 2)
        assert cancelled.id not in story.store.settled
        story.store.failures = 0
        assert await ending


class SmallOnly(HandBackend):
    """Has no room for anything large."""

    def reject_reason(self, task: Task) -> str | None:
        return "large" if task.request.size.pixels > 600**2 else super().reject_reason(task)


async def test_whom_somebody_overtakes_is_told_at_once() -> None:
    async with Story(SmallOnly(room=2)) as story:
        large = story.ask(person=1, size=Size(width=1024, height=1024))
        small = story.ask(person=2)
        task = await story.took(1)
        assert task.id.job == small.id
        await story.until(lambda: (place(story, small), place(story, large)) == (1, 2))


def test_hundreds_that_wait_are_looked_through_in_a_moment() -> None:
    request = replace(REQUEST, count=4, size=Size(width=1024, height=1024))
    jobs = [a_job(asker=UserId(n % 40), request=replace(request, steps=1 + n % 50)) for n in range(200)]
    workload = Workload()
    for job in jobs:
        workload.add(job)
    lessons = [lesson(replace(request, steps=1 + n % 50), 10.0) for n in range(200)]
    experience = Experience(lessons)
    estimates = Estimates(workload.left, experience)
    full: list[Backend] = [HandBackend(room=0)]
    calls = Counter[str]()

    def note(frame: FrameType, what: str, argument: object) -> None:
        calls[what] += 1

    assert workload.take_next(full) is None  # what is made for each is made once
    for each in lessons[:2]:
        experience.add(each)  # what was known is looked at anew
        calls.clear()
        sys.setprofile(note)
        try:
            assert workload.take_next(full) is None
            assert estimates.seconds(jobs[-1].id)
        finally:
            sys.setprofile(None)
        assert calls["call"] < 25 * len(jobs) * 4
