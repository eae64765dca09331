"""A row never points at nothing, and a file that nobody needs goes."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from generation.job import Job, JobId, JobState
from generation.request import Start
from storage.database import Database
from storage.deliveries import Deliveries
from storage.jobs import Jobs
from storage.pictures import PictureGone, Pictures, digest_of
from tests.storage.things import ADDRESS, REQUEST, a_job, a_picture, done, files_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


async def drawn(jobs: Jobs, *contents: bytes) -> Job:
    """A job that is settled with pictures of these contents."""
    job = a_job()
    await jobs.keep(job, ADDRESS)
    await jobs.settle(done(job), [a_picture(index, content) for index, content in enumerate(contents)])
    return job


async def every_row_has_its_file(database: Database, folder: Path) -> bool:
    rows = await database.fetch_all("SELECT digest FROM pictures")
    return {row["digest"] for row in rows} <= {path.name for path in files_in(folder)}


def aged(path: Path) -> Path:
    """Make a file as old as one from an earlier run."""
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


# Files ---------------------------------------------------------------------------------------------------


async def test_a_file_is_named_after_its_content(jobs: Jobs, folder: Path) -> None:
    await drawn(jobs, b"content")

    digest = hashlib.sha256(b"content").hexdigest()
    assert files_in(folder) == [folder / digest[:2] / digest]
    assert (folder / digest[:2] / digest).read_bytes() == b"content"


async def test_equal_pictures_share_a_file(jobs: Jobs, pictures: Pictures, folder: Path) -> None:
    one, two = await drawn(jobs, b"same", b"same"), await drawn(jobs, b"same")

    [file] = files_in(folder)
    stored = [*await pictures.of(one.id), *await pictures.of(two.id)]
    assert [(s.digest, s.byte_count) for s in stored] == [(file.name, 4)] * 3


async def test_a_file_that_is_there_is_used_as_it_is(jobs: Jobs, folder: Path) -> None:
    await drawn(jobs, b"same")
    [file] = files_in(folder)
    before = aged(file).stat()

    await drawn(jobs, b"same")

    assert (file.stat().st_ino, file.stat().st_mtime) == (before.st_ino, before.st_mtime)


@pytest.mark.parametrize("damaged", [b"wh", b"hwole"], ids=["cut short", "mixed up"])
async def test_a_damaged_file_is_written_again(
    damaged: bytes, jobs: Jobs, pictures: Pictures, folder: Path
) -> None:
    await drawn(jobs, b"whole")
    [file] = files_in(folder)
    file.write_bytes(damaged)

    job = await drawn(jobs, b"whole")

    [stored] = await pictures.of(job.id)
    assert await pictures.read(stored) == b"whole"


async def test_a_file_that_somebody_removed_is_gone_in_words(
    jobs: Jobs, pictures: Pictures, folder: Path
) -> None:
    [stored] = await pictures.of((await drawn(jobs, b"content")).id)
    files_in(folder)[0].unlink()

    with pytest.raises(PictureGone, match="not there any more"):
        await pictures.read(stored)


async def test_a_damaged_file_is_not_passed_off_as_the_picture(
    jobs: Jobs, pictures: Pictures, folder: Path
) -> None:
    [stored] = await pictures.of((await drawn(jobs, b"content")).id)
    files_in(folder)[0].write_bytes(b"c0ntent")

    with pytest.raises(PictureGone, match="damaged"):
        await pictures.read(stored)


async def test_a_job_without_pictures_has_none(jobs: Jobs, pictures: Pictures) -> None:
    job = a_job()
    await jobs.keep(job, ADDRESS)

    assert await pictures.of(job.id) == ()
    assert await pictures.of(JobId("nobody knows")) == ()


# Forgetting ----------------------------------------------------------------------------------------------


async def test_forgotten_pictures_are_gone_and_their_job_stays(
    jobs: Jobs, pictures: Pictures, folder: Path
) -> None:
    job = await drawn(jobs, b"one", b"two")

    await pictures.forget(job.id)

    assert files_in(folder) == []
    with pytest.raises(PictureGone, match="were deleted"):
        await pictures.of(job.id)
    kept = await jobs.get(job.id)
    assert kept is not None
    assert (kept.request, kept.state) == (job.request, JobState.DONE)


async def test_forgetting_again_is_nothing_new(jobs: Jobs, pictures: Pictures, database: Database) -> None:
    job = await drawn(jobs, b"one")
    await pictures.forget(job.id)
    before = await database.fetch_one("SELECT forgotten_at FROM jobs")

    await pictures.forget(job.id)
    await pictures.forget(JobId("nobody knows"))

    assert await database.fetch_one("SELECT forgotten_at FROM jobs") == before


async def test_a_file_that_another_job_needs_stays(jobs: Jobs, pictures: Pictures, folder: Path) -> None:
    one, two = await drawn(jobs, b"shared", b"own"), await drawn(jobs, b"shared")

    await pictures.forget(one.id)

    [stored] = await pictures.of(two.id)
    assert await pictures.read(stored) == b"shared"
    assert len(files_in(folder)) == 1

    await pictures.forget(two.id)

    assert files_in(folder) == []


# What requests start from ----------------------------------------------------------------------------------


def starting(content: bytes) -> Job:
    return a_job(request=replace(REQUEST, start=Start(picture=digest_of(content))))


async def test_what_a_job_starts_from_is_kept_and_goes_with_the_last_that_needs_it(
    jobs: Jobs, pictures: Pictures, folder: Path
) -> None:
    one, two = starting(b"photo"), starting(b"photo")
    await jobs.keep(one, ADDRESS, {digest_of(b"photo"): b"photo"})
    await jobs.keep(two, ADDRESS)

    assert await jobs.files(two.request) == {digest_of(b"photo"): b"photo"}
    await jobs.settle(done(one), [a_picture(0, b"drawn")])
    await pictures.forget(one.id)

    assert [path.read_bytes() for path in files_in(folder)] == [b"photo"]
    await jobs.settle(done(two), [a_picture(0, b"photo")])
    await pictures.forget(two.id)

    assert files_in(folder) == []


async def test_a_job_cannot_start_from_what_is_gone(jobs: Jobs, database: Database) -> None:
    with pytest.raises(PictureGone, match="not there any more"):
        await jobs.keep(starting(b"photo"), ADDRESS)

    assert await database.fetch_all("SELECT * FROM jobs") == []
    assert await database.fetch_all("SELECT * FROM inputs") == []


async def test_a_sweep_leaves_what_a_waiting_job_starts_from(
    jobs: Jobs, pictures: Pictures, folder: Path
) -> None:
    await jobs.keep(starting(b"photo"), ADDRESS, {digest_of(b"photo"): b"photo"})
    [file] = files_in(folder)
    aged(file)

    assert await pictures.sweep() == 0
    assert files_in(folder) == [file]


async def test_whoever_draws_and_forgets_the_same_at_once_leaves_no_row_without_a_file(
    jobs: Jobs, pictures: Pictures, database: Database, folder: Path
) -> None:
    async def come_and_go() -> None:
        for _ in range(5):
            await pictures.forget((await drawn(jobs, b"same")).id)
        await drawn(jobs, b"same")

    async def sweep() -> None:
        for _ in range(20):
            await pictures.sweep()

    await asyncio.gather(*(come_and_go() for _ in range(8)), sweep())

    assert len(await database.fetch_all("SELECT 1 FROM pictures")) == 8
    assert await every_row_has_its_file(database, folder)


async def test_a_forgetting_that_is_cancelled_removes_no_file_behind_anybodys_back(
    jobs: Jobs, pictures: Pictures, database: Database, folder: Path
) -> None:
    for steps in range(0, 40, 2):
        job = await drawn(jobs, b"same")
        task = asyncio.create_task(pictures.forget(job.id))
        for _ in range(steps):
            await asyncio.to_thread(lambda: None)  # a turn of the loop, and a moment for other threads
        task.cancel()
        await drawn(jobs, b"same")
        await asyncio.gather(task, return_exceptions=True)

        assert await every_row_has_its_file(database, folder)


# Sweeping ------------------------------------------------------------------------------------------------


async def test_a_sweep_removes_what_has_no_row_and_nothing_else(
    jobs: Jobs, pictures: Pictures, folder: Path
) -> None:
    job = await drawn(jobs, b"needed")
    aged(files_in(folder)[0])
    for name in ("00" * 32, "00" * 32 + ".12345678.tmp"):
        (folder / "00").mkdir(exist_ok=True)
        (folder / "00" / name).write_bytes(b"left behind")
        aged(folder / "00" / name)

    assert await pictures.sweep() == 2

    [stored] = await pictures.of(job.id)
    assert await pictures.read(stored) == b"needed"
    assert len(files_in(folder)) == 1
    assert await pictures.sweep() == 0


async def test_what_cannot_be_swept_keeps_nothing_else_from_it(pictures: Pictures, folder: Path) -> None:
    for shard in ("00", "77", "ff"):
        (folder / shard).mkdir(parents=True)
        (folder / shard / (shard * 32)).write_bytes(b"left behind")
        (folder / shard / ("0" + shard * 31)).mkdir()  # which is no file
        for entry in (folder / shard).iterdir():
            aged(entry)
    with pytest.raises(OSError, match="pictures"):
        await pictures.sweep()
    assert files_in(folder) == []


async def test_a_sweep_leaves_alone_what_this_run_is_writing(pictures: Pictures, folder: Path) -> None:
    async with pictures.saved([a_picture(0, b"being written")]):
        async with asyncio.timeout(60):
            assert await pictures.sweep() == 0
        assert len(files_in(folder)) == 1


async def test_a_sweep_waits_for_a_writer_that_is_about_to_use_an_old_file(
    jobs: Jobs, pictures: Pictures, folder: Path
) -> None:
    async with pictures.saved([a_picture(0, b"left behind")]):
        pass  # no row: as if the process had died here
    aged(files_in(folder)[0])
    job = a_job()
    await jobs.keep(job, ADDRESS)

    await asyncio.gather(
        pictures.sweep(), jobs.settle(done(job), [a_picture(0, b"left behind")]), pictures.sweep()
    )

    [stored] = await pictures.of(job.id)
    assert await pictures.read(stored) == b"left behind"


async def test_a_sweep_of_thousands_asks_in_portions(pictures: Pictures, folder: Path) -> None:
    (folder / "ab").mkdir(parents=True)
    for number in range(1_201):
        aged_file = folder / "ab" / f"ab{number:062}"
        aged_file.touch()
        aged(aged_file)

    assert await pictures.sweep() == 1_201
    assert files_in(folder) == []


async def test_a_sweep_before_the_first_picture_finds_nothing(pictures: Pictures) -> None:
    assert await pictures.sweep() == 0


async def test_what_is_older_than_a_server_wants_is_found_once_it_was_brought(
    jobs: Jobs, pictures: Pictures, deliveries: Deliveries, database: Database
) -> None:
    async def ended(at: float, *, server: int = 2, drawn: bool = True, brought: bool = True) -> Job:
        job = a_job()
        await jobs.keep(job, replace(ADDRESS, guild_id=server))
        await jobs.settle(done(job), [a_picture()] if drawn else [])
        async with database.transaction() as transaction:
            await transaction.execute("UPDATE jobs SET settled_at = ? WHERE id = ?", (at, job.id))
        if brought:
            await deliveries.done(job.id)
        return job

    second, first = await ended(20.0), await ended(10.0)
    third = await ended(30.0)
    await ended(15.0, server=3)
    await ended(15.0, drawn=False)
    await ended(15.0, brought=False)
    await jobs.keep(waits := a_job(), ADDRESS)
    forgotten = await ended(5.0)
    await pictures.forget(forgotten.id)

    found = await pictures.older(2, (30.0, ""), limit=9)
    assert [each.job_id for each in found] == [first.id, second.id]
    [one] = await pictures.older(2, (31.0, ""), after=(20.0, second.id), limit=9)
    assert one.job_id == third.id
    assert len(await pictures.older(2, (31.0, ""), limit=1)) == 1
    at_once = await ended(20.0)
    earlier, later = sorted((second.id, at_once.id))
    [next_, _] = await pictures.older(2, (31.0, ""), after=(20.0, earlier), limit=9)
    assert next_.job_id == later
    assert await jobs.get(waits.id) == waits


async def test_old_jobs_are_looked_for_in_an_index(database: Database) -> None:
    rows = await database.fetch_all(
        "EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE server = ? AND forgotten_at IS NULL AND settled_at < ?",
        (2, 30.0),
    )
    assert "jobs_of_servers" in rows[0]["detail"]
