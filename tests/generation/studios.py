"""A studio whose backend is moved by hand, and all that it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from generation.image import Picture, PictureGone
from generation.job import Job, JobEvent, JobId, UserId
from generation.messages import Drawn, Entered, Lost, Phase, Report, Task, TaskId
from generation.request import Digest, GenerationRequest, Start
from generation.studio import Studio
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

    async def __aexit__(self, *_: object) -> None:
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

    async def __aexit__(self, *why: object) -> None:
        await self.studio.__aexit__(*why)

    async def until(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(60):
            while not happened():  # noqa: ASYNC110 - all in memory: one turn of the loop at a time
                await asyncio.sleep(0)

    async def rest(self) -> None:
        """Until nobody here has anything left to do: all is in memory, and one wakes a few others at most."""
        for _ in range(100):
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


PHOTO = Start(picture=Digest("photo"))
