"""Takes jobs in, keeps the backends fed in fair order, settles what comes back, and says what happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self, assert_never

from generation.backend import Backend
from generation.image import PictureGone
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
from generation.judging import judged
from generation.live import Eye as Eye
from generation.live import Flight, Live, Part, part_of
from generation.messages import (
    Drawn,
    Entered,
    Loading,
    Lost,
    NotLoaded,
    Phase,
    Previewed,
    Ready,
    Report,
    Stepped,
    Stopped,
    Task,
    TaskFailed,
    TaskId,
    Unavailable,
)
from generation.model import ModelInfo
from generation.queue import FairQueue
from generation.readiness import Readiness
from generation.safety import Safety
from generation.sentence import say
from generation.store import JobStore

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""A picture during which the worker died is drawn again, alone, twice at the most."""
GAVE_UP = say(
    "Drawing this stopped the drawing process {times} times, so I gave it up. Other settings may work.",
    times=MAX_ATTEMPTS,
)

Listener = Callable[[JobEvent], None]
Student = Callable[[ModelInfo], None]


class Studio:
    """The queue in front of the backends. `async with` it; listeners are added before.

    On entering, it opens the backends and takes up the jobs that an earlier run left unfinished. A crash of
    one of its own tasks ends the `async with` body: a studio that cannot go on does not pretend to.
    """

    def __init__(self, backends: Sequence[Backend], store: JobStore) -> None:
        self._backends = tuple(backends)
        self._store = store
        self._listeners: list[Listener] = []
        self._students: list[Student] = []
        self._jobs: dict[JobId, Live] = {}
        self._queue: FairQueue[Part] = FairQueue()
        self._flights: dict[TaskId, Flight] = {}
        self._suspects: set[Part] = set()
        self._readiness = Readiness(backends)
        self._wake = asyncio.Event()
        self._stack = AsyncExitStack()
        self._own: list[asyncio.Task[None]] = []
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for backend in self._backends:
                await stack.enter_async_context(backend)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            for job in await self._store.unfinished():
                self.submit(job)
            self._tasks = tasks
            self._own = [tasks.create_task(self._feed(), name="studio feed")]
            self._own += [
                tasks.create_task(self._read(backend), name="studio reports") for backend in self._backends
            ]
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        for task in self._own:
            task.cancel()
        # Closed as if all were well, whatever ended the body: settlements under way are waited for, and the
        # body's own exception is not wrapped into a group.
        await self._stack.aclose()

    # What the rooms above ask -----------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Call `listener` with each event, on the loop; it must return at once."""
        self._listeners.append(listener)

    def learn(self, student: Student) -> None:
        """Call `student` with what each model turned out to be when it was loaded."""
        self._students.append(student)

    def submit(self, job: Job) -> None:
        """Take a job that is kept already. It is queued when this returns."""
        self._jobs[job.id] = Live(job=job, event=Queued(job=job, place=0))
        for index in range(job.request.count):
            self._queue.push(Part(job.id, index), job.asker, job.weight)
        self._changed()

    async def cancel(self, job_id: JobId) -> bool:
        """Take a job back. False: it is unknown or has ended, or the studio closes and keeps it for later."""
        live = self._jobs.get(job_id)
        if live is None or live.ending or self._closing.is_set():
            return False
        # Shielded: whoever pressed the button may be gone before it is kept.
        await asyncio.shield(self._spawn_end(live, live.job.moved(JobState.CANCELLED)))
        return True

    def latest(self, job_id: JobId) -> JobEvent | None:
        """The newest event of a job that has not ended."""
        live = self._jobs.get(job_id)
        return live.event if live else None

    def watch(self, job_id: JobId, eye: Eye) -> int:
        """Have each picture of a job that is being drawn now shown to `eye` once, if it can be.

        Returns how many pictures those are: none where pictures must be checked before they may be seen.
        """
        if (live := self._jobs.get(job_id)) is None or live.job.safety.hides:
            return 0
        live.eye = eye
        watched = [t for t, flight in self._flights.items() if t.job == job_id and flight.begun]
        for task in watched:
            self._flights[task].backend.watch(task)
        return len(watched)

    @property
    def waiting(self) -> int:
        """How many jobs are accepted and have not ended."""
        return sum(not live.ending for live in self._jobs.values())

    def waiting_of(self, asker: UserId) -> int:
        """How many of them are this person's."""
        return sum(not live.ending and live.job.asker == asker for live in self._jobs.values())

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be drawn until the owner mends it, or None."""
        return self._readiness.unavailable

    # Feeding ----------------------------------------------------------------------------------------------

    async def _feed(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (chosen := self._choose()) is not None:
                part, task, backend = chosen
                # No await between taking and noting: a part is always in the queue, in flight or drawn.
                self._queue.take(part)
                self._jobs[part.job].attempts[part.index] += 1
                self._flights[task.id] = Flight(task=task, backend=backend)
                if (ready := await self._with_files(task)) is not None:
                    await backend.submit(ready)

    async def _with_files(self, task: Task) -> Task | None:
        """The task and what it starts from; None if that is gone, or if nobody wants it any more."""
        if not task.request.files:
            return task
        try:
            inputs = await self._store.files(task.request)
        except (PictureGone, OSError) as error:
            log.warning("cannot read what %s starts from: %r", task.id, error)
            if live := self._land(task.id):
                self._fail(live, say("The picture that this starts from is not kept any more."))
            return None
        live = self._jobs.get(task.id.job)
        if live is None or live.ending:
            self._flights.pop(task.id, None)
            return None
        return replace(task, inputs=inputs)

    def _choose(self) -> tuple[Part, Task, Backend] | None:
        """The first part in fair order for which a backend gives no reason to refuse."""
        holds: dict[Backend, list[Part]] = {backend: [] for backend in self._backends}
        for task_id, flight in self._flights.items():
            holds[flight.backend].append(part_of(task_id))
        open_ = {b for b, held in holds.items() if self._suspects.isdisjoint(held)}
        for part in self._queue:
            if not open_:
                break
            task = self._task(part)
            for backend in self._backends:
                if backend not in open_:
                    continue
                if part in self._suspects and holds[backend]:
                    open_.discard(backend)  # let it run empty, so that the suspect is drawn there alone
                elif backend.reject_reason(task) is None:
                    return part, task, backend
        return None

    def _task(self, part: Part) -> Task:
        live = self._jobs[part.job]
        return Task(
            id=TaskId(job=part.job, index=part.index, attempt=live.attempts[part.index] + 1),
            request=live.job.request.image(part.index),
            checked=live.job.safety is not Safety.OFF,
        )

    # Reports ----------------------------------------------------------------------------------------------

    async def _read(self, backend: Backend) -> None:
        async for report in backend.reports():
            self._take_in(backend, report)

    def _take_in(self, backend: Backend, report: Report) -> None:
        is_news = self._readiness.take_in(backend, report)
        match report:
            case Entered(phase=phase, task=task):
                if task is not None and phase is not Phase.LOADING:
                    self._begin(task)
                self._changed()
            case Loading() | NotLoaded() | Unavailable():
                pass
            case Ready(info=info):
                for student in self._students:
                    student(info)
            case Stepped(task=task, step=step, steps=steps):
                if live := self._begin(task):
                    live.steps[task.index] = step
                    total = steps * live.job.request.count
                    self._emit(live, Progressed(job=live.job, step=sum(live.steps.values()), steps=total))
            case Previewed(task=task, webp=webp):
                if (live := self._begin(task)) and live.eye is not None:
                    live.eye(task.index, webp)
            case Drawn(task=task):
                if live := self._land(task):
                    live.take_in(report)
                    if len(live.drawn) == live.job.request.count:
                        ended, live.drawn = judged(live.running, live.drawn)
                        self._spawn_end(live, ended)
                self._changed()
            case TaskFailed(task=task, reason=reason):
                if live := self._land(task):
                    self._fail(live, reason)
                self._changed()
            case Stopped(task=task):
                if live := self._land(task):  # nobody asked for that: it is still wanted
                    self._again(live, task)
                self._changed()
            case Lost(suspects=suspects, bystanders=bystanders, reason=reason):
                self._recover(suspects, bystanders, reason)
                self._changed()
            case _:
                assert_never(report)
        if is_news:
            self._changed()

    def _begin(self, task: TaskId) -> Live | None:
        """Note that a task is being drawn; None if nobody wants it any more."""
        flight = self._flights.get(task)
        live = self._jobs.get(task.job)
        if flight is None or live is None or live.ending:
            return None
        flight.begun = True
        if live.job.state is JobState.QUEUED:
            live.job = live.job.moved(JobState.RUNNING)
            request = live.job.request
            self._emit(live, Progressed(job=live.job, step=0, steps=request.steps_taken * request.count))
            self._changed()
        return live

    def _land(self, task: TaskId) -> Live | None:
        """Take a task out of the air; the job it belongs to, or None if its outcome does not matter."""
        if self._flights.pop(task, None) is None:
            return None  # a late report of an earlier attempt
        self._suspects.discard(part_of(task))
        live = self._jobs.get(task.job)
        return None if live is None or live.ending else live

    def _recover(self, suspects: tuple[TaskId, ...], bystanders: tuple[TaskId, ...], reason: str) -> None:
        log.warning(
            "lost a worker (%s); %d in hand, %d waiting there", reason, len(suspects), len(bystanders)
        )
        for task in suspects:
            if live := self._land(task):
                live.deaths[task.index] += 1
                if live.deaths[task.index] >= MAX_ATTEMPTS:
                    self._fail(live, GAVE_UP)
                else:
                    self._suspects.add(part_of(task))
                    self._again(live, task)
        for task in bystanders:
            if live := self._land(task):
                self._again(live, task)

    def _again(self, live: Live, task: TaskId) -> None:
        live.steps.pop(task.index, None)
        self._queue.push_first(part_of(task), live.job.asker)
        others_begun = any(f.begun for t, f in self._flights.items() if t.job == live.job.id)
        if live.job.state is JobState.RUNNING and not live.drawn and not others_begun:
            live.job = live.job.moved(JobState.QUEUED)
            live.event = Queued(job=live.job, place=0)  # its place follows with everybody's

    # Ends -------------------------------------------------------------------------------------------------

    def _fail(self, live: Live, reason: str) -> None:
        if not live.ending:
            self._spawn_end(live, live.job.moved(JobState.FAILED, failure=reason))

    def _spawn_end(self, live: Live, ended: Job) -> asyncio.Task[None]:
        live.ending = True
        return self._tasks.create_task(self._end(live, ended), name=f"settle {ended.id}")

    async def _end(self, live: Live, ended: Job) -> None:
        """Keep the end of a job, then say it. Until it is kept the job stays, whatever the disk says."""
        for index in range(ended.request.count):
            part = Part(ended.id, index)
            self._queue.remove(part)
            self._suspects.discard(part)
        for task, flight in list(self._flights.items()):
            if task.job == ended.id:
                await flight.backend.cancel(task)
        pictures = tuple(live.drawn[index] for index in sorted(live.drawn))
        delay = 0.25
        while True:
            try:
                await self._store.settle(ended, pictures if ended.state is JobState.DONE else ())
                break
            except Exception:
                log.exception("could not keep the end of job %s; trying again in %.2g s", ended.id, delay)
            try:
                await asyncio.wait_for(self._closing.wait(), delay)
                return  # the next start finds it unfinished and draws it again
            except TimeoutError:
                delay = min(delay * 2, 30.0)
        del self._jobs[ended.id]
        match ended.state:
            case JobState.DONE:
                self._tell(Finished(job=ended, pictures=pictures if ended.may_be_seen else ()))
            case JobState.FAILED:
                self._tell(Failed(job=ended))
            case _:
                self._tell(Cancelled(job=ended))
        self._changed()

    # Events -----------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Something moved: tell who waits where they stand now, and look for work to hand out."""
        for place, job_id in enumerate(self._in_line(), start=1):
            live = self._jobs[job_id]
            loading = self._readiness.loading(live.job.request.model)
            event = Queued(job=live.job, place=place, loading=loading, trouble=self.unavailable)
            if live.event != event:
                self._emit(live, event)
        self._wake.set()

    def _in_line(self) -> Iterator[JobId]:
        """The jobs of which nothing is drawn yet, in the order of their turns."""
        seen: set[JobId] = set()
        handed_over = (part_of(task) for task in self._flights)
        for part in (*handed_over, *self._queue):
            live = self._jobs.get(part.job)
            if part.job not in seen and live and not live.ending and live.job.state is JobState.QUEUED:
                seen.add(part.job)
                yield part.job

    def _emit(self, live: Live, event: JobEvent) -> None:
        live.event = event
        self._tell(event)

    def _tell(self, event: JobEvent) -> None:
        for listener in self._listeners:
            listener(event)
