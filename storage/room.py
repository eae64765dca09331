"""How much room the files of a server take, and which of its jobs still fit into what it gives them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from storage.database import Database, Row
from storage.pictures import END_OF_TIME, EVER, Moment, Pictures

_AT_ONCE = 400
"""Jobs that are looked at in one query."""


class Room:
    """What files of a server there are.

    Each counts once, however many of its jobs have it, and in each server that has it: what one of them
    forgets does not make room in the other. Thumbnails do not count.
    """

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures

    async def first_that_fits(self, server: int, room: int) -> Moment:
        """The oldest job that ended and fits with all that are newer.

        Looks at no more jobs than fit, the newest first, whatever else the server has.

        Args:
            room: bytes.

        Returns its end and its id: EVER if all fit, END_OF_TIME if not even the newest does.
        """
        known: set[int] = set()
        left, fits = room, END_OF_TIME
        while jobs := await self._newer_first(server, fits):
            files = await self._files([row["id"] for row in jobs])
            by_job: dict[str, list[Row]] = {}
            for row in files:
                by_job.setdefault(row["job_id"], []).append(row)
            for job in jobs:
                left -= await self._counted(by_job.get(job["id"], ()), known)
                if left < 0:
                    return fits
                fits = (job["settled_at"], job["id"])
        return EVER

    async def _newer_first(self, server: int, before: Moment) -> list[Row]:
        return await self._database.browse(
            """
            SELECT id, settled_at FROM jobs
            WHERE server = :server AND forgotten_at IS NULL
            AND settled_at <= :ended AND (settled_at, id) < (:ended, :job)
            ORDER BY settled_at DESC, id DESC LIMIT :most
            """,
            {"server": server, "ended": before[0], "job": before[1], "most": _AT_ONCE},
        )

    async def _files(self, jobs: Sequence[str]) -> list[Row]:
        return await self._database.browse(
            """
            SELECT job_id, digest, byte_count FROM pictures
            WHERE job_id IN (SELECT value FROM json_each(:jobs))
            UNION ALL
            SELECT job_id, digest, NULL FROM inputs
            WHERE job_id IN (SELECT value FROM json_each(:jobs))
            """,
            {"jobs": json.dumps(list(jobs))},
        )

    async def _counted(self, files: Sequence[Row], known: set[int]) -> int:
        """Bytes of those that are not known yet, and are from now on."""
        total, unsaid = 0, []
        for row in files:
            # There may be millions, and half of a digest tells them apart as well.
            if (name := int(row["digest"][:32], 16)) in known:
                continue
            known.add(name)
            if row["byte_count"] is None:
                unsaid.append(row["digest"])
            else:
                total += row["byte_count"]
        return total + await self._pictures.size_of(unsaid)
