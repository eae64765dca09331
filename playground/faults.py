"""Trouble on request: the next answers come late, or are errors."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Fault:
    """What shall happen to the next `times` requests of the bot that match.

    `path` is a pattern below /api/v10 such as `/webhooks/*`. `delay` is in seconds. With `status` the
    request fails: before it did anything, or (`after`) once it was done and only the answer is lost, or it is
    done nevertheless `late` seconds after that answer.
    """

    method: str = "*"
    path: str = "*"
    times: int = 1
    delay: float = 0.0
    status: int | None = None
    after: bool = False
    late: float = 0.0
    retry_after: float = 0.5


class Faults:
    """The faults that are still to come, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._pending: list[Fault] = []

    def add(self, fault: Fault) -> None:
        if fault.times < 1 or fault.delay < 0:
            raise ValueError("A fault happens at least once, and no earlier than now.")
        if fault.status is not None and not 400 <= fault.status < 600:
            raise ValueError("The status of a fault is from 400 to 599.")
        self._pending.append(fault)

    def clear(self) -> None:
        self._pending.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that this request meets, if any; it is used up once."""
        for fault in self._pending:
            if fnmatch.fnmatchcase(method, fault.method) and fnmatch.fnmatchcase(path, fault.path):
                fault.times -= 1
                if fault.times == 0:
                    self._pending.remove(fault)
                return fault
        return None
