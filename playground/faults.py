"""Trouble on request: the next answers come late, or are errors."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """What shall happen to the next `times` requests of the bot that match.

    `path` is a pattern below /api/v10 such as `/webhooks/*`. `delay` is in seconds; what is `held` is done
    only when the faults are cleared. With `status` the request fails: before it did anything, or (`after`)
    once it was done and only the answer is lost, or (`held`) it is done nevertheless, long after that answer.
    """

    method: str = "*"
    path: str = "*"
    times: int = 1
    delay: float = 0.0
    status: int | None = None
    after: bool = False
    held: bool = False
    retry_after: float = 0.5


class Faults:
    """The faults that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []
        self._holding: set[Fault] = set()
        self._held: list[Callable[[], None]] = []

    def add(self, fault: Fault) -> None:
        if fault.times < 1 or fault.delay < 0:
            raise ValueError("A fault happens at least once, and no earlier than now.")
        if fault.status is not None and not 400 <= fault.status < 600:
            raise ValueError("The status of a fault is from 400 to 599.")
        self._pending.append(fault)

    def hold(self, fault: Fault, deed: Callable[[], None]) -> None:
        """Have this done when what the fault holds is let go; at once if that was after it was taken."""
        if fault in self._holding:
            self._held.append(deed)
        else:
            deed()

    def clear(self) -> None:
        """Forget what has not happened yet, and let go what is held."""
        self._pending.clear()
        self._holding.clear()
        held, self._held = self._held, []
        for deed in held:
            deed()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, if any; it is used up once."""
        for fault in self._pending:
            if fnmatch.fnmatchcase(method, fault.method) and fnmatch.fnmatchcase(path, fault.path):
                fault.times -= 1
                if fault.times == 0:
                    self._pending.remove(fault)
                if fault.held:
                    self._holding.add(fault)
                return fault
        return None
