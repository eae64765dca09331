"""What people report of the gallery, and what moderators decide about it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from generation.job import JobId, UserId
from generation.request import InvalidRequest
from generation.sentence import say
from storage.database import Database, Row, Transaction
from storage.decisions import Decided, newest, note
from storage.decisions import Decision as Decision
from storage.gallery import GONE, PostId, hide

MAX_REASON = 500
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One person's word about one post."""

    id: int
    post: PostId
    server: int
    person: UserId
    """0: somebody who was forgotten."""
    reason: str
    reported_at: float
    """Seconds since the epoch, UTC."""
    decision: Decision | None = None
    decided_by: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message that shows reports of a post to moderators."""

    channel_id: int
    message_id: int
    server: int
    post: PostId
    """It may be gone."""
    job_id: JobId
    index: int
    waits: bool = False
    """For a decision, still."""
    is_there: bool = True
    """The post."""
    is_hidden: bool = False
    """It is there, and out of sight."""
    said_hidden: bool = False
    """The message says so."""
    outdated: int = 0
    """How often somebody whom it may name was forgotten."""


class Reports:
    """All reports of posts that are there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, post_id: PostId, *, by: UserId, reason: str) -> int:
        """Report a post; how many reports of it wait then. 0: this person has reported it before.

        Raises:
            InvalidRequest: it is gone or out of sight, or no reason is given; a sentence for the person.
        """
        reason = reason.strip()[:MAX_REASON]
        if not reason:
            raise InvalidRequest(say("Say in a few words what is wrong with it."))
        async with self._database.transaction() as transaction:
            post = await transaction.fetch_one(
                "SELECT server FROM posts WHERE id = ? AND hidden_at IS NULL", (post_id,)
            )
            if post is None:
                raise InvalidRequest(GONE)
            is_new = await transaction.execute(
                """
                INSERT OR IGNORE INTO reports (post, server, person, reason, reported_at)
                VALUES (?, ?, ?, ?, ?)
                """,
                (post_id, post["server"], by, reason, time.time()),
            )
            waiting = "SELECT id FROM reports WHERE post = ? AND decision IS NULL"
            return len(await transaction.fetch_all(waiting, (post_id,))) if is_new else 0

    async def waiting(self, server: int) -> tuple[Report, ...]:
        """What moderators of a server have not decided, the oldest first."""
        rows = await self._database.fetch_all(
            "SELECT * FROM reports WHERE server = ? AND decision IS NULL ORDER BY id", (server,)
        )
        return tuple(map(_report, rows))

    async def of(self, post_id: PostId) -> tuple[Report, ...]:
        """All reports of a post, the oldest first."""
        rows = await self._database.fetch_all("SELECT * FROM reports WHERE post = ? ORDER BY id", (post_id,))
        return tuple(map(_report, rows))

    async def decided(self, server: int, most: int) -> tuple[Decided, ...]:
        """What was decided in a server, the newest first."""
        return await newest(self._database, server, most)

    async def last(self, server: int, post_id: PostId) -> Decided | None:
        """What was decided last about a post, which may be gone."""
        return next(iter(await newest(self._database, server, 1, post=post_id)), None)

    async def decide(self, post_id: PostId, decision: Decision, *, by: UserId) -> int:
        """Decide all reports of a post that wait, and hide it or not, at once; how many these were.

        0: somebody has decided before, or the post is gone; then nothing is changed.
        """
        now = time.time()
        async with self._database.transaction() as transaction:
            changed = await _decide(transaction, post_id, decision, by, now)
            if changed and decision is Decision.HIDDEN:
                await hide(transaction, post_id, by)
                # What was reported of others that share the same file is decided with it.
                also = await transaction.fetch_all(
                    """
                    SELECT same.id FROM posts AS this CROSS JOIN posts AS same
                    ON same.hidden_by = this.hidden_by AND same.hidden_at = this.hidden_at
                    WHERE this.id = ?
                    """,
                    (post_id,),
                )
                for row in also:
                    await _decide(transaction, PostId(row["id"]), decision, by, now)
        return changed

    # Messages ---------------------------------------------------------------------------------------------

    async def shown(self, notice: Notice) -> None:
        """This message shows moderators what waits."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                INSERT OR IGNORE INTO notices (channel_id, message_id, server, post, job_id, position)
                VALUES (?, ?, ?, ?, ?, ?)
                """,
                (
                    notice.channel_id,
                    notice.message_id,
                    notice.server,
                    notice.post,
                    notice.job_id,
                    notice.index,
                ),
            )

    async def outdated(self) -> tuple[Notice, ...]:
        """Messages of what does not wait any more: it was decided, or the post is gone. Those that name
        somebody who is forgotten. And those that say it is hidden, once it is not.
        """
        waits = "EXISTS (SELECT 1 FROM reports WHERE reports.post = notices.post AND decision IS NULL)"
        there = "EXISTS (SELECT 1 FROM posts WHERE posts.id = notices.post)"
        hidden = "EXISTS (SELECT 1 FROM posts WHERE posts.id = notices.post AND hidden_at IS NOT NULL)"
        rows = await self._database.fetch_all(
            f"""
            SELECT *, {waits} AS waits, {there} AS is_there, {hidden} AS is_hidden FROM notices
            WHERE outdated OR NOT iif(says_hidden, {hidden}, {waits})
            """
        )
        return tuple(
            Notice(
                channel_id=row["channel_id"],
                message_id=row["message_id"],
                server=row["server"],
                post=PostId(row["post"]),
                job_id=JobId(row["job_id"]),
                index=row["position"],
                waits=bool(row["waits"]),
                is_there=bool(row["is_there"]),
                is_hidden=bool(row["is_hidden"]),
                said_hidden=bool(row["says_hidden"]),
                outdated=row["outdated"],
            )
            for row in rows
        )

    async def told(self, notice: Notice) -> None:
        """Its message names nobody who was forgotten before this was known, and says whether it is hidden."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE notices SET outdated = outdated - ?, says_hidden = ?
                WHERE channel_id = ? AND message_id = ?
                """,
                (notice.outdated, notice.is_hidden, notice.channel_id, notice.message_id),
            )

    async def closed(self, notice: Notice) -> None:
        """Its message says what came of it, which stays so, or is gone."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "DELETE FROM notices WHERE channel_id = ? AND message_id = ?",
                (notice.channel_id, notice.message_id),
            )


async def _decide(
    transaction: Transaction, post_id: PostId, decision: Decision, by: UserId, now: float
) -> int:
    changed = await transaction.execute(
        """
        UPDATE reports SET decision = ?, decided_by = ?, decided_at = ?
        WHERE post = ? AND decision IS NULL
        """,
        (decision, by, now, post_id),
    )
    if changed:
        await note(transaction, post_id, decision, by, now)
    return changed


def _report(row: Row) -> Report:
    return Report(
        id=row["id"],
        post=PostId(row["post"]),
        server=row["server"],
        person=UserId(row["person"]),
        reason=row["reason"],
        reported_at=row["reported_at"],
        decision=None if row["decision"] is None else Decision(row["decision"]),
        decided_by=None if row["decided_by"] is None else UserId(row["decided_by"]),
    )
