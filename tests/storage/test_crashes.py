"""What is left when the process is killed with SIGKILL: all that was promised, and nothing by half."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from generation.job import JobId
from storage.database import Database
from storage.deliveries import Deliveries
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.postwords import facet, term
from tests.storage.things import ADDRESS, a_job, files_in, line, program


async def killed_after(lines: int, name: str, folder: Path) -> list[JobId]:
    """Run a program until it has said this many lines, and kill it; what it said."""
    async with program(name, folder) as process:
        return [JobId(await line(process)) for _ in range(lines)]


async def test_every_job_that_was_kept_is_there_after_a_kill(path: Path) -> None:
    said = await killed_after(50, "keep", path.parent)

    async with Database.open(path) as database:
        found = {job.id for job in await Jobs(database, Pictures(database, path.parent)).unfinished()}

    # It may have kept one more that it did not come to say.
    assert set(said) <= found
    assert len(found) >= 50


async def test_every_job_that_was_settled_is_whole_after_a_kill(path: Path) -> None:
    said = await killed_after(10, "settle", path.parent)

    async with Database.open(path) as database:
        pictures = Pictures(database, path.parent / "pictures")
        owed = await Deliveries(database).owed()
        await pictures.sweep()

        assert set(said) <= set(owed)
        for job_id in owed:
            contents = [await pictures.read(stored) for stored in await pictures.of(job_id)]
            assert contents == [job_id.encode(), b"1" + job_id.encode()]
        assert len(files_in(path.parent / "pictures")) == 2 * len(owed)


async def test_likes_are_counted_right_after_a_kill(path: Path) -> None:
    said = await killed_after(30, "like", path.parent)

    async with Database.open(path) as database:
        [post] = await database.fetch_all("SELECT likes, tier FROM posts")
        people = {str(row["person"]) for row in await database.fetch_all("SELECT person FROM likes")}
        found = await database.fetch_all(
            "SELECT rowid FROM posts_found WHERE posts_found MATCH ?", (term(facet("l", post["tier"])),)
        )
    assert set(said) <= people
    assert post["likes"] == len(people) >= 30
    assert len(found) == 1, "the index of words knows the tier"


async def test_a_picture_that_was_saved_without_a_row_is_swept_at_the_next_start(path: Path) -> None:
    folder = path.parent / "pictures"
    await killed_after(1, "save", path.parent)
    assert len(files_in(folder)) == 1

    async with Database.open(path) as database:
        assert await Pictures(database, folder).sweep() == 1

    assert files_in(folder) == []


async def test_half_a_transaction_leaves_nothing_after_a_kill(path: Path) -> None:
    job = a_job()
    async with Database.open(path) as database:
        await Jobs(database, Pictures(database, path.parent)).keep(job, ADDRESS)
    await killed_after(1, "change", path.parent)

    async with Database.open(path) as database:
        assert await Jobs(database, Pictures(database, path.parent)).get(job.id) == job


@pytest.mark.parametrize("name", ["keep", "settle"])
async def test_the_files_of_a_killed_process_can_be_copied_and_opened_elsewhere(
    path: Path, name: str
) -> None:
    folder = path.parent / "here"
    folder.mkdir()
    said = await killed_after(3, name, folder)
    shutil.copytree(folder, path.parent / "there")

    async with Database.open(path.parent / "there" / path.name) as database:
        rows = await database.fetch_all("SELECT id FROM jobs")
        assert {row["id"] for row in rows} >= set(said)
        [[verdict]] = await database.fetch_all("PRAGMA integrity_check")
        assert verdict == "ok"
