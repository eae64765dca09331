"""How long drawing, and reading models, took on this machine: the newest of each kind, size and steps."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

from generation.chores import beside
from generation.estimating import Lesson
from storage.database import Database, DatabaseUnusable

log = logging.getLogger(__name__)

KEPT = 30
"""Of each kind, size and number of steps."""
READ = 5000
"""At a start, the newest of all."""
WRITTEN_EVERY = 10.0
"""Seconds; one lost in a crash is learned again with the next picture."""


class Durations:
    """What is noted is written a little later, as long as somebody has it `writing`."""

    def __init__(self, database: Database, *, every: float = WRITTEN_EVERY) -> None:
        self._database = database
        self._every = every
        self._noted: list[Lesson] = []

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """In the block what is noted is written now and then, and at its end."""
        try:
            async with beside(self._write, name="durations"):
                yield
        finally:
            await self._flush()

    def note(self, lesson: Lesson) -> None:
        """Keep this; it is written a little later."""
        if lesson.seconds > 0:  # by a coarse clock something may take no time: that teaches nothing
            self._noted.append(lesson)

    async def newest(self) -> list[Lesson]:
        """What is kept, the oldest first."""
        rows = await self._database.fetch_all(
            "SELECT * FROM (SELECT * FROM durations ORDER BY id DESC LIMIT ?) ORDER BY id", (READ,)
        )
        return [
            Lesson(
                kind=row["kind"],
                pixels=row["pixels"],
                steps=row["steps"],
                work=row["work"],
                seconds=row["seconds"],
                together=row["together"],
            )
            for row in rows
        ]

    async def keep(self, lessons: Sequence[Lesson]) -> None:
        """Keep these now, and forget the oldest of those that are alike."""
        now = time.time()
        async with self._database.transaction() as transaction:
            await transaction.execute_many(
                """
                INSERT INTO durations (kind, pixels, steps, work, seconds, together, drawn_at)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
                [
                    (each.kind, each.pixels, each.steps, each.work, each.seconds, each.together, now)
                    for each in lessons
                ],
            )
            alike = {(each.kind, each.pixels, each.steps) for each in lessons}
            await transaction.execute_many(
                """
                DELETE FROM durations WHERE kind = ?1 AND pixels = ?2 AND steps = ?3 AND id NOT IN (
                    SELECT id FROM durations WHERE kind = ?1 AND pixels = ?2 AND steps = ?3
                    ORDER BY id DESC LIMIT ?4
                )
                """,
                [(*each, KEPT) for each in alike],
            )

    async def _write(self) -> NoReturn:
        while True:
            await asyncio.sleep(self._every)
            await self._flush()

    async def _flush(self) -> None:
        lessons, self._noted = self._noted, []
        if not lessons:
            return
        try:
            await self.keep(lessons)
        except DatabaseUnusable as error:  # no picture depends on it
            log.warning("how long %d pictures took is not kept: %s", len(lessons), error)
        except Exception:  # the edge of the chore: one failure does not end it
            log.exception("how long %d pictures took is not kept", len(lessons))
