"""What the bot has kept, read and changed beside it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing

from tests.journeys.stage import PATIENCE, Stage

LOOK = 0.02
"""Seconds between two looks at what tells nobody of itself."""


def change(stage: Stage, order: str) -> None:
    with closing(sqlite3.connect(stage.bot.database)) as database, database:
        database.execute(order)


def rows(stage: Stage, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{stage.bot.database}?mode=ro", uri=True)) as database:
        return list(database.execute(question))


async def until(happened: Callable[[], object]) -> None:
    """Wait for what another process does and tells nobody, as when it writes."""
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(LOOK)


async def until_delivered(stage: Stage) -> None:
    """Wait until the bot owes nobody an answer."""
    await until(lambda: not rows(stage, "SELECT 1 FROM deliveries WHERE state = 'owed'"))
