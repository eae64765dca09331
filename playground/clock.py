"""Time in the playground: it runs by itself, and tests may move it forward."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from playground.nouns import Snowflake

EPOCH_MS = 1_420_070_400_000
"""The first second of 2015, from which snowflakes count milliseconds."""
MOST_SECONDS = 366 * 24 * 3600.0
"""As far as the clock may be moved at once."""


class Alarm:
    """A callback that is due at a time of the clock; `cancel()` forgets it."""

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback = callback
        self.cancelled = False
        self.timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        self.cancelled = True
        if self.timer is not None:
            self.timer.cancel()


class Clock:
    """The playground's time in seconds since 1970; `advance` moves it and rings what is due."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._alarms: set[Alarm] = set()

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once: deadlines in between are met or missed now."""
        if not 0 <= seconds <= MOST_SECONDS:
            raise ValueError("Time only moves forward: give a number of seconds, at most a year of them.")
        self._ahead += seconds
        for alarm in sorted(self._alarms, key=lambda alarm: alarm.due):
            if alarm.timer is not None:
                alarm.timer.cancel()
            if alarm.due <= self.now():
                self._ring(alarm)
            else:
                self._arm(alarm)

    def ring_in(self, seconds: float, callback: Callable[[], None]) -> Alarm:
        alarm = Alarm(self.now() + seconds, callback)
        self._alarms.add(alarm)
        self._arm(alarm)
        return alarm

    def stop(self) -> None:
        for alarm in self._alarms:
            alarm.cancel()
        self._alarms.clear()

    def _arm(self, alarm: Alarm) -> None:
        delay = max(0.0, alarm.due - self.now())
        alarm.timer = asyncio.get_running_loop().call_later(delay, self._ring, alarm)

    def _ring(self, alarm: Alarm) -> None:
        self._alarms.discard(alarm)
        if not alarm.cancelled:
            alarm.callback()


class Mint:
    """Makes snowflakes from the current time; each is greater than all before it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def __call__(self) -> Snowflake:
        fresh = (int(self._clock.now() * 1000) - EPOCH_MS) << 22
        self._last = max(fresh, self._last + 1)
        return Snowflake(self._last)

    def seen(self, snowflake: Snowflake) -> None:
        """Never mint at or below an id that exists already."""
        self._last = max(self._last, snowflake)


def minted_at(snowflake: Snowflake) -> float:
    """Seconds since 1970 at which a snowflake was made."""
    return ((snowflake >> 22) + EPOCH_MS) / 1000


def iso(seconds: float) -> str:
    """A time as the wire writes it: 2026-11-21T12:00:00.000000+00:00."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
