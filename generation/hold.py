"""What keeps drawing back although there is work: the owner wants the machine for something else."""

from __future__ import annotations

from enum import StrEnum


class Hold(StrEnum):
    """How far drawing is held back. Requests are taken and kept all the same."""

    NONE = "none"
    RESTING = "resting"
    """Nothing is drawn until somebody asks for the next picture: the models were put away."""
    DRAINING = "draining"
    """What has begun is drawn to its end; then it is PAUSED."""
    PAUSED = "paused"
    """Nothing is drawn until the owner says so."""

    @property
    def stops(self) -> bool:
        """Whether nothing at all may be drawn."""
        return self in (Hold.RESTING, Hold.PAUSED)
