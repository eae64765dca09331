"""Days as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

from generation.sentence import Sentence, count, say

MONTHS = (
    say("January"),
    say("February"),
    say("March"),
    say("April"),
    say("May"),
    say("June"),
    say("July"),
    say("August"),
    say("September"),
    say("October"),
    say("November"),
    say("December"),
)


def day(seconds: float) -> Sentence:
    """Like 22 November 2026, of a time in seconds since the epoch. In UTC, as all days are counted here.

    The day is counted, since in some languages the first of a month is written otherwise than the others.
    """
    at = datetime.fromtimestamp(seconds, UTC)
    month = MONTHS[at.month - 1]
    return count("{number} {month} {year}", "{number} {month} {year}", at.day, month=month, year=at.year)


def moment(seconds: float) -> str:
    """The same with the time, as machines read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%MZ")
