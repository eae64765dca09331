"""Messages of a gallery that are to go or to be told anew."""

from __future__ import annotations

import json
from collections.abc import Sequence

from generation.job import JobId, UserId
from storage.database import Database
from storage.posts import PostId

UNTOLD = -1
"""Likes that no message says, so that it is told anew."""


class Hangings:
    """See :class:`storage.gallery.Gallery`, whose messages these are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_hidden_down(self) -> int:
        """Let the messages of hidden posts be takedowns; how many there were."""
        async with self._database.transaction() as transaction:
            rows = await transaction.fetch_all(
                """
                SELECT id, channel_id, message_id FROM posts INDEXED BY posts_hidden
                WHERE hidden_by IS NOT NULL AND message_id IS NOT NULL
                """
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
        rows = await self._database.browse(
            f"""
            WITH RECURSIVE family (id) AS (
                {first} UNION SELECT jobs.id FROM family JOIN jobs ON jobs.parent = family.id
            )
            SELECT posts.id FROM family CROSS JOIN posts ON posts.job_id = family.id
            """,
            (job if person is None else person,),
        )
        return tuple(PostId(row["id"]) for row in rows)

    async def shown_again(self, post_id: PostId) -> int:
        """How often moderators have brought it back after it was hidden."""
        rows = await self._database.fetch_all(
            """
            SELECT 1 FROM decisions WHERE server = (SELECT server FROM posts WHERE id = ?1)
            AND post = ?1 AND decision = 'shown'
            """,
            (post_id,),
        )
        return len(rows)

    async def tell_anew(self, posts: Sequence[PostId]) -> None:
        """Have their messages say anew what they say, also those that are just being written."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE posts SET shown_likes = min(shown_likes, 0) - 1
                WHERE id IN (SELECT value FROM json_each(?))
                """,
                (json.dumps(posts),),
            )
