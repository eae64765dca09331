"""The newest jobs whose files fit into a server's room stay; what is older is to go, as whole jobs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from generation.job import Job, JobId
from generation.request import Start
from storage.database import Database
from storage.deliveries import Deliveries
from storage.jobs import Jobs
from storage.pictures import EVER, Pictures, digest_of
from storage.room import Room
from tests.storage.things import ADDRESS, REQUEST, a_job, a_picture, done, files_in

SERVER = 2


class Server:
    """One whose jobs ended at the times that are told."""

    def __init__(self, database: Database, jobs: Jobs, pictures: Pictures, deliveries: Deliveries) -> None:
        self._database, self._jobs, self._deliveries = database, jobs, deliveries
        self.pictures, self.room = pictures, Room(database, pictures)

    async def ended(
        self, at: float, *contents: bytes, photo: bytes = b"", server: int = SERVER, brought: bool = True
    ) -> Job:
        start = Start(picture=digest_of(photo)) if photo else None
        job = a_job(request=replace(REQUEST, start=start))
        await self._jobs.keep(job, replace(ADDRESS, guild_id=server), {digest_of(photo): photo})
        await self._jobs.settle(
            done(job), [a_picture(index, content) for index, content in enumerate(contents)]
        )
        async with self._database.transaction() as transaction:
            await transaction.execute("UPDATE jobs SET settled_at = ? WHERE id = ?", (at, job.id))
        if brought:
            await self._deliveries.done(job.id)
        return job

    async def beyond(self, room: int) -> list[JobId]:
        """What is to go, the oldest first."""
        than = await self.room.first_that_fits(SERVER, room)
        return [each.job_id for each in await self.pictures.older(SERVER, than, limit=99)]


@pytest.fixture
def server(database: Database, jobs: Jobs, pictures: Pictures, deliveries: Deliveries) -> Server:
    return Server(database, jobs, pictures, deliveries)


async def test_the_oldest_go_as_whole_jobs_until_the_rest_fits(server: Server) -> None:
    first = await server.ended(10.0, b"1234", b"5678")
    third = await server.ended(30.0, b"abc")
    second = await server.ended(20.0, b"defgh")
    await server.ended(40.0)

    assert await server.beyond(16) == []
    assert await server.room.first_that_fits(SERVER, 16) == EVER
    assert await server.beyond(15) == [first.id]
    assert await server.beyond(8) == [first.id]
    assert await server.beyond(7) == [first.id, second.id]
    assert await server.beyond(2) == [first.id, second.id, third.id]


async def test_of_those_that_ended_at_once_some_may_stay(server: Server) -> None:
    both = [await server.ended(10.0, b"1234"), await server.ended(10.0, b"5678")]
    assert await server.beyond(7) == [min(each.id for each in both)]


async def test_a_file_counts_once_in_each_server_that_has_it(server: Server) -> None:
    first = await server.ended(10.0, b"1234", photo=b"a photograph")
    second = await server.ended(20.0, b"1234", photo=b"a photograph")
    await server.ended(30.0, b"5678")
    await server.ended(40.0, b"5678", b"elsewhere", server=3)
    assert await server.beyond(20) == []
    assert await server.beyond(19) == [first.id, second.id]
    await server.pictures.forget(first.id)
    assert await server.beyond(20) == []


async def test_what_is_still_to_be_brought_stays(server: Server) -> None:
    await server.ended(10.0, b"1234", brought=False)
    old = await server.ended(20.0, b"5678")
    await server.ended(30.0, b"abcd")
    assert await server.beyond(4) == [old.id]


async def test_what_was_begun_goes_on(server: Server, tmp_path: Path) -> None:
    jobs = [await server.ended(at, content) for at, content in ((1.0, b"1234"), (2.0, b"5678"), (3.0, b"90"))]
    await server.pictures.forget(jobs[0].id)
    assert await server.beyond(2) == [jobs[1].id]
    await server.pictures.forget(jobs[1].id)
    assert await server.beyond(2) == []
    assert len(files_in(tmp_path / "pictures")) == 1


async def test_a_file_that_is_missing_takes_no_room(server: Server, tmp_path: Path) -> None:
    await server.ended(1.0, photo=b"a photograph")
    [file] = files_in(tmp_path / "pictures")
    file.unlink()
    assert await server.beyond(0) == []


async def test_no_more_jobs_are_looked_at_in_one_query_than_a_portion(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.room._AT_ONCE", 2)
    old = await server.ended(0.0, b"0")
    for number in range(1, 6):
        await server.ended(float(number), b"%d" % number)
    assert await server.beyond(5) == [old.id]
    assert await server.beyond(6) == []


async def test_jobs_are_looked_at_in_the_order_of_an_index(database: Database) -> None:
    rows = await database.fetch_all(
        """
        EXPLAIN QUERY PLAN SELECT id, settled_at FROM jobs WHERE server = 2 AND forgotten_at IS NULL
        AND settled_at <= 3.0 AND (settled_at, id) < (3.0, 'x') ORDER BY settled_at DESC, id DESC LIMIT 4
        """
    )
    plan = [row["detail"] for row in rows]
    assert "jobs_of_servers" in plan[0]
    assert not [step for step in plan if step.startswith("USE TEMP B-TREE FOR ORDER BY")]
