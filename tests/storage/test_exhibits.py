"""Kin of shared pictures: only what is shared, across people, and of several pictures the right one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from generation.job import Job, JobId, UserId
from generation.request import Start
from generation.safety import Safety, Verdict
from storage.database import Database, Parameters, Row
from storage.exhibits import Exhibits
from storage.gallery import Gallery
from storage.jobs import Jobs
from storage.pictures import digest_of
from storage.posts import Post
from tests.storage.things import ADDRESS, REQUEST, SERVER, a_job, a_picture, done

ADA, BEA = UserId(4), UserId(5)
ONE, TWO = b"the first picture", b"the second picture"


@pytest.fixture
def exhibits(database: Database) -> Exhibits:
    return Exhibits(database)


async def drawn(
    jobs: Jobs,
    *contents: bytes,
    parent: JobId | None = None,
    start: bytes | None = None,
    index: int | None = None,
    by: UserId = ADA,
    server: int = SERVER,
) -> Job:
    request = REQUEST if start is None else replace(REQUEST, start=Start(picture=digest_of(start)))
    job = a_job(request=request, parent=parent, parent_index=index, asker=by)
    await jobs.keep(
        job, replace(ADDRESS, user_id=by, guild_id=server), {} if start is None else {digest_of(start): start}
    )
    await jobs.settle(done(job), [a_picture(index, content) for index, content in enumerate(contents)])
    return job


async def shared(gallery: Gallery, job: Job, index: int = 0, server: int = SERVER) -> Post:
    post, _ = await gallery.share(job.id, index, server=server, by=job.asker)
    return post


async def test_of_several_pictures_the_one_that_was_gone_on_from_is_kin(
    jobs: Jobs, gallery: Gallery, exhibits: Exhibits
) -> None:
    both = await drawn(jobs, ONE, TWO)
    first, second = await shared(gallery, both, 0), await shared(gallery, both, 1)
    varied = await shared(gallery, await drawn(jobs, b"a", parent=both.id, start=TWO, by=BEA))
    rerolled = await shared(gallery, await drawn(jobs, b"b", parent=both.id))
    elsewhere = await shared(gallery, await drawn(jobs, b"c", parent=both.id, start=b"brought along"))

    assert await exhibits.origins(varied) == (second,)
    assert await exhibits.origins(rerolled) == (first,)
    assert set(await exhibits.offspring(second, 9)) == {varied, rerolled, elsewhere}
    assert set(await exhibits.offspring(first, 9)) == {rerolled, elsewhere}
    assert len(await exhibits.offspring(second, 2)) == 2

    remixed = await shared(gallery, await drawn(jobs, b"d", parent=both.id, index=1, by=BEA))
    assert await exhibits.origins(remixed) == (second,)
    assert remixed in await exhibits.offspring(second, 9)
    assert remixed not in await exhibits.offspring(first, 9)


async def test_what_is_not_shared_is_passed_over(jobs: Jobs, gallery: Gallery, exhibits: Exhibits) -> None:
    eldest = await drawn(jobs, ONE, by=BEA)
    between = await drawn(jobs, TWO, parent=eldest.id)
    youngest = await drawn(jobs, b"c", parent=between.id)
    grandparent, grandchild = await shared(gallery, eldest), await shared(gallery, youngest)
    assert await exhibits.origins(grandchild) == (grandparent,)
    assert await exhibits.offspring(grandparent, 9) == (grandchild,)

    child = await shared(gallery, between)
    assert await exhibits.origins(grandchild) == (child, grandparent)
    await gallery.hide(child.id, by=BEA)
    assert await exhibits.origins(grandchild) == (grandparent,)
    await gallery.hide(grandchild.id, by=BEA)
    assert await exhibits.offspring(grandparent, 9) == ()


@pytest.mark.parametrize(
    ("changes", "verdict", "expected"),
    [
        ({}, Verdict.UNASKED, False),
        ({"covered": True}, Verdict.UNASKED, True),
        ({"safety": Safety.SPOILER}, Verdict.CLEAN, False),
        ({"safety": Safety.SPOILER}, Verdict.UNASKED, True),
    ],
)
async def test_spoilers_stay_spoilers(
    changes: dict[str, object],
    verdict: Verdict,
    expected: bool,
    jobs: Jobs,
    gallery: Gallery,
    exhibits: Exhibits,
) -> None:
    job = a_job(**changes)
    await jobs.keep(job, ADDRESS)
    await jobs.settle(done(job), [replace(a_picture(0), verdict=verdict)])
    post = await shared(gallery, job)
    assert await exhibits.covered([post]) == ({post.id} if expected else set())


async def test_kin_are_looked_up_by_their_jobs_and_not_among_all_that_is_shared(
    jobs: Jobs, gallery: Gallery, tmp_path: Path
) -> None:
    post = await shared(gallery, await drawn(jobs, ONE))
    plans: list[str] = []

    class Watched(Database):
        async def browse(self, sql: str, parameters: Parameters = ()) -> list[Row]:
            rows = await super().browse(f"EXPLAIN QUERY PLAN {sql}", parameters)
            plans.extend(row["detail"] for row in rows)
            return await super().browse(sql, parameters)

    async with Watched.open(tmp_path / "other.db") as database:
        exhibits = Exhibits(database)
        await exhibits.origins(post)
        await exhibits.offspring(post, 9)
        await exhibits.covered([post])
    of_posts = [plan for plan in plans if re.match(r"(SEARCH|SCAN) posts\b", plan)]
    assert len(of_posts) == 3
    assert all(re.search(r"\((job_id=\?.*|rowid=\?)\)", plan) for plan in of_posts), of_posts


async def test_what_is_shared_in_another_server_is_no_kin(
    jobs: Jobs, gallery: Gallery, exhibits: Exhibits
) -> None:
    here = await drawn(jobs, ONE)
    there = await drawn(jobs, TWO, parent=here.id, server=9)
    parent, child = await shared(gallery, here), await shared(gallery, there, server=9)
    assert await exhibits.origins(child) == ()
    assert await exhibits.offspring(parent, 9) == ()
