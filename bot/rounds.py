"""What is known about one job's message while somebody looks after it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import assert_never

from discord.utils import DEFAULT_FILE_SIZE_LIMIT_BYTES

from bot import pacing
from bot.card import Card
from generation.job import Cancelled, Failed, Finished, JobEvent, JobId, Progressed, Queued
from storage.deliveries import Delivery

TAKING_LEAVE = 30.0
"""Seconds before its token dies in which a message says that its end comes in another one."""


@dataclass(slots=True, kw_only=True)
class Round:
    """One job's message, from the acknowledgement to its end."""

    job_id: JobId
    delivery: Delivery | None = None
    file_limit: int = DEFAULT_FILE_SIZE_LIMIT_BYTES
    """Bytes that one file may have, as far as we know."""
    asked_at: float
    """Monotonic seconds, as are all times here."""
    newest: JobEvent | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    previews: dict[int, bytes] = field(default_factory=dict)
    """What its pictures look like so far: small WebP files by the number of the picture."""
    looks: int = 0
    """How many pictures were seen since they were asked for."""
    blind: int = 0
    """How often in a row nothing was seen: some models show nothing before the end."""
    began_at: float | None = None
    ended_at: float | None = None
    expected_at: int | None = None
    """When it should be done, in seconds since the epoch, as its message says while it waits."""
    edited_at: float | None = None
    shown: Card | None = None
    given_up: int = 0
    """Progress edits that we stopped waiting for; Discord may apply each of them later, and once."""
    deaf: bool = False
    """Its message takes no progress any more: the token died, or somebody removed it."""
    resumed: bool = False
    """It was taken up from the database: an earlier run may have brought it already."""

    again: bool = False
    """Meanwhile its message has to say something newer: it is to be brought once more."""

    mark: str = ""
    """The custom id of the first button of the card of its end, by which that is known."""

    @property
    def number(self) -> int:
        """Of this round, as far as its delivery is known."""
        return 0 if self.delivery is None else self.delivery.round

    @property
    def is_private(self) -> bool:
        """Whether only one person sees its message, as far as anything was heard of the job."""
        return self.newest is not None and self.newest.job.private

    @property
    def seconds(self) -> float | None:
        """That drawing took, if we saw it begin and end."""
        if self.began_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.began_at

    def know(self, delivery: Delivery) -> None:
        """From now on it is known where its answer goes, and how large the files may be there."""
        self.delivery = delivery
        self.file_limit = delivery.address.file_limit

    def hear(self, event: JobEvent) -> None:
        """Take in what has happened to the job."""
        now = time.monotonic()
        match event:
            case Queued():
                self.began_at = None
                self.previews.clear()
            case Progressed():
                self.began_at = self.began_at or now
            case Finished() | Failed() | Cancelled():
                self.ended_at = now
            case _:
                assert_never(event)
        self.newest = event
        self.changed.set()

    def speaks_for(self) -> float | None:
        """Seconds in which its message can still be told something before the last; None: nobody knows."""
        if self.deaf or self.delivery is None:
            return None
        return self.delivery.address.token_expires_at - TAKING_LEAVE - time.time()

    def see(self, index: int, webp: bytes) -> None:
        """Take in a preview; may come at any time."""
        self.previews[index] = webp
        self.looks += 1
        self.changed.set()

    def pace(self, event: Queued | Progressed, card: Card) -> pacing.Pace:
        """What decides when this card is shown."""
        return pacing.Pace(
            now=time.monotonic(),
            asked_at=self.asked_at,
            edited_at=self.edited_at,
            changed=card != self.shown,
            late_in=self._late_in(event),
            remaining=self.left(event),
            place=event.place if isinstance(event, Queued) else 1,
        )

    def left(self, event: Queued | Progressed) -> float | None:
        """Seconds until it is done, as it goes so far; None while it waits, and before the first step."""
        if not isinstance(event, Progressed) or self.began_at is None:
            return None
        running_for = time.monotonic() - self.began_at
        return pacing.remaining(step=event.step, steps=event.steps, running_for=running_for)

    def _late_in(self, event: Queued | Progressed) -> float | None:
        """Seconds until what its message expects has passed, and it still waits; None: it expects nothing."""
        if not isinstance(event, Queued) or self.expected_at is None:
            return None
        return max(0.0, self.expected_at - time.time())
