"""Messages of a gallery that are to go, to be told anew, or still to be posted."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from generation.job import JobId, UserId
from storage.database import Database
from storage.posts import PostId
from storage.reports import Decision

NO_MESSAGE = 0
"""The id of a message that there is none of, where none is wanted."""

UNTOLD = -1
"""Likes that no message says, so that it is told anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unposted:
    """A board that somebody was about to post."""

    server: int
    week: int


class Hangings:
    """See :class:`storage.gallery.Gallery`, whose messages these are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_hidden_down(self) -> int:
        """Let the messages of hidden posts be takedowns; how many there were."""
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch_all(
                """
                SELECT DISTINCT posts.id, posts.channel_id, posts.message_id
                FROM reports CROSS JOIN posts ON posts.id = reports.post
                WHERE reports.decision = ? AND posts.hidden_at IS NOT NULL AND posts.message_id IS NOT NULL
                """,
                (Decision.HIDDEN,),
            )
            for row in rows:
                await transaction.execute(
                    "INSERT OR IGNORE INTO takedowns (channel_id, message_id) VALUES (?, ?)",
                    (row["channel_id"], row["message_id"]),
                )
                await transaction.execute(
                    "UPDATE posts SET channel_id = NULL, message_id = NULL WHERE id = ?", (row["id"],)
                )
        return len(rows)

    async def descendants(
        self, *, job: JobId | None = None, person: UserId | None = None
    ) -> tuple[PostId, ...]:
        """Posts that may name this job, or something of this person, as what they were remixed from."""
        first = "SELECT ?" if person is None else "SELECT job_id FROM posts WHERE person = ?"
        rows = await self._database.fetch_all(
            f"""
            WITH RECURSIVE family (id) AS (
                {first} UNION SELECT jobs.id FROM family JOIN jobs ON jobs.parent = family.id
            )
            SELECT posts.id FROM family CROSS JOIN posts ON posts.job_id = family.id
            """,
            (job if person is None else person,),
        )
        return tuple(PostId(row["id"]) for row in rows)

    async def tell_anew(self, posts: Sequence[PostId]) -> None:
        """Have their messages say anew what they say."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE posts SET shown_likes = ?
                WHERE message_id IS NOT NULL AND id IN (SELECT value FROM json_each(?))
                """,
                (UNTOLD, json.dumps(posts)),
            )

    async def unposted_boards(self) -> tuple[Unposted, ...]:
        """Boards that somebody was about to post and that no message shows, as far as is known."""
        rows = await self._database.fetch_all("SELECT server, week FROM boards WHERE message_id IS NULL")
        return tuple(Unposted(server=row["server"], week=row["week"]) for row in rows)

    async def no_message(self, server: int, week: int) -> None:
        """A board that was about to be posted is not wanted where it should stand."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE boards SET channel_id = ?, message_id = ?
                WHERE server = ? AND week = ? AND message_id IS NULL
                """,
                (NO_MESSAGE, NO_MESSAGE, server, week),
            )

    async def no_board(self, server: int, week: int) -> None:
        """There shall be none of that week, unless there is one."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                INSERT OR IGNORE INTO boards (server, week, claimed_at, channel_id, message_id)
                VALUES (?, ?, ?, ?, ?)
                """,
                (server, week, time.time(), NO_MESSAGE, NO_MESSAGE),
            )
