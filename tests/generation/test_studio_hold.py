"""What the owner holds back waits in line, and nothing of it is drawn twice."""

from __future__ import annotations

import asyncio

from generation.catalogue import describe
from generation.hold import Hold
from generation.job import Job, Progressed, Queued
from generation.messages import PutAway, Ready, Stopped
from generation.request import Digest
from generation.studio import Studio
from tests.generation.studios import PHOTO, HandBackend, ListStore, Story
from tests.generation.test_job import a_job


async def test_a_pause_takes_back_what_is_drawn_and_resuming_draws_it_first() -> None:
    async with Story(HandBackend(room=2)) as story:
        drawn, other = story.ask(person=1, count=2), story.ask(person=2)
        first = await story.took(1)
        story.backend.draw(first.id)
        await story.took(2)
        await story.took(3)
        held = list(story.backend.held)
        for task in held:
            story.backend.begin(task)
        await story.until(lambda: isinstance(story.of(other)[-1], Progressed))
        await story.studio.pause()
        assert story.backend.cancelled == held
        for task in held:
            del story.backend.held[task]
            story.backend.say(Stopped(task=task))
        for job in (drawn, other):

            def is_told(job: Job = job) -> bool:
                event = story.of(job)[-1]
                return isinstance(event, Queued) and event.hold is Hold.PAUSED and event.place > 0

            await story.until(is_told)
        late = story.ask(person=3)
        await story.rest()
        assert len(story.backend.taken) == 3
        assert [event.job.id for event in story.studio.standing] == [other.id, drawn.id, late.id]
        story.studio.resume()
        for count in (4, 5, 6):
            story.backend.draw((await story.took(count)).id)
        assert {task.id.job for task in story.backend.taken[3:5]} == {drawn.id, other.id}
        await story.until(lambda: len(story.store.settled) == 3)
        assert len(story.store.settled[drawn.id][1]) == 2, (
            "what was drawn before the pause is not drawn twice"
        )
        assert len(story.backend.taken) == 6


async def test_a_pause_while_a_start_is_read_keeps_the_job_in_line() -> None:
    async with Story() as story:
        story.store.pictures = {Digest("photo"): b"pixels"}
        story.store.reading.clear()
        job = story.ask(start=PHOTO)
        await story.until(lambda: story.store.asked)
        await story.studio.pause()
        story.store.reading.set()
        await story.rest()
        assert not story.backend.taken
        story.studio.resume()
        assert (await story.took(1)).id.job == job.id


async def test_draining_finishes_the_jobs_that_have_begun_and_no_others() -> None:
    async with Story() as story:
        begun, waiting = story.ask(person=1, count=2), story.ask(person=2)
        task = await story.took(1)
        story.backend.begin(task.id)
        await story.until(lambda: isinstance(story.of(begun)[-1], Progressed))
        story.studio.drain()
        assert story.studio.hold is Hold.DRAINING
        story.backend.draw(task.id)
        assert (await story.took(2)).id.job == begun.id, "though the other person's turn has come"
        story.backend.draw(story.backend.taken[1].id)
        await story.until(lambda: story.studio.hold is Hold.PAUSED)
        await story.until(lambda: begun.id in story.store.settled)
        assert isinstance(event := story.of(waiting)[-1], Queued)
        assert event.hold is Hold.PAUSED
        story.studio.resume()
        assert (await story.took(3)).id.job == waiting.id


async def test_a_studio_that_was_paused_draws_nothing_and_keeps_no_model() -> None:
    job = a_job()
    story = Story(store=ListStore([job]))
    story.studio = Studio(story.backends, story.store, hold=Hold.PAUSED)
    story.studio.listen(story.events.append)
    async with story:
        story.backend.say(Ready(model="models/mini", images=1, info=describe("fake:noise")))
        await story.until(lambda: story.backend.freed)
        assert not story.backend.taken
        story.studio.resume()
        assert (await story.took(1)).id.job == job.id


async def test_freed_models_stay_away_until_somebody_asks() -> None:
    async with Story() as story:
        story.backend.say(Ready(model="fake:noise", images=1, info=describe("fake:noise")))
        waiting = story.ask(person=1)
        task = await story.took(1)
        await story.until(lambda: story.studio.readiness.loaded)
        freeing = asyncio.ensure_future(story.studio.free(10))
        await story.until(lambda: story.backend.freed)
        assert story.backend.cancelled == [task.id]
        del story.backend.held[task.id]
        story.backend.say(Stopped(task=task.id))
        await story.rest()
        assert not freeing.done()
        story.backend.say(PutAway(model="fake:noise"))
        assert await freeing
        assert isinstance(event := story.of(waiting)[-1], Queued)
        assert event.hold is Hold.RESTING
        assert len(story.backend.taken) == 1
        other = story.ask(person=2)
        assert story.studio.hold is Hold.NONE
        story.backend.draw((await story.took(2)).id)
        story.backend.draw((await story.took(3)).id)
        await story.until(lambda: other.id in story.store.settled)
        assert waiting.id in story.store.settled


async def test_models_that_are_freed_while_it_is_paused_wait_for_the_owner() -> None:
    async with Story() as story:
        await story.studio.pause()
        assert await story.studio.free(5)
        assert story.backend.freed == 1
        story.ask()
        await story.rest()
        assert (story.studio.hold, story.backend.taken) == (Hold.PAUSED, [])
