"""Takes jobs in, keeps the backends fed in fair order, settles what comes back, and says what happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Self, assert_never

from generation.backend import Backend
from generation.hold import Hold
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
from generation.live import Live
from generation.messages import (
    Drawn,
    Entered,
    Loading,
    Lost,
    NotLoaded,
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
from generation.readiness import Readiness
from generation.sentence import say
from generation.store import JobStore
from generation.workload import MAX_ATTEMPTS, Workload

log = logging.getLogger(__name__)

GAVE_UP = say(
    "Drawing this stopped the drawing process {times} times, so I gave it up. Other settings may work.",
    times=MAX_ATTEMPTS,
)

Listener = Callable[[JobEvent], None]
Overhearer = Callable[[Report], None]


class Studio:
    """The queue in front of the backends. `async with` it; listeners are added before.

    On entering, it opens the backends and takes up the jobs that an earlier run left unfinished. A crash of
    one of its own tasks ends the `async with` body: a studio that cannot go on does not pretend to.
    """

    def __init__(self, backends: Sequence[Backend], store: JobStore, *, hold: Hold = Hold.NONE) -> None:
        self._backends = tuple(backends)
        self._store = store
        self._listeners: list[Listener] = []
        self._overhearing: list[Overhearer] = []
        self._load = Workload(hold)
        self.left = self._load.left
        self._readiness = Readiness(backends)
        self._emptied = asyncio.Event()
        self._emptied.set()
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

    async def __aexit__(self, *_: object) -> None:
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

    def overhear(self, listener: Overhearer) -> None:
        """Call `listener` with each report of the backends, before it counts; it must return at once."""
        self._overhearing.append(listener)

    def submit(self, job: Job) -> None:
        """Take a job that is kept already. It is queued when this returns."""
        self._load.add(job)
        self._changed()

    async def cancel(self, job_id: JobId) -> bool:
        """Take a job back. False: it is unknown or has ended, or the studio closes and keeps it for later."""
        live = self._load.jobs.get(job_id)
        if live is None or live.ending or self._closing.is_set():
            return False
        # Shielded: whoever pressed the button may be gone before it is kept.
        await asyncio.shield(self._spawn_end(live, live.job.moved(JobState.CANCELLED)))
        return True

    def latest(self, job_id: JobId) -> JobEvent | None:
        """The newest event of a job that has not ended."""
        live = self._load.jobs.get(job_id)
        return live.event if live else None

    def watch(self, job_id: JobId, eye: Eye) -> int:
        """Have each picture of a job that is being drawn now shown to `eye` once, if it can be.

        Returns how many pictures those are: none where pictures must be checked before they may be seen.
        """
        if (live := self._load.jobs.get(job_id)) is None or live.job.safety.hides:
            return 0
        live.eye = eye
        watched = [t for t, flight in self._load.flights.items() if t.job == job_id and flight.begun]
        for task in watched:
            self._load.flights[task].backend.watch(task)
        return len(watched)

    @property
    def waiting(self) -> int:
        """How many jobs are accepted and have not ended."""
        return self._load.waiting()

    def waiting_of(self, asker: UserId) -> int:
        """How many of them are this person's."""
        return self._load.waiting(asker)

    @property
    def standing(self) -> tuple[JobEvent, ...]:
        """How each job stands: those that are being drawn, then the others in the order of their turns."""
        return self._load.standing()

    @property
    def readiness(self) -> Readiness:
        """What the backends have said about themselves."""
        return self._readiness

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be drawn until the owner mends it, or None."""
        return self._readiness.unavailable

    # What the owner decides ---------------------------------------------------------------------------------

    @property
    def hold(self) -> Hold:
        """What keeps drawing back."""
        return self._load.hold

    async def pause(self) -> None:
        """Have nothing drawn until :meth:`resume`. What is being drawn waits again, before all others."""
        await self._hold_back(Hold.PAUSED)

    def drain(self) -> None:
        """Have what has begun drawn to its end, and then nothing until :meth:`resume`."""
        if self.hold is not Hold.PAUSED:
            self._load.hold = Hold.DRAINING
            self._changed()

    def resume(self) -> None:
        """Draw again."""
        self._load.hold = Hold.NONE
        self._changed()

    async def free(self, patience: float) -> bool:
        """Have all models put away. What is being drawn waits again; unless paused, until the next request.

        Args:
            patience: seconds to wait for it; whether that was enough. They go all the same.
        """
        is_paused = self.hold in (Hold.PAUSED, Hold.DRAINING)
        await self._hold_back(Hold.PAUSED if is_paused else Hold.RESTING)
        for backend in self._backends:
            backend.free()
        try:
            await asyncio.wait_for(self._emptied.wait(), patience)
        except TimeoutError:
            return False
        return True

    async def _hold_back(self, hold: Hold) -> None:
        self._load.hold = hold
        for task, flight in list(self._load.flights.items()):
            await flight.backend.cancel(task)
        for live in self._load.jobs.values():
            self._load.set_back(live)
        self._changed()

    # Feeding ----------------------------------------------------------------------------------------------

    async def _feed(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (chosen := self._load.take_next(self._backends)) is not None:
                task, backend = chosen
                if (ready := await self._with_files(task)) is None:
                    continue
                if not self.hold.stops:
                    await backend.submit(ready)
                elif live := self._load.land(task.id):
                    self._load.again(live, task.id)
            self._tell_places()  # what was handed over may have overtaken others
            if self.hold is Hold.DRAINING and self._load.is_drained():
                self._load.hold = Hold.PAUSED
                self._changed()

    async def _with_files(self, task: Task) -> Task | None:
        """The task and what it starts from; None if that is gone, or if nobody wants it any more."""
        if not task.request.files:
            return task
        try:
            inputs = await self._store.files(task.request)
        except (PictureGone, OSError) as error:
            log.warning("cannot read what %s starts from: %r", task.id, error)
            if live := self._load.land(task.id):
                self._fail(live, say("The picture that this starts from is not kept any more."))
            return None
        live = self._load.jobs.get(task.id.job)
        if live is None or live.ending:
            self._load.flights.pop(task.id, None)
            return None
        return replace(task, inputs=inputs)

    # Reports ----------------------------------------------------------------------------------------------

    async def _read(self, backend: Backend) -> None:
        async for report in backend.reports():
            self._take_in(backend, report)

    def _take_in(self, backend: Backend, report: Report) -> None:
        for overhearer in self._overhearing:
            overhearer(report)
        is_news = self._readiness.take_in(backend, report)
        is_empty = not (self._readiness.loaded or self._readiness.on_their_way)
        (self._emptied.set if is_empty else self._emptied.clear)()
        match report:
            case Entered(phase=phase, task=task):
                if task is not None and phase is not Phase.LOADING:
                    self._begin(task)
                self._changed()
            case Loading() | NotLoaded() | Unavailable() | PutAway():
                pass
            case Ready():
                if self.hold.stops:  # a worker that has just begun, and nothing is to be drawn
                    backend.free()
            case Stepped(task=task, step=step, steps=steps):
                if live := self._begin(task):
                    live.steps[task.index] = step
                    total = steps * live.job.request.count
                    self._emit(live, Progressed(job=live.job, step=sum(live.steps.values()), steps=total))
            case Previewed(task=task, webp=webp):
                if (live := self._begin(task)) and live.eye is not None:
                    live.eye(task.index, webp)
            case Drawn(task=task):
                if live := self._load.land(task):
                    live.take_in(report)
                    if len(live.drawn) == live.job.request.count:
                        ended, live.drawn = judged(live.running, live.drawn)
                        self._spawn_end(live, ended)
                    elif self.hold.stops:
                        self._load.set_back(live)
                self._changed()
            case TaskFailed(task=task, reason=reason):
                if live := self._load.land(task):
                    self._fail(live, reason)
                self._changed()
            case Stopped(task=task):
                if live := self._load.land(task):  # nobody asked for that: it is still wanted
                    self._load.again(live, task)
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
        flight = self._load.flights.get(task)
        live = self._load.jobs.get(task.job)
        if flight is None or live is None or live.ending:
            return None
        flight.begun = True
        if live.job.state is JobState.QUEUED:
            live.job = live.job.moved(JobState.RUNNING)
            request = live.job.request
            self._emit(live, Progressed(job=live.job, step=0, steps=request.steps_taken * request.count))
            self._changed()
        return live

    def _recover(self, suspects: tuple[TaskId, ...], bystanders: tuple[TaskId, ...], reason: str) -> None:
        log.warning(
            "lost a worker (%s); %d in hand, %d waiting there", reason, len(suspects), len(bystanders)
        )
        for live in self._load.lost(suspects, bystanders):
            self._fail(live, GAVE_UP)

    # Ends -------------------------------------------------------------------------------------------------

    def _fail(self, live: Live, reason: str) -> None:
        if not live.ending:
            self._spawn_end(live, live.job.moved(JobState.FAILED, failure=reason))

    def _spawn_end(self, live: Live, ended: Job) -> asyncio.Task[None]:
        live.ending = True
        return self._tasks.create_task(self._end(live, ended), name=f"settle {ended.id}")

    async def _end(self, live: Live, ended: Job) -> None:
        """Keep the end of a job, then say it. Until it is kept the job stays, whatever the disk says."""
        self._load.forget(ended)
        self._changed()  # keeping the end may take long, and nobody stands behind what has ended
        for task, flight in list(self._load.flights.items()):
            if task.job == ended.id:
                await flight.backend.cancel(task)
        pictures = tuple(live.drawn[index] for index in sorted(live.drawn))
        delay = 0.25
        while True:
            try:
                await self._store.settle(ended, pictures if ended.state is JobState.DONE else ())
                break
            except Exception:  # an edge: whatever it is, the job is not lost, and this is tried again
                log.exception("could not keep the end of job %s; trying again in %.2g s", ended.id, delay)
            try:
                await asyncio.wait_for(self._closing.wait(), delay)
                return  # the next start finds it unfinished and draws it again
            except TimeoutError:
                delay = min(delay * 2, 30.0)
        del self._load.jobs[ended.id]
        if ended.state is JobState.DONE:
            self._tell(Finished(job=ended, pictures=pictures if ended.may_be_seen else ()))
        else:
            self._tell(Failed(job=ended) if ended.state is JobState.FAILED else Cancelled(job=ended))
        self._changed()

    # Events -----------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Something moved: tell who waits where they stand now, and look for work to hand out."""
        self._tell_places()
        self._wake.set()

    def _tell_places(self) -> None:
        for place, job_id in enumerate(self._load.in_line(), start=1):
            live = self._load.jobs[job_id]
            loading = self._readiness.loading(live.job.request.model)
            event = Queued(
                job=live.job, place=place, loading=loading, hold=self.hold, trouble=self.unavailable
            )
            if live.event != event:
                self._emit(live, event)

    def _emit(self, live: Live, event: JobEvent) -> None:
        live.event = event
        self._tell(event)

    def _tell(self, event: JobEvent) -> None:
        for listener in self._listeners:
            listener(event)
