"""Reads that take long hold up nobody, and end when nobody wants them any more."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from generation.job import UserId
from storage.connections import READERS
from storage.database import Database, DatabaseUnusable
from storage.hanging import Hangings
from storage.history import History
from storage.people import People
from storage.pictures import END_OF_TIME, Pictures
from storage.privacy import Privacy

LONG = """
    WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT {})
    SELECT count(*) AS number FROM numbers
"""
ENDLESS = LONG.format(200_000_000)
"""Minutes."""


def threads(before: set[threading.Thread]) -> list[threading.Thread]:
    """One for each connection."""
    return [each for each in threading.enumerate() if each not in before and "asyncio" not in each.name]


async def _cancelled(*reads: asyncio.Task[list[sqlite3.Row]]) -> None:
    for read in reads:
        read.cancel()
    async with asyncio.timeout(60):
        ended = await asyncio.gather(*reads, return_exceptions=True)
    assert [type(each) for each in ended] == [asyncio.CancelledError] * len(reads)


async def test_a_long_read_holds_up_no_other_read_and_no_write(database: Database) -> None:
    long = asyncio.create_task(database.browse(ENDLESS))
    async with asyncio.timeout(60):
        assert await database.fetch_one("SELECT 1 AS number") is not None
        async with database.transaction() as transaction:
            await transaction.execute("CREATE TABLE written (number INTEGER)")
        assert await database.browse("SELECT * FROM written") == [], "another one sees what was committed"
    assert not long.done()
    await _cancelled(long)


async def test_what_is_added_up_over_all_that_is_kept_waits_among_the_long_reads(
    database: Database, pictures: Pictures
) -> None:
    privacy = Privacy(database, pictures, await People.opened(database))
    endless = [asyncio.create_task(database.browse(ENDLESS)) for _ in range(READERS)]
    tally = asyncio.create_task(History(database).tally(server=7, models=3))
    kept = asyncio.create_task(privacy.kept(UserId(4)))
    told = asyncio.create_task(privacy.told(UserId(4)))
    older = asyncio.create_task(pictures.older(7, END_OF_TIME, limit=1))
    family = asyncio.create_task(Hangings(database).descendants(person=UserId(4)))
    for _ in range(50):  # more than these have; the ordinary ones take turns
        await database.fetch_one("SELECT 1")
    early = [each.done() for each in (tally, kept, told, older, family)]
    await _cancelled(*endless)
    assert early == [False] * 5
    async with asyncio.timeout(60):
        assert ((await tally).requests, (await kept).requests, await told) == (0, 0, {})
        assert (await older, await family) == ((), ())


async def test_a_cancelled_read_is_stopped_and_leaves_its_place(database: Database) -> None:
    for _ in range(2):
        await _cancelled(*(asyncio.create_task(database.browse(ENDLESS)) for _ in range(2 * READERS)))
    running = [asyncio.create_task(database.browse(ENDLESS)) for _ in range(READERS)]
    waiting = asyncio.create_task(database.browse("SELECT 1 AS number"))
    async with asyncio.timeout(60):
        await _cancelled(running[0])
        assert [row["number"] for row in await waiting] == [1]
    await _cancelled(*running[1:])


async def test_connections_are_opened_when_they_are_needed_and_closed_at_the_end(path: Path) -> None:
    before = set(threading.enumerate())
    async with Database.open(path) as database:
        assert len(threads(before)) == 2
        await asyncio.gather(*(database.browse("SELECT 1") for _ in range(20)))
        assert len(threads(before)) == 2 + READERS
        with pytest.raises(DatabaseUnusable):
            await database.browse("DELETE FROM jobs")
        reads = [asyncio.create_task(database.browse(LONG.format(300_000))) for _ in range(READERS + 1)]
        opened = threads(before)
    *ended, late = await asyncio.gather(*reads, return_exceptions=True)
    assert [row["number"] for rows in ended if isinstance(rows, list) for row in rows] == [300_000] * READERS
    assert isinstance(late, RuntimeError)
    assert "The database is closed" in str(late)
    for thread in opened:
        thread.join(20)
        assert not thread.is_alive()


async def test_closing_waits_for_what_is_being_opened(path: Path) -> None:
    before = set(threading.enumerate())
    async with Database.open(path) as database:
        read = asyncio.create_task(database.browse("SELECT 1 AS number"))
    assert [row["number"] for row in await read] == [1]
    for thread in threads(before):
        thread.join(20)
        assert not thread.is_alive()
