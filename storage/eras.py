"""In which channel a gallery was when something was shared, and whether only adults see that channel.

An era begins with the first post that was shared while the gallery was in its channel. What was shared in an
era is for adults as long as its channel is, or was when that was last known.
"""

from __future__ import annotations

from storage.database import Database, Transaction
from storage.posts import SHIFT, PostId


class Eras:
    """Which there are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def channels(self, server: int) -> dict[int, bool]:
        """The channels in which the gallery of a server ever was, and whether they are known for adults."""
        rows = await self._database.fetch_all(
            f"""
            SELECT channel, adults FROM galleries CROSS JOIN eras
            ON first >= number << {SHIFT} AND first < (number + 1) << {SHIFT} WHERE server = ?
            """,
            (server,),
        )
        return {row["channel"]: bool(row["adults"]) for row in rows}

    async def since(self, post_id: PostId) -> tuple[int, ...]:
        """The channels in which its gallery was from this post on, the last of them first."""
        rows = await self._database.fetch_all(
            f"""
            SELECT channel FROM eras WHERE first < ((:post >> {SHIFT}) + 1) << {SHIFT} AND first >= (
                SELECT first FROM eras WHERE first <= :post AND first >= :post >> {SHIFT} << {SHIFT}
                ORDER BY first DESC LIMIT 1
            ) ORDER BY first DESC
            """,
            {"post": post_id},
        )
        return tuple(row["channel"] for row in rows)

    async def note(self, channel: int, *, adults: bool) -> bool:
        """Whether only adults see a channel from now on; whether that is new for what was shared in it."""
        async with self._database.transaction() as transaction:
            return await _note(transaction, channel, adults)


async def lives_on(transaction: Transaction, post_id: PostId, channel: int, *, adults: bool) -> None:
    """The post is shared while its gallery is in this channel: in an era of its own, or the one before."""
    await transaction.execute(
        f"""
        INSERT INTO eras (first, channel, adults)
        SELECT :post, :channel, :adults WHERE :channel IS NOT (
            SELECT channel FROM eras WHERE first < :post AND first >= :post >> {SHIFT} << {SHIFT}
            ORDER BY first DESC LIMIT 1
        )
        """,
        {"post": post_id, "channel": channel, "adults": adults},
    )
    await _note(transaction, channel, adults)


async def _note(transaction: Transaction, channel: int, adults: bool) -> bool:
    return bool(
        await transaction.execute(
            "UPDATE eras SET adults = :adults WHERE channel = :channel AND adults != :adults",
            {"channel": channel, "adults": adults},
        )
    )
