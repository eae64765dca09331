"""What is to become of pictures that a safety checker flags, and what it said about one."""

from __future__ import annotations

from enum import StrEnum


class Safety(StrEnum):
    """What a server wants done with a picture that is flagged, or that could not be checked."""

    OFF = "off"
    """Nothing is checked."""
    SPOILER = "spoiler"
    """It is hidden until somebody clicks on it."""
    HOLD = "hold"
    """Nobody sees it before a moderator has."""
    REFUSE = "refuse"
    """It is neither shown nor kept."""

    @property
    def hides(self) -> bool:
        """Whether nothing of a picture may be seen before it is checked, not even while it is drawn."""
        return self in (Safety.HOLD, Safety.REFUSE)


class Verdict(StrEnum):
    """What a checker said about a picture."""

    UNASKED = "unasked"
    """Nobody asked it."""
    CLEAN = "clean"
    FLAGGED = "flagged"
    UNCHECKED = "unchecked"
    """It was asked, and could not say: there is no checker, say."""


class Review(StrEnum):
    """How far moderators are with what is held for them."""

    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"


DEFAULT_CHECKER = "CompVis/stable-diffusion-safety-checker"
"""The one that Stable Diffusion 1 came with, on Hugging Face."""
