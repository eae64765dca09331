"""Which progress is worth an edit, and when. The end of a job is shown at once and is not asked here."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_EDIT = 0.8
"""Seconds for which Discord's own 'is thinking' says enough; most small pictures are done by then."""

EDIT_INTERVAL = 2.0
"""Seconds between edits of one message; Discord allows five edits of one interaction in two seconds."""

FARTHEST_BACK = 15
"""Places in line; news of one's place come the more seldom the further back it is, down to every 30 s."""

NEARLY_DONE = 1.0
"""Seconds: a picture expected sooner than this gets no more progress, so that its end never waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What is known about one message when something about its job changed. Times are monotonic seconds."""

    now: float
    asked_at: float
    edited_at: float | None
    """When the last edit of this message was sent; None: never."""
    changed: bool
    """The message would look different."""
    remaining: float | None
    """Seconds until the end is expected; None: unknown."""
    late_in: float | None = None
    """Seconds until what the message says about its end has turned out wrong; None: it says nothing."""
    place: int = 1
    """In line; 1 also for what is being drawn."""

    def wait(self) -> float | None:
        """Seconds to wait before an edit or a second look; 0: edit now. None: not until something changes."""
        if not self.changed and self.late_in != 0:
            return self.late_in
        if self.remaining is not None and self.remaining < NEARLY_DONE:
            return None
        if self.edited_at is None:
            due = self.asked_at + FIRST_EDIT
        else:
            due = self.edited_at + EDIT_INTERVAL * min(max(1, self.place), FARTHEST_BACK)
        return max(0.0, due - self.now)


def remaining(*, step: int, steps: int, running_for: float) -> float | None:
    """Seconds that the other steps will take if they go on like the ones so far; None before the first."""
    if step <= 0:
        return None
    return running_for / step * (steps - step)


def backoff(attempt: int) -> float:
    """Seconds to wait before try `attempt` + 1 of something that must arrive: 1, 2, 4 ... 60."""
    return float(min(2 ** max(0, attempt - 1), 60))
