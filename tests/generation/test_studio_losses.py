"""What fails or is lost costs nobody else a picture, and ends in words."""

from __future__ import annotations

import asyncio

import pytest

from generation.job import Failed, JobState, Progressed, Queued
from generation.messages import Drawn, Entered, Phase, Task, TaskFailed, TaskId, Unavailable
from generation.workload import MAX_ATTEMPTS
from tests.generation.studios import PHOTO, HandBackend, ListStore, Story


async def test_a_job_whose_start_is_gone_fails_with_a_sentence_and_holds_nobody_up() -> None:
    async with Story() as story:
        gone, other = story.ask(start=PHOTO, count=2), story.ask(person=2)
        task = await story.took(1)
        assert task.id.job == other.id
        await story.until(lambda: gone.id in story.store.settled)
        [failed] = [event for event in story.of(gone) if isinstance(event, Failed)]
        assert failed.job.failure == "The picture that this starts from is not kept any more."


async def test_a_failed_picture_fails_its_job_in_words_and_nobody_elses() -> None:
    async with Story(HandBackend(room=3)) as story:
        bad, good = story.ask(person=1, count=2), story.ask(person=2)
        await story.took(3)
        for task in story.backend.taken:
            if task.id.job == good.id:
                story.backend.draw(task.id)
            elif task.id.index == 0:
                del story.backend.held[task.id]
                story.backend.say(TaskFailed(task=task.id, reason="It does not fit."))
        await story.until(lambda: len(story.store.settled) == 2)
        assert story.store.settled[bad.id][0].failure == "It does not fit."
        assert story.store.settled[good.id][0].state is JobState.DONE
        assert isinstance(story.of(bad)[-1], Failed)


async def test_after_a_loss_suspects_are_drawn_again_alone_and_bystanders_with_others() -> None:
    async with Story(HandBackend(room=3)) as story:
        poison, bystander, other = (story.ask(person=n) for n in (1, 2, 3))
        await story.took(3)
        suspect = story.backend.taken[0].id
        story.backend.begin(suspect)
        await story.until(lambda: isinstance(story.of(poison)[-1], Progressed))
        story.backend.lose(suspect)
        again = await story.took(4)
        assert again.id == TaskId(job=poison.id, index=0, attempt=2)
        assert list(story.backend.held) == [again.id]  # alone, though there is room for three
        assert isinstance(story.of(poison)[-1], Queued)
        story.backend.draw(again.id)
        await story.took(6)
        assert {task.id.job for task in story.backend.taken[4:]} == {bystander.id, other.id}


async def test_a_poisonous_job_is_given_up_after_its_attempts_and_the_others_go_on() -> None:
    async with Story(HandBackend(room=2)) as story:
        poison, innocent = story.ask(person=1), story.ask(person=2)

        def draw_the_innocent() -> None:
            for task in [task for task in story.backend.held if task.job == innocent.id]:
                story.backend.draw(task)

        for count in range(1, MAX_ATTEMPTS + 1):

            def tried(count: int = count) -> bool:
                if count > 1:
                    draw_the_innocent()
                return sum(task.id.job == poison.id for task in story.backend.taken) == count

            await story.until(tried)
            story.backend.lose(next(task for task in story.backend.held if task.job == poison.id))
        await story.until(lambda: poison.id in story.store.settled)
        tries = [task for task in story.backend.taken if task.id.job == poison.id]
        assert len(tries) == MAX_ATTEMPTS
        assert "3 times" in str(story.store.settled[poison.id][0].failure)
        await story.until(lambda: innocent.id in story.store.settled)
        assert story.store.settled[innocent.id][0].state is JobState.DONE


async def test_a_suspect_waits_until_nobody_else_is_being_drawn_there() -> None:
    async with Story(HandBackend(room=2)) as story:
        poison, innocent = story.ask(person=1), story.ask(person=2)
        await story.took(2)
        story.backend.lose(story.backend.taken[0].id)
        story.backend.lose((await story.took(3)).id)
        again = await story.took(4)  # who only waited there goes first, and the suspect not beside them
        story.backend.begin(again.id)
        await story.until(lambda: isinstance(story.of(innocent)[-1], Progressed))
        assert list(story.backend.held) == [again.id]
        assert again.id.job == innocent.id
        story.backend.draw(again.id)
        assert (await story.took(5)).id.job == poison.id


async def test_bystanders_are_never_condemned_however_often_workers_die() -> None:
    async with Story(HandBackend(room=1)) as story:
        job = story.ask()
        for count in range(1, 8):
            await story.took(count)
            story.backend.lose()
        story.backend.draw((await story.took(8)).id)
        await story.until(lambda: job.id in story.store.settled)
        assert story.store.settled[job.id][0].state is JobState.DONE


async def test_a_late_report_of_an_earlier_attempt_is_dropped() -> None:
    async with Story() as story:
        job = story.ask()
        first = await story.took(1)
        story.backend.lose(first.id)
        second = await story.took(2)
        story.backend.say(Drawn(task=first.id, png=b"late"))
        story.backend.draw(second.id)
        await story.until(lambda: job.id in story.store.settled)
        assert story.store.settled[job.id][1][0].png != b"late"


async def test_a_disk_that_fails_for_a_while_loses_no_picture(caplog: pytest.LogCaptureFixture) -> None:
    store = ListStore()
    store.failures = 2
    async with Story(store=store) as story:
        job = story.ask()
        story.backend.draw((await story.took(1)).id)
        await story.until(lambda: job.id in store.settled)
        assert len(store.settled[job.id][1]) == 1
    assert "could not keep the end" in caplog.text


async def test_a_job_asked_while_nothing_can_be_drawn_waits_and_says_why() -> None:
    async with Story() as story:
        story.backend.room = 0
        story.backend.say(Unavailable(reason="The model cannot be read."))
        await story.until(lambda: story.studio.unavailable)
        job = story.ask()
        event = story.studio.latest(job.id)
        assert isinstance(event, Queued)
        assert event.trouble == "The model cannot be read."
        story.backend.room = 1
        story.backend.say(Entered(phase=Phase.IDLE))
        story.backend.draw((await story.took(1)).id)
        await story.until(lambda: job.id in story.store.settled)
        assert story.studio.unavailable is None


async def test_what_ends_the_body_comes_out_as_it_is() -> None:
    with pytest.raises(LookupError, match="the bot's own trouble"):
        async with Story() as story:
            story.ask()
            await story.took(1)
            raise LookupError("the bot's own trouble")


async def test_a_crash_of_the_studio_itself_ends_the_body() -> None:
    class Broken(HandBackend):
        async def submit(self, task: Task) -> None:
            raise AssertionError("a bug")

    with pytest.raises(ExceptionGroup) as caught:
        async with Story(Broken()) as story:
            story.ask()
            await asyncio.Event().wait()
    assert caught.group_contains(AssertionError, match="a bug")
