"""A job ends exactly once, with all that belongs to its end, or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from generation.job import JobState
from generation.sentence import Sentence, count, say
from storage.database import Database
from storage.deliveries import Deliveries, DeliveryState
from storage.jobs import Jobs
from storage.pictures import Pictures
from tests.storage.things import a_job, a_picture, done, files_in, kept


async def test_a_drawn_job_is_settled_with_its_pictures_and_the_answer_that_is_owed(
    jobs: Jobs, pictures: Pictures, deliveries: Deliveries
) -> None:
    job = await kept(jobs)
    drawn = [a_picture(0, b"first"), a_picture(1, b"second")]

    assert await jobs.settle(done(job), drawn)

    assert await jobs.get(job.id) == replace(job, state=JobState.DONE)
    stored = await pictures.of(job.id)
    assert [(s.index, s.seed, s.size, await pictures.read(s)) for s in stored] == [
        (p.index, p.seed, p.size, p.png) for p in drawn
    ]
    assert [s.seed for s in stored] == [4_294_967_295, 0]  # each picture's own: seeds go round
    assert await deliveries.owed() == (job.id,)


async def test_a_failed_job_says_why(jobs: Jobs, deliveries: Deliveries) -> None:
    job = await kept(jobs)

    assert await jobs.settle(job.moved(JobState.FAILED, failure="The worker died three times."))

    settled = await jobs.get(job.id)
    assert settled is not None
    assert (settled.state, settled.failure) == (JobState.FAILED, "The worker died three times.")
    assert await deliveries.owed() == (job.id,)


class Loud:
    """A language in which everything is loud."""

    thousands = ","

    def one(self, template: str) -> str:
        return template.replace("was", "WAS")

    def one_of(self, singular: str, plural: str, number: int) -> str:
        return "{number} TIMES"


async def test_a_failure_can_be_said_in_another_language_after_a_restart_too(path: Path) -> None:
    times = count("once", "{number} times", 3)
    reason = say(
        "The worker {name} was lost {times}; it had {share:.0%}.", name="{x}", times=times, share=0.25
    )
    async with Database.open(path) as database:
        jobs = Jobs(database, Pictures(database, path.parent / "pictures"))
        job = await kept(jobs)
        assert await jobs.settle(job.moved(JobState.FAILED, failure=reason))

    async with Database.open(path) as database:
        again = await Jobs(database, Pictures(database, path.parent / "pictures")).outlined(job.id)
    assert again is not None
    assert again.failure == "The worker {x} was lost 3 times; it had 25%."
    assert isinstance(again.failure, Sentence)
    assert again.failure.within(Loud()) == "The worker {x} WAS lost 3 TIMES; it had 25%."


@pytest.mark.parametrize(
    "plain", ["The worker died.", "{", '{"a": 1}', '{"say": "{x}", "with": {}}', '{"say": 1, "with": {}}']
)
async def test_a_failure_that_was_kept_as_plain_text_is_told_as_it_was(
    jobs: Jobs, database: Database, plain: str
) -> None:
    job = await kept(jobs)
    await jobs.settle(job.moved(JobState.FAILED, failure="x"))
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE jobs SET failure = ?", (plain,))

    told = await jobs.get(job.id)
    assert told is not None
    assert told.failure == plain


async def test_a_cancelled_job_is_settled_too(jobs: Jobs, deliveries: Deliveries) -> None:
    job = await kept(jobs)

    assert await jobs.settle(job.moved(JobState.CANCELLED))

    assert await deliveries.owed() == (job.id,)


async def test_a_second_end_changes_nothing(
    jobs: Jobs, pictures: Pictures, deliveries: Deliveries, tmp_path: Path
) -> None:
    job = await kept(jobs)
    await jobs.settle(done(job), [a_picture(0, b"first")])
    await deliveries.done(job.id)
    before = (await jobs.get(job.id), await pictures.of(job.id), files_in(tmp_path / "pictures"))

    assert not await jobs.settle(done(job), [a_picture(0, b"another")])
    assert not await jobs.settle(job.moved(JobState.CANCELLED))

    assert (await jobs.get(job.id), await pictures.of(job.id), files_in(tmp_path / "pictures")) == before
    assert await deliveries.owed() == ()


async def test_of_two_ends_at_once_one_counts(jobs: Jobs, pictures: Pictures) -> None:
    job = await kept(jobs)

    counted = await asyncio.gather(
        jobs.settle(done(job), [a_picture()]),
        jobs.settle(job.moved(JobState.CANCELLED)),
        jobs.settle(done(job), [a_picture()]),
    )

    assert sorted(counted) == [False, False, True]
    settled = await jobs.get(job.id)
    assert settled is not None
    assert bool(await pictures.of(job.id)) == (settled.state is JobState.DONE)


async def test_the_end_of_an_unknown_job_changes_nothing(jobs: Jobs, tmp_path: Path) -> None:
    assert not await jobs.settle(done(a_job()), [a_picture()])

    assert files_in(tmp_path / "pictures") == []


async def test_what_still_runs_is_not_settled(jobs: Jobs) -> None:
    job = await kept(jobs)

    with pytest.raises(ValueError, match="only what has ended is settled"):
        await jobs.settle(job.moved(JobState.RUNNING))


async def test_an_end_that_cannot_be_written_whole_is_not_written_at_all(
    jobs: Jobs, pictures: Pictures, deliveries: Deliveries
) -> None:
    job = await kept(jobs)

    with pytest.raises(sqlite3.IntegrityError):
        await jobs.settle(done(job), [a_picture(0, b"one"), a_picture(0, b"two")])

    assert await jobs.get(job.id) == job
    assert await pictures.of(job.id) == ()
    delivery = await deliveries.get(job.id)
    assert delivery is not None
    assert delivery.state is DeliveryState.OPEN
    assert await jobs.settle(
        done(job), [a_picture(0, b"one"), a_picture(1, b"two")]
    )  # and can be tried again


async def test_whenever_an_end_is_cancelled_it_is_whole_or_did_not_happen(
    jobs: Jobs, pictures: Pictures, deliveries: Deliveries
) -> None:
    for steps in range(0, 60, 3):
        job = await kept(jobs)
        task = asyncio.create_task(jobs.settle(done(job), [a_picture(0, job.id.encode())]))
        for _ in range(steps):
            await asyncio.to_thread(lambda: None)  # a turn of the loop, and a moment for other threads
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        settled = await jobs.get(job.id)
        assert settled is not None
        delivery = await deliveries.get(job.id)
        assert delivery is not None
        ended = settled.state is JobState.DONE
        assert len(await pictures.of(job.id)) == ended
        assert (delivery.state is DeliveryState.OWED) == ended
        assert await jobs.settle(done(job), [a_picture(0, job.id.encode())]) == (not ended)
