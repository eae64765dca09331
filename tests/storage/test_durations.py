"""How long drawing took outlives a restart, and never grows without end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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
