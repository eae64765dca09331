"""What the studio knows about jobs between their acceptance and their end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from generation.backend import Backend
from generation.image import Picture
from generation.job import Job, JobEvent, JobId, JobState
from generation.messages import Drawn, Task, TaskId
from generation.request import GenerationRequest

Eye = Callable[[int, bytes], None]
"""Takes the number of a picture within its job and a small WebP file of it; must return at once."""


@dataclass(frozen=True, slots=True)
class Part:
    """One picture of one job: what people take turns with."""

    job: JobId
    index: int


def part_of(task: TaskId) -> Part:
    """The picture at which this is a try."""
    return Part(task.job, task.index)


@dataclass(slots=True)
class Live:
    """A job between acceptance and its end."""

    job: Job
    event: JobEvent
    drawn: dict[int, Picture] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)
    attempts: Counter[int] = field(default_factory=Counter)
    """Times each picture was taken up; a report of an earlier attempt is told apart by it."""
    deaths: Counter[int] = field(default_factory=Counter)
    """Times a worker was lost while drawing it."""
    eye: Eye | None = None
    """Who watches it being drawn."""
    ending: bool = False
    """Its end is decided and being kept; nothing that happens now changes it."""
    _images: dict[int, GenerationRequest] = field(default_factory=dict)

    def image(self, index: int) -> GenerationRequest:
        """The request for one of its pictures, made once: all that wait are looked at again and again."""
        if index not in self._images:
            self._images[index] = self.job.request.image(index)
        return self._images[index]

    @property
    def running(self) -> Job:
        """The job as one that runs, whether it was told so or not."""
        return self.job if self.job.state is JobState.RUNNING else self.job.moved(JobState.RUNNING)

    def take_in(self, report: Drawn) -> None:
        """One of its pictures is drawn."""
        index, one = report.task.index, self.image(report.task.index)
        self.drawn[index] = Picture(
            index=index,
            seed=one.seed,
            size=one.final_size,
            png=report.png,
            verdict=report.verdict,
            shown=report.shown,
        )


@dataclass(slots=True)
class Flight:
    """A task that a backend holds."""

    task: Task
    backend: Backend
    begun: bool = False
