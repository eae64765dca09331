"""How long something will take, for people: as exactly as anybody can know it, and no more. Pure."""

from __future__ import annotations

import math
import time

from generation.sentence import say

SHORTEST = 5.0
"""Seconds; what is sooner than this needs no telling."""

MARGIN = 1.1
"""Better a little early than late."""


def about(seconds: float) -> str | None:
    """A duration in round numbers: "10 s", "4 min", "2 h"; None if it is too short to tell."""
    if seconds < SHORTEST:
        return None
    if seconds < 55:
        step = 5 if seconds < 27.5 else 10
        return f"{round(seconds / step) * step} s"
    if seconds < 57.5 * 60:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h"


def expected_at(seconds: float, now: float | None = None) -> int | None:
    """When something will be done that takes so many seconds, since the epoch; None: too soon to tell.

    In steps of 5 seconds, or of a tenth of it: people see it count down to the second, but nobody knows that.
    """
    if seconds < SHORTEST:
        return None
    step = max(5, int(seconds / 10))
    return math.ceil(((time.time() if now is None else now) + seconds * MARGIN) / step) * step


def expected(at: int) -> str:
    """When it will be there; Discord says it in everybody's language, and counts down."""
    return say("It should be there {when}.", when=f"<t:{at}:R>")


def time_left(seconds: float) -> str | None:
    """How much longer it is drawn; None if that is too short to tell."""
    if (duration := about(seconds)) is None:
        return None
    return say("about {duration} left", duration=duration)
