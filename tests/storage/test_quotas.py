"""What people have had today, counted from the jobs themselves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from generation.job import Job, JobState, UserId
from generation.request import Start
from storage.database import Database
from storage.jobs import Jobs
from storage.pauses import Pauses
from storage.pictures import Pictures, digest_of
from storage.quotas import DAY, Counts, Kind, Quota, Quotas, QuotaSpent
from tests.storage.things import ADDRESS, REQUEST, a_job, a_picture, done, files_in

NOON = 1_700_000_000.0 - 1_700_000_000.0 % DAY + DAY / 2
ADA, BEN = UserId(1), UserId(2)
HERE, THERE = 2, 3


def at(noon: float = NOON, *, asker: UserId = ADA, count: int = 1) -> Job:
    return a_job(asker=asker, created_at=noon, request=replace(REQUEST, count=count))


async def keep(jobs: Jobs, job: Job, server: int | None = HERE, **ceilings: int) -> Job:
    await jobs.keep(job, replace(ADDRESS, guild_id=server), ceilings=Counts(**ceilings))
    return job


async def test_a_batch_counts_each_of_its_pictures(jobs: Jobs, database: Database) -> None:
    await keep(jobs, at(count=3), pictures=7)
    await keep(jobs, at(count=4), pictures=7)
    with pytest.raises(QuotaSpent) as spent:
        await keep(jobs, at(), pictures=7)
    assert (spent.value.kind, spent.value.left, spent.value.most) == (Kind.PICTURES, 0, 7)
    assert len(await jobs.unfinished()) == 2


async def test_each_limit_counts_its_own(jobs: Jobs, database: Database) -> None:
    await keep(jobs, at(count=4))
    await keep(jobs, at(count=2), THERE)
    await keep(jobs, at(), None)
    await keep(jobs, at(asker=BEN, count=3))
    used = Quotas(database).used
    assert await used(ADA, HERE, NOON) == Counts(pictures=4, anywhere=7, together=7, waiting=1)
    assert await used(ADA, THERE, NOON) == Counts(pictures=2, anywhere=7, together=2, waiting=1)
    assert await used(ADA, None, NOON) == Counts(pictures=1, anywhere=7, together=0, waiting=1)
    for ceiling in ({"pictures": 4}, {"anywhere": 7}, {"together": 7}, {"waiting": 1}):
        with pytest.raises(QuotaSpent, match=next(iter(ceiling))):
            await keep(jobs, at(), **ceiling)
    await keep(jobs, at(), pictures=5, anywhere=8, together=8, waiting=2)


async def test_the_next_day_begins_at_midnight_utc(jobs: Jobs) -> None:
    midnight = NOON + DAY / 2
    await keep(jobs, at(midnight - 1), pictures=1)
    with pytest.raises(QuotaSpent):
        await keep(jobs, at(midnight - 0.5), pictures=1)
    await keep(jobs, at(midnight), pictures=1)


async def test_what_was_asked_while_the_clock_was_a_year_ahead_is_not_counted_every_day(
    jobs: Jobs, database: Database
) -> None:
    await keep(jobs, at(NOON + 365 * DAY, count=4))
    await keep(jobs, at(count=2), pictures=2, anywhere=2, together=2)
    used = await Quotas(database).used(ADA, HERE, NOON)
    assert (used.pictures, used.anywhere, used.together, used.waiting) == (2, 2, 2, 2)


@pytest.mark.parametrize("end", [JobState.FAILED, JobState.CANCELLED])
async def test_what_fails_or_is_cancelled_is_given_back_once(
    jobs: Jobs, database: Database, end: JobState
) -> None:
    job = await keep(jobs, at(count=4), pictures=4)
    ended = job.moved(end, failure="It did not fit." if end is JobState.FAILED else None)
    assert await jobs.settle(ended)
    assert not await jobs.settle(ended)
    assert await Quotas(database).used(ADA, HERE, NOON) == Counts(
        pictures=0, anywhere=0, together=0, waiting=0
    )
    await keep(jobs, at(count=4), pictures=4)


async def test_what_was_drawn_counts_also_when_it_is_deleted(
    jobs: Jobs, pictures: Pictures, database: Database
) -> None:
    job = await keep(jobs, at(count=2))
    await jobs.settle(done(job), [a_picture(0), a_picture(1)])
    await pictures.forget(job.id)
    assert (await Quotas(database).used(ADA, HERE, NOON)).pictures == 2


async def test_requests_at_once_never_pass_a_limit_and_count_once_each(jobs: Jobs) -> None:
    asked = [keep(jobs, at(), pictures=5, waiting=9) for _ in range(12)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(outcome, Job) for outcome in outcomes) == 5
    assert all(isinstance(outcome, Job | QuotaSpent) for outcome in outcomes)
    assert len(await jobs.unfinished()) == 5


async def test_a_request_over_the_limit_leaves_no_file_behind(jobs: Jobs, tmp_path: Path) -> None:
    start = Start(picture=digest_of(b"photo"))
    job = a_job(request=replace(REQUEST, start=start))
    with pytest.raises(QuotaSpent):
        await jobs.keep(job, ADDRESS, {start.picture: b"photo"}, ceilings=Counts(pictures=1))
    assert not files_in(tmp_path / "pictures")


async def test_without_a_ceiling_everything_is_kept(jobs: Jobs) -> None:
    for _ in range(3):
        await jobs.keep(at(count=4), ADDRESS)
    assert len(await jobs.unfinished()) == 3


def test_a_quota_comes_back_from_plain_data_and_nothing_else_does() -> None:
    quota = Quota(role=9, pictures=20, weight=2)
    assert Quota.from_plain(quota.plain()) == quota
    assert quota
    assert not Quota(role=9)
    for wrong in ({"pictures": "20"}, {"pictures": True}, {"colour": 1}):
        with pytest.raises(TypeError):
            Quota.from_plain(wrong)
    with pytest.raises(ValueError):
        Quota.from_plain({"pictures": 0})


async def test_a_pause_is_kept_until_it_ends(database: Database) -> None:
    pauses = Pauses(database)
    assert not await pauses.is_paused()
    for by in (ADA, BEN):
        await pauses.pause(by)
    assert await Pauses(database).is_paused()
    await pauses.resume()
    assert not await pauses.is_paused()
