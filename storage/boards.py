"""The board of a week: the best of what was shared in it, posted once in each server."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Database, Row
from storage.posts import DAY, SELECT_POSTS, Post, PostId, of_adults, post_of

WEEK = 7 * DAY
"""Seconds."""
_MONDAY = 4 * DAY
"""The first one since the epoch, which was a Thursday."""
NO_MESSAGE = 0
"""The id of the message of a board of which there shall be none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A board that somebody is about to post, or has posted."""

    server: int
    week: int
    claimed_at: float
    """Seconds since the epoch."""
    posts: tuple[PostId, ...]
    """What stands on it, the best first; what has left it since is named still."""
    channel_id: int | None = None
    message_id: int | None = None
    """None: nobody knows of one."""
    outdated: int = 0
    """How often something has left it since its message was brought up to date."""


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

    async def of(self, ids: Sequence[PostId], *, adults: bool = False) -> tuple[Post, ...]:
        """Those of these posts that may be seen still, in this order.

        Args:
            adults: also what only adults may see.
        """
        rows = await self._database.fetch_all(
            f"""
            {SELECT_POSTS} JOIN json_each(:ids) AS wanted ON posts.id = wanted.value
            WHERE hidden_at IS NULL AND (:adults OR NOT {of_adults("posts.id")}) ORDER BY wanted.key
            """,
            {"ids": json.dumps(ids), "adults": adults},
        )
        return tuple(map(post_of, rows))

    async def claim(self, server: int, week: int, posts: Sequence[PostId]) -> Claimed | None:
        """Take it upon oneself to post a board of these; None if somebody has, whatever came of it."""
        at = time.time()
        async with self._database.transaction() as transaction:
            is_new = await transaction.execute(
                "INSERT OR IGNORE INTO boards (server, week, claimed_at, posts) VALUES (?, ?, ?, ?)",
                (server, week, at, json.dumps(posts)),
            )
        return Claimed(server=server, week=week, claimed_at=at, posts=tuple(posts)) if is_new else None

    async def unposted(self) -> tuple[Claimed, ...]:
        """Boards that somebody was about to post and that no message shows, as far as is known."""
        rows = await self._database.fetch_all("SELECT * FROM boards WHERE message_id IS NULL")
        return tuple(map(_claimed, rows))

    async def give_back(self, board: Claimed) -> None:
        """Nobody has tried to post it, and it may be claimed again."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "DELETE FROM boards WHERE server = ? AND week = ? AND message_id IS NULL",
                (board.server, board.week),
            )

    async def posted(self, board: Claimed, channel_id: int, message_id: int, *, found: bool) -> None:
        """This message is the board.

        Args:
            found: it was there already, so that it may show what has left the board since.
        """
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE boards SET channel_id = ?, message_id = ?, outdated = outdated + ?
                WHERE server = ? AND week = ?
                """,
                (channel_id, message_id, 1 if found else -board.outdated, board.server, board.week),
            )

    async def no_message(self, board: Claimed) -> None:
        """There shall be none, or none any more."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                UPDATE boards SET channel_id = ?, message_id = ?, posts = '[]', outdated = 0
                WHERE server = ? AND week = ?
                """,
                (NO_MESSAGE, NO_MESSAGE, board.server, board.week),
            )

    async def no_board(self, server: int, week: int) -> None:
        """There shall be none of that week, unless there is one."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                """
                INSERT OR IGNORE INTO boards (server, week, claimed_at, channel_id, message_id, posts)
                VALUES (?, ?, ?, ?, ?, '[]')
                """,
                (server, week, time.time(), NO_MESSAGE, NO_MESSAGE),
            )

    async def outdated(self) -> tuple[Claimed, ...]:
        """Those whose messages show what has left them."""
        rows = await self._database.fetch_all(
            "SELECT * FROM boards WHERE outdated > 0 AND message_id > ?", (NO_MESSAGE,)
        )
        return tuple(map(_claimed, rows))

    async def told(self, board: Claimed) -> None:
        """The message of a board shows what stands on it, unless more has left it meanwhile."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "UPDATE boards SET outdated = outdated - ? WHERE server = ? AND week = ?",
                (board.outdated, board.server, board.week),
            )


def _claimed(row: Row) -> Claimed:
    return Claimed(
        server=row["server"],
        week=row["week"],
        claimed_at=row["claimed_at"],
        posts=tuple(map(PostId, json.loads(row["posts"]))),
        channel_id=row["channel_id"],
        message_id=row["message_id"],
        outdated=row["outdated"],
    )
