"""All that is to be drawn: whose picture is next, what is being drawn where, and where each job stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from generation.backend import Backend
from generation.handing import next_fit
from generation.hold import Hold
from generation.job import Job, JobEvent, JobId, JobState, Progressed, Queued, UserId
from generation.live import Flight, Live, Part, part_of
from generation.messages import Task, TaskId
from generation.queue import FairQueue
from generation.safety import Safety

MAX_ATTEMPTS = 3
"""A picture during which the worker died is drawn again, alone, twice at the most."""


class Workload:
    """The jobs that have not ended. Decides and does nothing: the studio does.

    A part of a job is always in the queue, in flight or drawn.
    """

    def __init__(self, hold: Hold = Hold.NONE) -> None:
        self.hold = hold
        self.jobs: dict[JobId, Live] = {}
        self.flights: dict[TaskId, Flight] = {}
        self.suspects: set[Part] = set()
        """Parts during which a worker was lost; each is drawn alone."""
        self._queue: FairQueue[Part] = FairQueue()

    def add(self, job: Job) -> None:
        """Queue all pictures of a job. If drawing rests until somebody asks, somebody has."""
        if self.hold is Hold.RESTING:
            self.hold = Hold.NONE
        self.jobs[job.id] = Live(job=job, event=Queued(job=job, place=0))
        for index in range(job.request.count):
            self._queue.push(Part(job.id, index), job.asker, job.weight)

    def forget(self, job: Job) -> None:
        """Nothing of a job is to be drawn any more."""
        for index in range(job.request.count):
            part = Part(job.id, index)
            self._queue.remove(part)
            self.suspects.discard(part)

    def waiting(self, asker: UserId | None = None) -> int:
        """How many jobs have not ended: this person's, or everybody's."""
        return sum(not live.ending and asker in (None, live.job.asker) for live in self.jobs.values())

    # Handing over -----------------------------------------------------------------------------------------

    def take_next(self, backends: Sequence[Backend]) -> tuple[Task, Backend] | None:
        """Take the first picture in fair order for which a backend gives no reason to refuse; it flies."""
        if self.hold.stops:
            return None
        chosen = next_fit(self._queue, self._task, backends, flights=self.flights, suspects=self.suspects)
        if chosen is None:
            return None
        part, task, backend = chosen
        self._queue.take(part)
        self.jobs[part.job].attempts[part.index] += 1
        self.flights[task.id] = Flight(task=task, backend=backend)
        return task, backend

    def _task(self, part: Part) -> Task | None:
        """The next try at a part; None: it is held back."""
        live = self.jobs[part.job]
        if self.hold is Hold.DRAINING and live.job.state is not JobState.RUNNING:
            return None
        return Task(
            id=TaskId(job=part.job, index=part.index, attempt=live.attempts[part.index] + 1),
            request=live.image(part.index),
            checked=live.job.safety is not Safety.OFF,
        )

    def is_drained(self) -> bool:
        """Whether all that had begun is done."""
        begun = (live.job.state is JobState.RUNNING for live in self.jobs.values() if not live.ending)
        return not self.flights and not any(begun)

    # Coming back ------------------------------------------------------------------------------------------

    def land(self, task: TaskId) -> Live | None:
        """Take a task out of the air; the job it belongs to, or None if its outcome does not matter."""
        if self.flights.pop(task, None) is None:
            return None  # a late report of an earlier attempt
        self.suspects.discard(part_of(task))
        live = self.jobs.get(task.job)
        return None if live is None or live.ending else live

    def lost(self, suspects: Sequence[TaskId], bystanders: Sequence[TaskId]) -> list[Live]:
        """A worker was lost: what it drew is suspect and will be drawn alone, what waited there waits again.

        Returns the jobs to be given up, since a worker was lost over them too often.
        """
        given_up = []
        for task in suspects:
            if live := self.land(task):
                live.deaths[task.index] += 1
                if live.deaths[task.index] >= MAX_ATTEMPTS:
                    given_up.append(live)
                else:
                    self.suspects.add(part_of(task))
                    self.again(live, task)
        for task in bystanders:
            if live := self.land(task):
                self.again(live, task)
        return given_up

    def again(self, live: Live, task: TaskId) -> None:
        """A picture that had its turn and did not get what it came for waits again, before all others."""
        live.steps.pop(task.index, None)
        self._queue.push_first(part_of(task), live.job.asker)
        self.set_back(live)

    def set_back(self, live: Live) -> None:
        """Have a job wait again of which nothing is being drawn any more, if that is to stay so for now."""
        is_drawn = any(f.begun for t, f in self.flights.items() if t.job == live.job.id)
        goes_on = bool(live.drawn) and not self.hold.stops
        if live.job.state is JobState.RUNNING and not (live.ending or is_drawn or goes_on):
            live.job = live.job.moved(JobState.QUEUED)
            live.event = Queued(job=live.job, place=0)  # its place follows with everybody's

    # Standing ---------------------------------------------------------------------------------------------

    def in_line(self) -> Iterator[JobId]:
        """The jobs of which nothing is drawn yet, in the order of their turns."""
        seen: set[JobId] = set()
        handed_over = (part_of(task) for task in self.flights)
        for part in (*handed_over, *self._queue):
            live = self.jobs.get(part.job)
            if part.job not in seen and live and not live.ending and live.job.state is JobState.QUEUED:
                seen.add(part.job)
                yield part.job

    def left(self) -> Iterator[tuple[Job, float]]:
        """Each picture that is to be drawn, in the order of their turns, and which share of it is left."""
        handed_over = (part_of(task) for task in self.flights)
        for part in (*handed_over, *self._queue):
            live = self.jobs.get(part.job)
            if live and not live.ending:
                done = live.steps.get(part.index, 0) / live.job.request.steps_taken
                yield live.job, max(0.0, 1 - done)

    def standing(self) -> tuple[JobEvent, ...]:
        """How each job stands: those that are being drawn, then the others in the order of their turns."""
        drawn = (live.event for live in self.jobs.values() if not live.ending)
        waiting = (self.jobs[job_id].event for job_id in self.in_line())
        return (*(event for event in drawn if isinstance(event, Progressed)), *waiting)
