"""What is held for moderators: which jobs wait, where they are shown, and who decided what."""

from __future__ import annotations

import time
from dataclasses import dataclass

from generation.job import JobId, UserId
from generation.safety import Review
from storage.database import Database, Row, Transaction
from storage.deliveries import owe_delivery_again


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A job whose pictures a moderator decides on."""

    job_id: JobId
    server: int
    state: Review
    held_at: float
    """Seconds since the epoch, UTC."""
    decided_by: UserId | None = None
    channel_id: int | None = None
    """Where it is shown to moderators."""
    message_id: int | None = None
    is_forgotten: bool = False
    """Its pictures were deleted, so that nothing is left to decide."""


class Reviews:
    """All that was ever held. `Jobs.settle` begins to hold a job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, job_id: JobId) -> Held | None:
        """What is known of this job's review, or None if it was never held."""
        row = await self._database.fetch_one(f"{_SELECT} WHERE job_id = ?", (job_id,))
        return None if row is None else _held(row)

    async def waiting(self, server: int | None = None) -> tuple[Held, ...]:
        """All that waits for moderators, of one server or of all; what was held first comes first."""
        of_server = "" if server is None else "AND reviews.server = ?"
        rows = await self._database.fetch_all(
            f"""
            {_SELECT} WHERE reviews.state = 'waiting' AND forgotten_at IS NULL {of_server}
            ORDER BY held_at, job_id
            """,
            () if server is None else (server,),
        )
        return tuple(_held(row) for row in rows)

    async def rejected_but_kept(self) -> tuple[JobId, ...]:
        """Jobs that were rejected, and whose pictures a crash has left there."""
        rows = await self._database.fetch_all(
            "SELECT job_id FROM reviews JOIN jobs ON jobs.id = job_id "
            "WHERE reviews.state = 'rejected' AND forgotten_at IS NULL"
        )
        return tuple(JobId(row["job_id"]) for row in rows)

    async def shown(self, job_id: JobId, channel_id: int, message_id: int) -> None:
        """It is shown to moderators by this message."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "UPDATE reviews SET channel_id = ?, message_id = ? WHERE job_id = ?",
                (channel_id, message_id, job_id),
            )

    async def left_open(self) -> tuple[Held, ...]:
        """What moderators have decided, or somebody has deleted, and is shown to moderators still."""
        rows = await self._database.fetch_all(
            f"{_SELECT} WHERE message_id IS NOT NULL "
            "AND (reviews.state != 'waiting' OR forgotten_at IS NOT NULL)"
        )
        return tuple(_held(row) for row in rows)

    async def closed(self, job_id: JobId) -> None:
        """It is shown to moderators no more."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "UPDATE reviews SET channel_id = NULL, message_id = NULL WHERE job_id = ?", (job_id,)
            )

    async def decide(self, job_id: JobId, decision: Review, *, by: UserId) -> bool:
        """Keep a decision, and that its job's message must say so, in one transaction.

        Returns False, and changes nothing, if somebody has decided before, or nothing is left to decide.
        """
        async with self._database.transaction() as transaction:
            changed = await transaction.execute(
                """
                UPDATE reviews SET state = ?, decided_by = ?, decided_at = ?
                WHERE job_id = ? AND state = 'waiting'
                AND job_id IN (SELECT id FROM jobs WHERE forgotten_at IS NULL)
                """,
                (decision, by, time.time(), job_id),
            )
            if changed:
                await owe_delivery_again(transaction, job_id)
        return bool(changed)


async def hold(transaction: Transaction, job_id: JobId) -> None:
    """Hold a job that has just ended for the moderators of the server where it was asked."""
    await transaction.execute(
        """
        INSERT INTO reviews (job_id, server, state, held_at)
        SELECT job_id, guild_id, 'waiting', ? FROM deliveries WHERE job_id = ?
        """,
        (time.time(), job_id),
    )


_SELECT = "SELECT reviews.*, forgotten_at FROM reviews JOIN jobs ON jobs.id = job_id"


def _held(row: Row) -> Held:
    return Held(
        job_id=JobId(row["job_id"]),
        server=row["server"],
        state=Review(row["state"]),
        held_at=row["held_at"],
        decided_by=None if row["decided_by"] is None else UserId(row["decided_by"]),
        channel_id=row["channel_id"],
        message_id=row["message_id"],
        is_forgotten=row["forgotten_at"] is not None,
    )
