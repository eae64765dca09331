"""How many pictures people may have in a day, counted from the jobs themselves, so that nothing can be lost.

A request counts its pictures on the day on which it was asked, in UTC, from the moment it is kept. One that
fails or is cancelled stops to count by that: what it had taken is given back in the transaction that ends it,
once, whatever happens to the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self

from generation.job import Job, UserId
from storage.database import Database, Transaction

DAY = 86400
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a server allows everybody, or who has a role; None: nothing is decided about that."""

    role: int | None = None
    """None: everybody."""
    pictures: int | None = None
    """A day, for each of them."""
    together: int | None = None
    """A day, for all people of the server in common; only everybody's counts."""
    waiting: int | None = None
    """Requests of one person that may wait or be drawn at once."""
    pixels: int | None = None
    """Width times height of one picture."""
    steps: int | None = None
    weight: int | None = None
    """Turns where others get one; see :mod:`generation.queue`."""

    def __bool__(self) -> bool:
        """Whether anything is decided."""
        return any(value is not None for name, value in asdict(self).items() if name != "role")

    def plain(self) -> dict[str, int]:
        """All that is decided as plain data that JSON can hold."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What :meth:`plain` said.

        Raises:
            TypeError, ValueError: it is something else.
        """
        known = {field.name for field in fields(cls)}
        for name, value in plain.items():
            if name not in known or not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"there is no such limit: {name} = {value!r}")
            if value < 1:
                raise ValueError(f"a limit of {value} is none")
        return cls(**plain)


class Kind(StrEnum):
    """Which limit."""

    PICTURES = "pictures"
    """Of a person in a server."""
    ANYWHERE = "anywhere"
    """Of a person, wherever they ask."""
    TOGETHER = "together"
    """Of all people in a server."""
    WAITING = "waiting"
    """Requests of a person in a server that have not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Pictures of a day and requests that wait, by what counts them; None: no limit, as a ceiling."""

    pictures: int | None = None
    anywhere: int | None = None
    together: int | None = None
    waiting: int | None = None

    def of(self, kind: Kind) -> int | None:
        """What is counted under this limit."""
        value: int | None = getattr(self, kind)
        return value


class QuotaSpent(Exception):  # noqa: N818 - a fact about one request
    """There is not enough left for it; nothing was kept."""

    def __init__(self, kind: Kind, *, most: int, used: int, asked: int) -> None:
        super().__init__(f"{used} of {most} are used, and {asked} were asked for: {kind}")
        self.kind = kind
        self.most = most
        self.used = used
        self.asked = asked

    @property
    def left(self) -> int:
        """How many there still are."""
        return max(0, self.most - self.used)


def day_of(at: float) -> float:
    """When the day began, in UTC; seconds since the epoch, as `at`."""
    return at - at % DAY


class Quotas:
    """What people have had today."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def used(self, asker: UserId, server: int | None, now: float) -> Counts:
        """What counts of this person's requests now, there and anywhere.

        Args:
            server: None: in direct messages.
            now: seconds since the epoch.
        """
        return await _used(self._database, asker, server, now)


async def check(transaction: Transaction | Database, job: Job, server: int | None, ceilings: Counts) -> None:
    """See that a job that is about to be kept stays below all ceilings.

    Args:
        transaction: the one in which it is kept, so that of two at once each counts what the other took.

    Raises:
        QuotaSpent: it does not.
    """
    used = await _used(transaction, job.asker, server, job.created_at)
    for kind in Kind:
        asked = 1 if kind is Kind.WAITING else job.request.count
        most, had = ceilings.of(kind), used.of(kind) or 0
        if most is not None and had + asked > most:
            raise QuotaSpent(kind, most=most, used=had, asked=asked)


_USED = """
    SELECT
        (
            SELECT COALESCE(SUM(count), 0) FROM jobs
            WHERE asker = :asker AND state IN ('queued', 'done') AND server IS :server
            AND created_at >= :day AND created_at < :next
        ) + (
            SELECT COALESCE(SUM(pictures), 0) FROM spent
            WHERE person = :asker AND server IS :server
            AND day >= :day AND day < :next
        ) AS pictures,
        (
            SELECT COALESCE(SUM(count), 0) FROM jobs
            WHERE asker = :asker AND state IN ('queued', 'done')
            AND created_at >= :day AND created_at < :next
        ) + (
            SELECT COALESCE(SUM(pictures), 0) FROM spent
            WHERE person = :asker AND day >= :day AND day < :next
        ) AS anywhere,
        (
            SELECT COALESCE(SUM(count), 0) FROM jobs
            WHERE server = :server AND state IN ('queued', 'done')
            AND created_at >= :day AND created_at < :next
        ) + (
            SELECT COALESCE(SUM(pictures), 0) FROM spent
            WHERE server = :server AND day >= :day AND day < :next
        ) AS together,
        (
            SELECT COUNT(*) FROM jobs WHERE settled_at IS NULL AND asker = :asker AND server IS :server
        ) AS waiting
"""
"""Also what was had by who made us forget what it was."""


async def _used(where: Transaction | Database, asker: UserId, server: int | None, now: float) -> Counts:
    # Days to come are not this one: they are there when the clock was wrong and was set back.
    days = {"day": day_of(now), "next": day_of(now) + DAY}
    row = await where.fetch_one(_USED, {"asker": asker, "server": server, **days})
    assert row is not None, "sums are one row"
    return Counts(**{kind.value: row[kind] for kind in Kind})
