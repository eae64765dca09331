"""Whose turn it is: round robin between people, first come first served for each of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class FairQueue(Generic[T]):
    """Things that wait, each put there by somebody. Pure: no clock, no await, no lock.

    People take turns; whoever was served goes to the back of the line of people, and a newcomer joins
    there. So with n people waiting nobody sees more than n - 1 things of others go first, however many
    each of those has put in.
    """

    def __init__(self) -> None:
        self._lines: dict[Hashable, deque[T]] = {}  # in the order of the people's turns
        self._first: deque[T] = deque()
        self._owner: dict[T, Hashable] = {}

    def __len__(self) -> int:
        return len(self._owner)

    def __contains__(self, thing: T) -> bool:
        return thing in self._owner

    def __iter__(self) -> Iterator[T]:
        """All that waits, in the order in which it would be taken if nothing more came."""
        yield from self._first
        lines = [list(line) for line in self._lines.values()]
        for turn in range(max(map(len, lines), default=0)):
            for line in lines:
                if turn < len(line):
                    yield line[turn]

    def push(self, thing: T, person: Hashable) -> None:
        """Put a thing at the end of this person's line.

        Raises:
            ValueError: it waits already.
        """
        self._claim(thing, person)
        self._lines.setdefault(person, deque()).append(thing)

    def push_first(self, thing: T, person: Hashable) -> None:
        """Put a thing before everybody's turn: it had its turn and was lost through no fault of its own.

        Raises:
            ValueError: it waits already.
        """
        self._claim(thing, person)
        self._first.append(thing)

    def take(self, thing: T) -> None:
        """Remove a thing because its turn has come; its owner goes to the back of the line of people.

        Raises:
            KeyError: it does not wait.
        """
        person = self._owner[thing]
        served_in_turn = thing not in self._first
        self.remove(thing)
        if served_in_turn and person in self._lines:
            self._lines[person] = self._lines.pop(person)

    def remove(self, thing: T) -> bool:
        """Remove a thing that nobody wants any more; False if it does not wait."""
        if thing not in self._owner:
            return False
        person = self._owner.pop(thing)
        if thing in self._first:
            self._first.remove(thing)
            return True
        line = self._lines[person]
        line.remove(thing)
        if not line:
            del self._lines[person]
        return True

    def _claim(self, thing: T, person: Hashable) -> None:
        if thing in self._owner:
            raise ValueError(f"{thing!r} waits already")
        self._owner[thing] = person
