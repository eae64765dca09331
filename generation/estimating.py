"""How long drawing will take, from how long it took here before. Pure: it is told what happened and when."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from generation.job import Finished, Job, JobEvent, JobId, Progressed, Queued
from generation.request import GenerationRequest
from generation.samplers import SAMPLERS

REMEMBERED = 200
"""Of one kind, the newest."""
ASKED = 15
"""The median of so many of the newest that are alike is expected: one slow picture changes nothing."""
ALIKE_STEPS = 1.5
"""Numbers of steps that differ by no more than this factor are alike."""
FARTHEST = 4.0
"""Of a size with more than so many times as many pixels, or as few, nothing is learned."""
TOGETHER = 1.5
"""With more jobs than this at a time, on average, one was drawn together with others."""
_CALLS_TWICE = ("Heun", "DPM2", "DPM++ SDE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """How long one picture took."""

    kind: str
    """See :func:`kind_of`."""
    pixels: int
    """Of the finished picture."""
    steps: int
    work: float
    """See :func:`work_of`."""
    seconds: float
    """Of the machine's time: what others got of it while this was drawn is not counted."""
    together: float
    """How many jobs were drawn at a time, on average; 1: this alone."""


def kind_of(request: GenerationRequest) -> str:
    """What decides, besides size and steps, how long a picture takes."""
    if request.upscale is not None:
        return f"larger by {request.upscale.upscaler}"
    marks = [request.model]
    if request.guidance > 1:
        marks.append("guided")
    if (sampler := SAMPLERS.get(request.sampler)) and sampler.sampler.startswith(_CALLS_TWICE):
        marks.append("twice")
    if request.controls:
        marks.append(f"{len(request.controls)} controls")
    if request.look is not None:
        marks.append("a look")
    return " · ".join(marks)


def work_of(request: GenerationRequest) -> float:
    """The steps of one of its pictures times megapixels, of both passes."""
    if request.upscale is not None:
        return request.upscale.size.pixels / 1e6
    work = request.first_steps * request.size.pixels
    if request.hires is not None:
        work += request.hires.steps_taken * request.hires.size.pixels
    return work / 1e6


class Experience:
    """What was learned on this machine, kind by kind."""

    def __init__(self, lessons: Iterable[Lesson] = ()) -> None:
        self._kinds: dict[str, deque[Lesson]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        self._paces: dict[tuple[str, int, int, bool], float | None] = {}
        """What was found since something was learned last: hundreds of requests that wait are much alike."""
        for lesson in lessons:
            self.add(lesson)

    def add(self, lesson: Lesson) -> None:
        """Learn one more; it is the newest."""
        self._kinds[lesson.kind].appendleft(lesson)
        self._paces.clear()

    def seconds(self, request: GenerationRequest, *, together: bool) -> float | None:
        """Of the machine's time, for one picture of this request; None: nothing like it was drawn here.

        Args:
            together: others are drawn at the same time, so that calls are shared.
        """
        alike = kind_of(request), request.final_size.pixels, request.steps_taken, together
        if alike not in self._paces:
            self._paces[alike] = self._pace(*alike)
        pace = self._paces[alike]
        return None if pace is None else pace * work_of(request)

    def usual(self, kind: str) -> float | None:
        """Seconds that something of this kind takes, whatever its size; None: it was never done here."""
        known = self._kinds.get(kind)
        return median(lesson.seconds for lesson in list(known)[:ASKED]) if known else None

    def _pace(self, kind: str, pixels: int, steps: int, together: bool) -> float | None:
        """Seconds for a unit of work."""
        if not (known := self._kinds.get(kind)):
            return None
        alike = _nearest(list(known), pixels, steps)
        in_company = [lesson for lesson in alike if (lesson.together > TOGETHER) is together]
        asked = (in_company or alike)[:ASKED]
        return median(lesson.seconds / lesson.work for lesson in asked) if asked else None


def _nearest(lessons: list[Lesson], pixels: int, steps: int) -> list[Lesson]:
    """Those of this size, or of the nearest; of them those with about as many steps, if there are any."""

    def distance(size: int) -> float:
        return abs(math.log(size / pixels))

    sizes = {lesson.pixels for lesson in lessons}
    nearest = min(map(distance, sizes))
    if nearest > math.log(FARTHEST):
        return []
    near = {size for size in sizes if distance(size) <= nearest + 1e-9}
    alike = [lesson for lesson in lessons if lesson.pixels in near]
    as_many = [each for each in alike if 1 / ALIKE_STEPS <= each.steps / steps <= ALIKE_STEPS]
    return as_many or alike


@dataclass(slots=True)
class _Running:
    job: Job
    wall: float = 0.0
    """Seconds since it began."""
    own: float = 0.0
    """Of these, what was its own: they are shared by all that is drawn, by pixels."""
    company: float = 0.0
    """The number of jobs drawn, times seconds."""

    @property
    def weight(self) -> int:
        return self.job.request.final_size.pixels * self.job.request.count


class Meter:
    """Listens to jobs and tells how long each picture took."""

    def __init__(self) -> None:
        self._running: dict[JobId, _Running] = {}
        self._resumed: set[JobId] = set()
        """Batches that were interrupted: what of them is drawn again nobody knows here."""
        self._heard_at = 0.0

    def hear(self, event: JobEvent, now: float) -> list[Lesson]:
        """Take in an event; what there is to be learned from it.

        Args:
            now: seconds on a clock that never goes back.
        """
        self._share_out(now)
        if isinstance(event, Progressed):
            self._running.setdefault(event.job.id, _Running(event.job))
            return []
        ran = self._running.pop(event.job.id, None)
        if isinstance(event, Queued):
            if ran is not None and ran.job.request.count > 1:
                self._resumed.add(event.job.id)
            return []
        is_whole = event.job.id not in self._resumed
        self._resumed.discard(event.job.id)
        if ran is None or not isinstance(event, Finished) or ran.wall <= 0 or not is_whole:
            return []
        request = ran.job.request
        return [
            Lesson(
                kind=kind_of(request),
                pixels=request.final_size.pixels,
                steps=request.steps_taken,
                work=work_of(request),
                seconds=ran.own / request.count,
                together=ran.company / ran.wall,
            )
        ]

    def _share_out(self, now: float) -> None:
        """Share the time since the last event among those that were being drawn."""
        passed, self._heard_at = now - self._heard_at, now
        total = sum(running.weight for running in self._running.values())
        for running in self._running.values():
            running.wall += passed
            running.own += passed * running.weight / total
            running.company += passed * len(self._running)


Left = tuple[Job, float]
"""A picture of a job that is not drawn yet, and which share of it is left to do, 0 to 1."""

Wait = tuple[float, bool]
"""Seconds that reading a model takes still, and whether it has begun, beside what is drawn."""


class Estimates:
    """When a job that waits or is drawn will be done."""

    def __init__(
        self,
        left: Callable[[], Iterable[Left]],
        experience: Experience,
        learned: Callable[[Lesson], None] = lambda lesson: None,
        reading: Callable[[str], Wait | None] = lambda model: (0.0, False),
    ) -> None:
        """
        Args:
            left: tells all pictures that are to be drawn, in the order of their turns.
            learned: is called with whatever is learned.
            reading: tells how long a model is read until it can draw; None: nobody knows.
        """
        self._left = left
        self._experience = experience
        self._learned = learned
        self._reading = reading
        self._meter = Meter()

    def hear(self, event: JobEvent, now: float) -> None:
        """Take in an event."""
        for lesson in self._meter.hear(event, now):
            self._experience.add(lesson)
            self._learned(lesson)

    def seconds(self, job_id: JobId) -> float | None:
        """Until the last picture of this job is done, if nobody else comes; None: unknown.

        One machine draws all, so that is all it has to do until then, whether it does it one by one or in
        shared calls.
        """
        ahead: list[Left] = []
        last = 0
        for job, share in self._left():
            ahead.append((job, share))
            if job.id == job_id:
                last = len(ahead)
        if not last:
            return None
        ahead = ahead[:last]
        together = len({job.id for job, _ in ahead}) > 1
        own = next(job.request for job, _ in ahead if job.id == job_id)
        wait: Wait | None = (0.0, False) if own.upscale is not None else self._reading(own.model)
        if wait is None:
            return None
        seconds = others = 0.0
        known: dict[JobId, float | None] = {}
        for job, share in ahead:
            if job.id not in known:
                known[job.id] = self._experience.seconds(job.request, together=together)
            if (one := known[job.id]) is None:
                return None
            seconds += one * share
            others += 0.0 if job.id == job_id else one * share
        # Others are drawn while its model is read. When that begins nobody knows: after them, at the latest.
        reads, has_begun = wait
        return seconds + (max(0.0, reads - others) if has_begun else reads)
