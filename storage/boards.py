"""The board of a week: the best of what was shared in it, posted once in each server."""

from __future__ import annotations

import time

from storage.database import Database
from storage.posts import DAY, SELECT_POSTS, Post, of_adults, post_of

WEEK = 7 * DAY
"""Seconds."""
_MONDAY = 4 * DAY
"""The first one since the epoch, which was a Thursday."""


def week_of(at: float) -> int:
    """The week, from Monday to Sunday in UTC, of a time in seconds since the epoch."""
    return int((at - _MONDAY) // WEEK)


def begin_of(week: int) -> int:
    """When a week begins, in seconds since the epoch."""
    return week * WEEK + _MONDAY


class Boards:
    """Which boards there are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def best(self, server: int, week: int, most: int = 10, *, adults: bool = False) -> tuple[Post, ...]:
        """What was shared in a week and is liked, those with the most likes first.

        Args:
            adults: also what only adults may see.
        """
        rows = await self._database.fetch_all(
            f"""
            WITH RECURSIVE days (day) AS (SELECT :first UNION ALL SELECT day + 1 FROM days WHERE day < :last)
            {SELECT_POSTS.replace("FROM posts", "FROM days CROSS JOIN posts")}
            WHERE posts.id IN (
                SELECT id FROM posts
                WHERE server = :server AND day = days.day AND hidden_at IS NULL AND likes > 0
                    AND (:adults OR NOT {of_adults("id")})
                ORDER BY likes DESC, id DESC LIMIT :most
            )
            ORDER BY likes DESC, posts.id DESC LIMIT :most
            """,
            {
                "first": begin_of(week) // DAY,
                "last": begin_of(week + 1) // DAY - 1,
                "server": server,
                "most": most,
                "adults": adults,
            },
        )
        return tuple(map(post_of, rows))

    async def claim(self, server: int, week: int) -> bool:
        """Take it upon oneself to post a board; False if that was done before, also if nothing came of it."""
        async with self._database.transaction() as transaction:
            return bool(
                await transaction.execute(
                    "INSERT OR IGNORE INTO boards (server, week, claimed_at) VALUES (?, ?, ?)",
                    (server, week, time.time()),
                )
            )

    async def give_back(self, server: int, week: int) -> None:
        """It could not be posted, and may be tried again."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "DELETE FROM boards WHERE server = ? AND week = ? AND message_id IS NULL", (server, week)
            )

    async def posted(self, server: int, week: int, channel_id: int, message_id: int) -> None:
        """This message is the board."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "UPDATE boards SET channel_id = ?, message_id = ? WHERE server = ? AND week = ?",
                (channel_id, message_id, server, week),
            )
