"""Who may ask for how much: the owner's limits, decided from memory alone before anything is acknowledged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from generation.job import UserId
from generation.request import GenerationRequest
from generation.sentence import Told, count, say

CLOSING_PATIENCE = 5.0
"""Seconds; the database is given as long to take an order."""


class Refused(Told):
    """Something a person may not do or have now; the message is the sentence that tells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the owner allows."""

    waiting: int
    """Requests that may wait or run at once."""
    waiting_per_person: int
    pixels: int
    """Width times height of one picture."""
    steps: int
    pictures_per_day: int | None = None
    """Of one person, wherever they ask; None: no limit."""
    weight: int = 1
    """As many turns as a server may give a role where others get one."""

    @property
    def edge(self) -> int:
        """Of the largest square, in pixels."""
        return int(self.pixels**0.5) // 8 * 8

    def reject_reason(self, request: GenerationRequest) -> str | None:
        """Why the owner does not want this drawn, or None."""
        if request.final_size.pixels > self.pixels:
            return say(
                "{size} is larger than I may draw here; "
                "a square can be {edge}x{edge}, and other shapes have as many pixels at the most.",
                size=request.final_size,
                edge=self.edge,
            )
        steps = max(request.steps, request.steps_taken)
        if steps > self.steps:
            return say(
                "{steps} steps are more than I may take here; choose 1 to {most}.",
                steps=steps,
                most=self.steps,
            )
        return None


def full_reason(limits: Limits, *, waiting: int, of_asker: int) -> str | None:
    """Why nobody, or not this person, can put another request into the queue, or None."""
    if of_asker >= limits.waiting_per_person:
        return count(
            "You have a request waiting already; ask again when it is done.",
            "You have {number} requests waiting already; ask again when one of them is done.",
            of_asker,
        )
    if waiting >= limits.waiting:
        return say("The queue is full at the moment; please ask again in a little while.")
    return None


class Waiting(Protocol):
    """Who counts the requests that were accepted: the studio."""

    @property
    def waiting(self) -> int: ...

    @property
    def unavailable(self) -> str | None: ...

    def waiting_of(self, asker: UserId) -> int: ...


class Places:
    """Places in the queue, promised before the first await: two commands at once cannot pass a full one."""

    def __init__(self, limits: Limits, accepted: Waiting) -> None:
        self._limits = limits
        self._accepted = accepted
        self._promised: Counter[UserId] = Counter()
        self._none_promised = asyncio.Event()
        self._none_promised.set()

    @contextmanager
    def promised(self, asker: UserId) -> Iterator[None]:
        """Hold a place for this person until the block ends; by then the studio has the job or nobody has.

        Raises:
            Refused: there is none, or nothing can be drawn until the owner mends it.
        """
        if self._accepted.unavailable is not None:
            raise Refused(say("I cannot draw at the moment. {reason}", reason=self._accepted.unavailable))
        reason = full_reason(
            self._limits,
            waiting=self._accepted.waiting + self._promised.total(),
            of_asker=self._accepted.waiting_of(asker) + self._promised[asker],
        )
        if reason is not None:
            raise Refused(reason)
        self._promised[asker] += 1
        self._none_promised.clear()
        try:
            yield
        finally:
            self._promised[asker] -= 1
            if not self._promised[asker]:
                del self._promised[asker]
            if not self._promised:
                self._none_promised.set()

    async def none_promised(self) -> None:
        """Wait until every order under way is taken or refused, but not for long: the bot is closing."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_PATIENCE):
                await self._none_promised.wait()
