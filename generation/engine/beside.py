"""What stands beside the models in memory, shared by them: it leaves like them when memory is needed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

RESTS_S = 60.0
"""Seconds after it was last used for which it stays: else it might be read anew for every picture."""


class Beside(Protocol):
    """An upscaler, the safety checker, what tells depth and poses."""

    @property
    def footprint(self) -> int:
        """Bytes that its weights need now."""
        ...

    @property
    def used(self) -> float:
        """When it was last asked for, in seconds of :func:`time.monotonic`; -inf: never."""
        ...

    def put_away(self) -> None:
        """Let go of its weights unless somebody works with them; they are read again when that is asked."""
        ...


class Besides:
    """All of them; what there is may grow."""

    def __init__(
        self,
        those: Callable[[], Sequence[Beside]] = lambda: (),
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._those = those
        self._now = now

    @property
    def footprint(self) -> int:
        return sum(each.footprint for each in self._those())

    def put_one_away(self, *, before: float = math.inf) -> bool:
        """Let the one go that was used least recently, if before this, and rests; whether one went."""
        resting = min(before, self._now() - RESTS_S)
        for each in sorted(self._those(), key=lambda each: each.used):
            if (needed := each.footprint) and each.used < resting:
                each.put_away()
                if each.footprint < needed:
                    return True
        return False

    def put_all_away(self) -> None:
        for each in self._those():
            each.put_away()
