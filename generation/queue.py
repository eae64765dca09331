"""Whose turn it is: people take turns by their weights, first come first served for each of them."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)

MAX_WEIGHT = 10
_TURN = 2520
"""What a turn of weight 1 costs: every weight divides it, so that nothing is ever rounded."""


@dataclass(slots=True)
class _Line(Generic[T]):
    """What one person has waiting."""

    due: int
    """The virtual time at which the person's next turn begins; whoever is due first is next."""
    since: int
    """Of those who are due at the same time, who stands there longer is next."""
    things: deque[tuple[T, int]] = field(default_factory=deque)
    """With their weights."""


class FairQueue(Generic[T]):
    """Things that wait, each put there by somebody. Pure: no clock, no await, no lock.

    Start-time fair queueing (Goyal, Vin, Cheng 1996) with turns of equal length: a turn moves its person on
    by one over the weight of what was taken, so where one gets a turn, a person of weight 2 gets two.
    A newcomer begins where the line is now: with n people waiting, at most n - 1 things of others go before
    the newcomer's first, however many each has put in and whatever their weights are. Who was away, or
    was passed over since there was no room for just that thing, has saved up nothing.
    """

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line[T]] = {}
        self._first: deque[T] = deque()
        self._owner: dict[T, Hashable] = {}
        self._now = 0
        """The latest virtual time at which a turn began; nobody who waits is due before it."""
        self._ahead: dict[Hashable, int] = {}
        """Of people who have nothing here, those whose next turn is later than now."""
        self._arrivals = count()

    def __len__(self) -> int:
        return len(self._owner)

    def __contains__(self, thing: T) -> bool:
        return thing in self._owner

    def __iter__(self) -> Iterator[T]:
        """All that waits, in the order in which it would be taken if nothing more came."""
        yield from self._first
        lines = [iter(line.things) for line in self._lines.values()]
        heap = [(line.due, line.since, index) for index, line in enumerate(self._lines.values())]
        heapq.heapify(heap)
        later = next(self._arrivals)
        while heap:
            due, _, index = heapq.heappop(heap)
            if (found := next(lines[index], None)) is None:
                continue
            thing, weight = found
            yield thing
            heapq.heappush(heap, (due + _TURN // weight, later, index))
            later += 1

    def push(self, thing: T, person: Hashable, weight: int = 1) -> None:
        """Put a thing at the end of this person's line.

        Args:
            weight: 1 to MAX_WEIGHT; so many turns of that person's for one of a person of weight 1.

        Raises:
            ValueError: it waits already, or has no such weight.
        """
        if not 1 <= weight <= MAX_WEIGHT:
            raise ValueError(f"{weight} is no weight; there are 1 to {MAX_WEIGHT}")
        self._claim(thing, person)
        if person not in self._lines:
            due = max(self._now, self._ahead.pop(person, self._now))
            self._lines[person] = _Line(due, next(self._arrivals))
        self._lines[person].things.append((thing, weight))

    def push_first(self, thing: T, person: Hashable) -> None:
        """Put a thing before everybody's turn: it had its turn and was lost through no fault of its own.

        Raises:
            ValueError: it waits already.
        """
        self._claim(thing, person)
        self._first.append(thing)

    def take(self, thing: T) -> None:
        """Remove a thing because its turn has come; its owner goes on to where the next turn begins.

        Raises:
            KeyError: it does not wait.
        """
        person = self._owner[thing]
        if thing not in self._first:
            line = self._lines[person]
            weight = next(weight for each, weight in line.things if each == thing)
            self._now = max(self._now, line.due)
            for other in self._lines.values():
                other.due = max(other.due, self._now)
            line.due += _TURN // weight
            line.since = next(self._arrivals)
        self.remove(thing)

    def remove(self, thing: T) -> bool:
        """Remove a thing that nobody wants any more; False if it does not wait."""
        if thing not in self._owner:
            return False
        person = self._owner.pop(thing)
        if thing in self._first:
            self._first.remove(thing)
            return True
        line = self._lines[person]
        line.things = deque(each for each in line.things if each[0] != thing)
        if not line.things:
            del self._lines[person]
            self._ahead[person] = line.due
            # Who is not ahead of the others is remembered no longer; when nobody waits, nobody is ahead.
            self._ahead = {who: due for who, due in self._ahead.items() if due > self._now and self._lines}
        return True

    def _claim(self, thing: T, person: Hashable) -> None:
        if thing in self._owner:
            raise ValueError(f"{thing!r} waits already")
        self._owner[thing] = person
