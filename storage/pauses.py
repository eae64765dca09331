"""Whether the owner has paused drawing, which outlives a restart."""

from __future__ import annotations

import time

from generation.job import UserId
from storage.database import Database


class Pauses:
    """At most one pause."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_paused(self) -> bool:
        """Whether drawing is paused."""
        return await self._database.fetch_one("SELECT 1 FROM pauses") is not None

    async def pause(self, by: UserId) -> None:
        """From now on it is; if it was already, it stays as it was."""
        async with self._database.transaction() as transaction:
            await transaction.execute(
                "INSERT OR IGNORE INTO pauses (only_one, paused_by, paused_at) VALUES (1, ?, ?)",
                (by, time.time()),
            )

    async def resume(self) -> None:
        """From now on it is not."""
        async with self._database.transaction() as transaction:
            await transaction.execute("DELETE FROM pauses")
