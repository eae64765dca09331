"""A request on its way: who asked, what became of it, and the events that say so."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NewType

from generation.hold import Hold
from generation.image import Picture
from generation.request import GenerationRequest
from generation.safety import Review, Safety
from generation.sentence import say

JobId = NewType("JobId", str)
UserId = NewType("UserId", int)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread


def new_job_id() -> JobId:
    """A new id: 48 bits of milliseconds and 32 random ones, so that ids sort by age. 16 characters."""
    value = (time.time_ns() // 1_000_000) << 32 | secrets.randbits(32)
    return JobId("".join(_ALPHABET[(value >> shift) & 31] for shift in range(75, -1, -5)))


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return not LEGAL_MOVES[self]


LEGAL_MOVES: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.FAILED, JobState.CANCELLED}),
    # Back to the queue when the worker that drew it was lost.
    JobState.RUNNING: frozenset({JobState.QUEUED, JobState.DONE, JobState.FAILED, JobState.CANCELLED}),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request of one person, from the moment it is accepted."""

    id: JobId
    request: GenerationRequest
    asker: UserId
    created_at: float
    """Seconds since the epoch, UTC."""
    parent: JobId | None = None
    """The job this one rerolls."""
    parent_index: int | None = None
    """The picture of it that this one goes on from, from 0; None: the whole request."""
    state: JobState = JobState.QUEUED
    failure: str | None = None
    """Why it failed, as a sentence for the person; set exactly when the state is FAILED."""
    safety: Safety = Safety.OFF
    """What was wanted with flagged pictures where and when it was asked."""
    private: bool = False
    """Only who asked may see it."""
    covered: bool = False
    """Whether all its pictures are hidden behind spoilers: that was wanted where and when it was asked."""
    for_adults: bool = False
    """It was asked for where only adults see it, so it is shared with adults only."""
    review: Review | None = None
    """Where moderators are with it; None: nothing was held for them."""
    weight: int = 1
    """How many turns its asker gets with it where others get one; see :mod:`generation.queue`."""

    @property
    def may_be_seen(self) -> bool:
        """Whether its pictures may be shown to people, and gone on from."""
        return self.review in (None, Review.APPROVED)

    def moved(self, state: JobState, *, failure: str | None = None) -> Job:
        """This job in another state.

        Raises:
            ValueError: the move is not legal, or `failure` does not go with the state.
        """
        if state not in LEGAL_MOVES[self.state]:
            raise ValueError(f"job {self.id} cannot move from {self.state} to {state}")
        if (failure is not None) != (state is JobState.FAILED):
            raise ValueError(f"job {self.id}: a failure goes with the state failed and with no other")
        return replace(self, state=state, failure=failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """A model on its way into memory."""

    model: str | None = None
    """Its source; None while it is not known, since the worker that reads it is only starting."""
    fetched: int = 0
    """Bytes that have come from the hub."""
    total: int = 0
    """Bytes to be fetched in all; 0: none are, or they have all come, and it is read."""

    def reads(self, model: str) -> bool:
        """Whether this is the one that is being read, having been fetched."""
        return self.model == model and not self.total

    @property
    def so_far(self) -> str:
        """How far the fetching is, like "1.2 of 4.3 GB"."""
        fetched = min(self.fetched, self.total)
        if self.total >= 1e9:
            return say("{fetched:.1f} of {total:.1f} GB", fetched=fetched / 1e9, total=self.total / 1e9)
        return say("{fetched:.1f} of {total:.1f} MB", fetched=fetched / 1e6, total=self.total / 1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The job waits; emitted again whenever one of these changes."""

    job: Job
    place: int
    """1 for the next in line, counted in jobs."""
    loading: Loading | None = None
    """It waits for this model, which is being fetched or read: its own, or the first of a new worker."""
    hold: Hold = Hold.NONE
    """Why nothing of it is drawn although it could be."""
    trouble: str | None = None
    """Why nothing can be drawn until the owner mends it; the job is kept until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """The job runs; emitted when it starts (step 0) and after each step."""

    job: Job
    step: int
    steps: int
    """Of all its pictures together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """All pictures are drawn and kept; none is here while they may not be seen, see `Job.may_be_seen`."""

    job: Job
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will not be drawn; `job.failure` says why."""

    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Somebody who may took it back."""

    job: Job


JobEvent = Queued | Progressed | Finished | Failed | Cancelled
