"""What moderators decided about shared pictures: known also when these, and their reports, are gone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generation.job import UserId
from storage.database import Database, Transaction
from storage.posts import PostId


class Decision(StrEnum):
    KEPT = "kept"
    HIDDEN = "hidden"
    REMOVED = "removed"
    """Taken out of the gallery by a moderator, reported or not."""
    SHOWN = "shown"
    """Brought back after it was hidden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision about one post, which may be gone."""

    post: PostId
    person: UserId
    """Who shared it. 0: somebody who was forgotten."""
    decision: Decision
    decided_by: UserId
    """The same."""
    decided_at: float
    """Seconds since the epoch, UTC."""
    reason: str | None
    """That of the first report, if it was reported and that is still there."""
    reported_by: UserId


async def note(transaction: Transaction, post_id: PostId, decision: Decision, by: UserId, at: float) -> None:
    """Keep that a moderator has decided this, if the post is there."""
    await transaction.execute(
        """
        INSERT INTO decisions (server, post, person, decision, decided_by, decided_at)
        SELECT server, id, person, ?, ?, ? FROM posts WHERE id = ?
        """,
        (decision, by, at, post_id),
    )


async def newest(
    database: Database, server: int, most: int, *, post: PostId | None = None
) -> tuple[Decided, ...]:
    """What was decided in a server, the newest first.

    Args:
        post: what was decided about this one only.
    """
    rows = await database.fetch_all(
        """
        SELECT decisions.*, reports.reason, coalesce(reports.person, 0) AS reported_by
        FROM decisions LEFT JOIN reports ON reports.id = (
            SELECT min(id) FROM reports
            WHERE reports.post = decisions.post AND reports.decided_at = decisions.decided_at
        )
        WHERE decisions.server = ?1 AND (?2 IS NULL OR decisions.post = ?2)
        ORDER BY decisions.id DESC LIMIT ?3
        """,
        (server, post, most),
    )
    return tuple(
        Decided(
            post=PostId(row["post"]),
            person=UserId(row["person"]),
            decision=Decision(row["decision"]),
            decided_by=UserId(row["decided_by"]),
            decided_at=row["decided_at"],
            reason=row["reason"],
            reported_by=UserId(row["reported_by"]),
        )
        for row in rows
    )
