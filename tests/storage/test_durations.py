"""How long drawing took outlives a restart, and never grows without end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from generation.estimating import Lesson
from storage.database import Database
from storage.durations import KEPT, Durations

ONE = Lesson(kind="m · guided", pixels=512 * 512, steps=20, work=5.24, seconds=8.0, together=1.5)


async def test_what_is_noted_is_there_after_a_restart_in_order(path: Path) -> None:
    lessons = [replace(ONE, seconds=float(seconds)) for seconds in (3, 1, 2)]
    async with Database.open(path) as database:
        durations = Durations(database)
        async with durations.writing():
            for lesson in lessons:
                durations.note(lesson)
    async with Database.open(path) as database:
        assert await Durations(database).newest() == lessons


async def test_of_those_that_are_alike_only_the_newest_are_kept(database: Database) -> None:
    durations = Durations(database)
    other = replace(ONE, steps=30)
    await durations.keep([other])
    for number in range(1, KEPT + 6):
        await durations.keep([replace(ONE, seconds=float(number))])
    kept = await durations.newest()
    assert [lesson.seconds for lesson in kept if lesson.steps == 20] == [
        float(number) for number in range(6, KEPT + 6)
    ]
    assert other in kept


async def test_they_are_written_while_it_runs(database: Database) -> None:
    durations = Durations(database, every=0.01)
    async with durations.writing():
        durations.note(ONE)
        while not await durations.newest():
            pass


async def test_what_took_no_time_by_a_coarse_clock_is_not_kept_and_all_else_is(database: Database) -> None:
    durations = Durations(database)
    async with durations.writing():
        durations.note(replace(ONE, seconds=0.0))
        durations.note(ONE)
    assert await durations.newest() == [ONE]


async def test_a_failure_that_nobody_foresaw_does_not_end_the_writing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def call(before: str, after: str) -> None:
        async with database.transaction() as transaction:
            await transaction.execute(f"ALTER TABLE {before} RENAME TO {after}")

    durations = Durations(database, every=0.001)
    async with asyncio.timeout(15), durations.writing():
        await call("durations", "elsewhere")
        durations.note(ONE)
        while "no such table" not in caplog.text:
            await database.fetch_one("SELECT 1")
        await call("elsewhere", "durations")
        durations.note(ONE)
        while not await durations.newest():
            pass
