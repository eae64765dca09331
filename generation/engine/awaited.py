"""What is read beside the drawing, and how long those wait for it who need it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from generation.engine.failures import CannotDraw
from generation.sentence import say

STILL_S = 540.0
"""So long a reading may take before those who wait for it are refused."""

_T = TypeVar("_T")


@dataclass(slots=True)
class Awaited(Generic[_T]):
    """One reading, on a thread of its own."""

    future: Future[_T]
    what: str
    """As people call it: "the ControlNet edges"."""
    now: Callable[[], float] = time.monotonic
    """Seconds."""
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.now()

    def is_over(self) -> bool:
        """Whether there is an outcome.

        Raises:
            CannotDraw: there is none, and there has been none for too long.
        """
        if not self.future.done():
            self.check()
        return self.future.done()

    def check(self, held_up: float = math.inf) -> None:
        """
        Args:
            held_up: seconds for which something else has been in its way; who waits may have come later.

        Raises:
            CannotDraw: it has been awaited for too long.
        """
        if min(self.now() - self.began, held_up) > STILL_S:
            raise CannotDraw(
                say("Reading {what} stood still, so I gave it up; try again later.", what=self.what)
            )
