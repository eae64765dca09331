"""Forgets what a server wants kept no longer or has no room for, and what was to be known for a day."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from bot.curating import Curator
from bot.moderation import Desk
from generation.chores import again_and_again
from generation.job import JobId
from storage.database import DatabaseUnusable
from storage.pictures import EVER, Moment, Pictures
from storage.privacy import Privacy
from storage.room import Room
from storage.servers import Servers

log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two looks."""
AT_ONCE = 50
"""Jobs that are looked up at a time."""
PAUSE = 0.05
"""Seconds between two jobs: people who ask for pictures meanwhile come first."""
DAY = 86_400.0
MEGABYTE = 1_000_000


class Retention:
    """Looks now and then for pictures that are older than their server wants, or for which it has no room,
    and deletes them, the oldest first, job by job.

    What was begun goes on at the next start: each job is forgotten at once or not at all. Nobody is told.
    """

    def __init__(
        self,
        servers: Servers,
        pictures: Pictures,
        room: Room,
        privacy: Privacy,
        desk: Desk,
        curator: Curator,
    ) -> None:
        self._servers = servers
        self._pictures = pictures
        self._room = room
        self._privacy = privacy
        self._desk = desk
        self._curator = curator

    async def keep_looking(self) -> NoReturn:
        """Forget what there is to forget now and then, for ever."""
        await again_and_again(
            self._look,
            every=EVERY,
            failure="could not forget old pictures",
            passing=(OSError, DatabaseUnusable),
        )

    async def sweep(self) -> int:
        """Forget all that is too old or too much now; of how many jobs."""
        servers, forgotten = self._servers, 0
        for server, days in servers.retentions().items():
            than = (time.time() - days * DAY, "")
            forgotten += await self._forget(server, than, partial(_keeps, servers, server, days))
        for server, room in servers.rooms().items():
            than = await self._room.first_that_fits(server, room * MEGABYTE)
            forgotten += await self._forget(server, than, partial(_gives, servers, server, room))
        return forgotten

    async def _forget(self, server: int, than: Moment, holds: Callable[[], bool]) -> int:
        """Forget what ended before that, for as long as its server wants that; of how many jobs."""
        after, forgotten = EVER, 0
        while jobs := await self._pictures.older(server, than, after=after, limit=AT_ONCE):
            for job in jobs:
                if not holds():
                    return forgotten  # somebody has thought better of it
                async with self._curator.going(job=job.job_id):
                    await self._forget_job(job.job_id)
                await self._desk.withdrawn(job.job_id)
                forgotten += 1
                await asyncio.sleep(PAUSE)
            after = (jobs[-1].settled_at, jobs[-1].job_id)
        return forgotten

    async def _forget_job(self, job_id: JobId) -> None:
        """Files that a disk keeps hold up nobody: that they are not wanted any more is known by then."""
        try:
            await self._pictures.forget(job_id)
        except OSError as error:
            log.warning("job %s: files of it stay until the next start: %s", job_id, error)

    async def _look(self) -> None:
        await self._privacy.end_days()
        if forgotten := await self.sweep():
            log.info("forgot the pictures of %d jobs, as their servers want it", forgotten)


def _keeps(servers: Servers, server: int, days: int) -> bool:
    return servers.readable(server).retention == days


def _gives(servers: Servers, server: int, room: int) -> bool:
    return servers.readable(server).room == room
