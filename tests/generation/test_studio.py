"""The studio keeps backends fed, settles what comes back and loses nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from generation.job import Cancelled, Finished, JobId, JobState, Progressed, Queued, UserId
from generation.messages import Previewed, Stepped, Stopped
from generation.request import Digest
from tests.generation.studios import PHOTO, HandBackend, ListStore, Story
from tests.generation.test_job import a_job
from tests.generation.test_request import REQUEST


async def test_a_job_is_queued_drawn_kept_and_told_in_that_order() -> None:
    async with Story() as story:
        job = story.ask()
        task = await story.took(1)
        story.backend.begin(task.id)
        story.backend.say(Stepped(task=task.id, step=1, steps=20))
        story.backend.draw(task.id)
        await story.until(lambda: isinstance(story.events[-1], Finished))
        kept, pictures = story.store.settled[job.id]
        assert kept.state is JobState.DONE
        assert [picture.seed for picture in pictures] == [REQUEST.seed]
        kinds = [type(event) for event in story.of(job)]
        assert kinds == [Queued, Progressed, Progressed, Finished]
        assert story.studio.waiting == 0


async def test_four_pictures_have_seeds_one_apart_and_are_told_in_order() -> None:
    async with Story(HandBackend(room=4)) as story:
        story.ask(count=4)
        await story.took(4)
        for task in reversed(story.backend.taken.copy()):
            story.backend.draw(task.id)
        await story.until(lambda: isinstance(story.events[-1], Finished))
        finished = story.events[-1]
        assert isinstance(finished, Finished)
        assert [picture.index for picture in finished.pictures] == [0, 1, 2, 3]
        assert [picture.seed for picture in finished.pictures] == [7, 8, 9, 10]


async def test_only_what_is_being_drawn_and_watched_is_shown() -> None:
    async with Story(HandBackend(room=3)) as story:
        job, other = story.ask(count=2), story.ask(person=2)
        first = await story.took(1)
        await story.took(3)
        story.backend.begin(first.id)
        seen: list[tuple[int, bytes]] = []
        await story.until(lambda: isinstance(story.of(job)[-1], Progressed))
        story.studio.watch(job.id, lambda index, webp: seen.append((index, webp)))
        assert story.backend.watched == [first.id], "the second picture is not being drawn yet"
        for task in story.backend.taken:  # a backend may say more than it was asked
            story.backend.say(Previewed(task=task.id, webp=b"small"))
        story.backend.draw(first.id)
        story.backend.say(Previewed(task=first.id, webp=b"late"))
        await story.until(lambda: story.studio.latest(other.id))
        story.studio.watch(JobId("unknown"), lambda *_: None)
        await asyncio.sleep(0)
        assert [index for index, _ in seen if _ != b"late"] == [0, 1]
        assert (0, b"late") not in seen


async def test_a_task_brings_along_what_it_starts_from() -> None:
    async with Story() as story:
        story.store.pictures = {Digest("photo"): b"pixels"}
        story.ask(start=PHOTO)
        task = await story.took(1)
        assert task.inputs == {"photo": b"pixels"}


async def test_a_job_cancelled_while_its_start_is_read_is_never_drawn() -> None:
    async with Story() as story:
        story.store.pictures = {Digest("photo"): b"pixels"}
        story.store.reading.clear()
        cancelled = story.ask(start=PHOTO)
        await story.until(lambda: story.store.asked)
        assert await story.studio.cancel(cancelled.id)
        story.store.reading.set()
        other = story.ask()
        assert (await story.took(1)).id.job == other.id


async def test_people_take_turns_picture_by_picture() -> None:
    async with Story() as story:
        anna, ben = story.ask(person=1, count=3), story.ask(person=2, count=1)
        for count in range(1, 5):
            story.backend.draw((await story.took(count)).id)
        assert [task.id.job for task in story.backend.taken] == [anna.id, ben.id, anna.id, anna.id]


async def test_places_are_told_again_when_they_change() -> None:
    async with Story() as story:
        first, second = story.ask(person=1), story.ask(person=2)
        task = await story.took(1)
        story.backend.draw(task.id)
        await story.took(2)
        await story.until(lambda: first.id in story.store.settled)
        places = [event.place for event in story.of(second) if isinstance(event, Queued)]
        assert places == [2, 1]


async def test_a_waiting_job_is_cancelled_at_once_and_never_drawn() -> None:
    async with Story() as story:
        first, second = story.ask(person=1), story.ask(person=2)
        await story.took(1)
        assert await story.studio.cancel(second.id)
        assert not await story.studio.cancel(second.id)
        assert isinstance(story.of(second)[-1], Cancelled)
        story.backend.draw(story.backend.taken[0].id)
        await story.until(lambda: first.id in story.store.settled)
        assert len(story.backend.taken) == 1


async def test_cancelling_a_running_job_stops_its_tasks_and_frees_the_place() -> None:
    async with Story() as story:
        first, second = story.ask(person=1), story.ask(person=2)
        task = await story.took(1)
        story.backend.begin(task.id)
        assert await story.studio.cancel(first.id)
        assert story.backend.cancelled == [task.id]
        del story.backend.held[task.id]
        story.backend.say(Stopped(task=task.id))
        assert (await story.took(2)).id.job == second.id


async def test_a_picture_that_comes_after_the_cancel_changes_nothing() -> None:
    async with Story() as story:
        job = story.ask()
        task = await story.took(1)
        await story.studio.cancel(job.id)
        story.backend.draw(task.id)
        next_job = story.ask()
        story.backend.draw((await story.took(2)).id)
        await story.until(lambda: next_job.id in story.store.settled)
        assert story.store.settled[job.id][0].state is JobState.CANCELLED
        assert not any(isinstance(event, Finished) for event in story.of(job))


async def test_work_left_unfinished_by_an_earlier_run_is_taken_up() -> None:
    left = [a_job(request=REQUEST.image(0)), a_job(request=REQUEST.image(1))]
    async with Story(store=ListStore(unfinished=left)) as story:
        for count, job in enumerate(left, start=1):
            task = await story.took(count)
            assert task.id.job == job.id
            story.backend.draw(task.id)
        await story.until(lambda: len(story.store.settled) == 2)


async def test_leaving_with_work_in_hand_leaves_it_unsettled_for_the_next_start() -> None:
    async with Story() as story:
        job = story.ask()
        await story.took(1)
    assert not await story.studio.cancel(job.id)  # too late to keep that: the next start still has it
    assert job.id not in story.store.settled
    assert not story.backend.is_open


async def test_two_backends_share_the_line() -> None:
    one, two = HandBackend(), HandBackend()
    async with Story(one, two) as story:
        for person in range(4):
            story.ask(person=person)
        await story.took(1, one)
        await story.took(1, two)
        one.draw(one.taken[0].id)
        await story.took(2, one)
        assert len(two.taken) == 1


async def test_more_than_a_hundred_queued_jobs_all_come_to_an_end() -> None:
    async with Story(HandBackend(room=3)) as story:
        for person in range(150):
            story.ask(person=person % 7)
        drawn = 0
        while drawn < 150:
            await story.until(lambda: story.backend.held)
            story.backend.draw(next(iter(story.backend.held)))
            drawn += 1
        await story.until(lambda: len(story.store.settled) == 150)
        assert story.studio.waiting == 0


async def test_the_weight_of_a_job_decides_how_often_its_asker_is_drawn() -> None:
    async with Story() as story:
        jobs = [a_job(asker=UserId(n), weight=n, request=replace(REQUEST, count=4)) for n in (1, 2)]
        for job in jobs:
            story.studio.submit(job)
        for count in range(1, 7):
            story.backend.draw((await story.took(count)).id)
        names = ["ab"[task.id.job == jobs[1].id] for task in story.backend.taken]
        assert "".join(names[:6]) == "abbabb"
