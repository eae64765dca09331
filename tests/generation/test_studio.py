"""The studio keeps backends fed, settles what comes back and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import pytest

from generation.catalogue import describe
from generation.hold import Hold
from generation.image import Picture, PictureGone
from generation.job import (
    Cancelled,
    Failed,
    Finished,
    Job,
    JobEvent,
    JobId,
    JobState,
    Progressed,
    Queued,
    UserId,
)
from generation.messages import (
    Drawn,
    Entered,
    Lost,
    Phase,
    Previewed,
    PutAway,
    Ready,
    Report,
    Stepped,
    Stopped,
    Task,
    TaskFailed,
    TaskId,
    Unavailable,
)
from generation.request import Digest, GenerationRequest, Start
from generation.studio import Studio
from generation.workload import MAX_ATTEMPTS
from tests.generation.test_job import a_job
from tests.generation.test_request import REQUEST


class HandBackend:
    """A backend moved by hand: the test says what happens to the tasks it was given."""

    def __init__(self, room: int = 1) -> None:
        self.room = room
        self.held: dict[TaskId, Task] = {}
        self.taken: list[Task] = []
        self.cancelled: list[TaskId] = []
        self.watched: list[TaskId] = []
        self.reports_: asyncio.Queue[Report] = asyncio.Queue()
        self.is_open = False
        self.freed = 0

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.is_open = False

    def reject_reason(self, task: Task) -> str | None:
        return None if len(self.held) < self.room else "full"

    async def submit(self, task: Task) -> None:
        assert self.reject_reason(task) is None
        self.held[task.id] = task
        self.taken.append(task)

    def watch(self, task: TaskId) -> None:
        self.watched.append(task)

    async def cancel(self, task: TaskId) -> None:
        self.cancelled.append(task)

    def free(self) -> None:
        self.freed += 1

    async def reports(self) -> AsyncIterator[Report]:
        while True:
            yield await self.reports_.get()

    def say(self, report: Report) -> None:
        self.reports_.put_nowait(report)

    def begin(self, task: TaskId) -> None:
        self.say(Entered(phase=Phase.DRAWING, task=task))

    def draw(self, task: TaskId) -> None:
        self.begin(task)
        self.say(Drawn(task=self.held.pop(task).id, png=b"png of seed %d" % self.taken[-1].request.seed))

    def lose(self, *suspects: TaskId) -> None:
        bystanders = tuple(task for task in self.held if task not in suspects)
        self.held.clear()
        self.say(Lost(suspects=suspects, bystanders=bystanders, reason="killed"))


class ListStore:
    """A store in memory that can be made to fail for a while."""

    def __init__(self, unfinished: Sequence[Job] = ()) -> None:
        self.left = list(unfinished)
        self.settled: dict[JobId, tuple[Job, tuple[Picture, ...]]] = {}
        self.failures = 0
        self.pictures: dict[Digest, bytes] = {}
        self.asked = False
        self.reading = asyncio.Event()
        self.reading.set()

    async def files(self, request: GenerationRequest) -> Mapping[Digest, bytes]:
        self.asked = True
        await self.reading.wait()
        if not set(request.files) <= self.pictures.keys():
            raise PictureGone("It was deleted.")
        return {digest: self.pictures[digest] for digest in request.files}

    async def settle(self, job: Job, pictures: Sequence[Picture] = ()) -> bool:
        assert job.state.final
        if self.failures:
            self.failures -= 1
            raise OSError("disk full")
        if job.id in self.settled:
            return False
        self.settled[job.id] = (job, tuple(pictures))
        return True

    async def unfinished(self) -> list[Job]:
        return self.left


class Story:
    """A studio with a backend moved by hand, and what it said."""

    def __init__(self, *backends: HandBackend, store: ListStore | None = None) -> None:
        self.backends = backends or (HandBackend(),)
        self.backend = self.backends[0]
        self.store = store or ListStore()
        self.events: list[JobEvent] = []
        self.studio = Studio(self.backends, self.store)
        self.studio.listen(self.events.append)

    async def __aenter__(self) -> Self:
        await self.studio.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.studio.__aexit__(exc_type, exc, traceback)

    async def until(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not happened():  # noqa: ASYNC110 - all in memory: one turn of the loop at a time
                await asyncio.sleep(0)

    def of(self, job: Job) -> list[JobEvent]:
        return [event for event in self.events if event.job.id == job.id]

    def ask(self, person: int = 1, count: int = 1, **changes: Any) -> Job:
        job = a_job(asker=UserId(person), request=replace(REQUEST, count=count, **changes))
        self.studio.submit(job)
        return job

    async def took(self, count: int, backend: HandBackend | None = None) -> Task:
        chosen = backend or self.backend
        await self.until(lambda: len(chosen.taken) >= count)
        return chosen.taken[count - 1]


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


PHOTO = Start(picture=Digest("photo"))


async def test_a_task_brings_along_what_it_starts_from() -> None:
    async with Story() as story:
        story.store.pictures = {Digest("photo"): b"pixels"}
        story.ask(start=PHOTO)
        task = await story.took(1)
        assert task.inputs == {"photo": b"pixels"}


async def test_a_job_whose_start_is_gone_fails_with_a_sentence_and_holds_nobody_up() -> None:
    async with Story() as story:
        gone, other = story.ask(start=PHOTO, count=2), story.ask(person=2)
        task = await story.took(1)
        assert task.id.job == other.id
        await story.until(lambda: gone.id in story.store.settled)
        [failed] = [event for event in story.of(gone) if isinstance(event, Failed)]
        assert failed.job.failure == "The picture that this starts from is not kept any more."


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


async def test_work_left_unfinished_by_an_earlier_run_is_taken_up() -> None:
    left = [a_job(request=REQUEST.image(0)), a_job(request=REQUEST.image(1))]
    async with Story(store=ListStore(unfinished=left)) as story:
        for count, job in enumerate(left, start=1):
            task = await story.took(count)
            assert task.id.job == job.id
            story.backend.draw(task.id)
        await story.until(lambda: len(story.store.settled) == 2)


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


async def test_leaving_with_work_in_hand_leaves_it_unsettled_for_the_next_start() -> None:
    async with Story() as story:
        job = story.ask()
        await story.took(1)
    assert not await story.studio.cancel(job.id)  # too late to keep that: the next start still has it
    assert job.id not in story.store.settled
    assert not story.backend.is_open


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


# What the owner decides -----------------------------------------------------------------------------------


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
        await asyncio.sleep(0.02)
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
        await asyncio.sleep(0.02)
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
        await asyncio.sleep(0.02)
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
        await asyncio.sleep(0.02)
        assert (story.studio.hold, story.backend.taken) == (Hold.PAUSED, [])


async def test_the_weight_of_a_job_decides_how_often_its_asker_is_drawn() -> None:
    async with Story() as story:
        jobs = [a_job(asker=UserId(n), weight=n, request=replace(REQUEST, count=4)) for n in (1, 2)]
        for job in jobs:
            story.studio.submit(job)
        for count in range(1, 7):
            story.backend.draw((await story.took(count)).id)
        names = ["ab"[task.id.job == jobs[1].id] for task in story.backend.taken]
        assert "".join(names[:6]) == "abbabb"
