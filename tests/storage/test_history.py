"""One's own requests, newest first: pages, prompts and sums, of very many too."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from generation.job import Job, JobState, UserId
from storage.database import Database
from storage.history import History
from storage.jobs import Jobs
from storage.pictures import Pictures
from tests.storage.things import ADDRESS, REQUEST, a_job, a_picture, done

ADA, BEA = UserId(4), UserId(5)


@pytest.fixture
def history(database: Database) -> History:
    return History(database)


async def kept(jobs: Jobs, number: int, asker: UserId = ADA, prompt: str = "a red circle") -> Job:
    request = replace(REQUEST, prompt=prompt, count=1)
    job = a_job(id=f"{number:016}", asker=asker, request=request)
    await jobs.keep(job, ADDRESS)
    return job


async def test_pages_lead_back_and_forth_and_hold_nobody_elses(jobs: Jobs, history: History) -> None:
    mine = [await kept(jobs, number) for number in range(1, 6)]
    await kept(jobs, 9, BEA)

    first = await history.page(ADA, 2)
    assert [entry.job for entry in first.entries] == [mine[4], mine[3]]
    assert (first.has_newer, first.has_older) == (False, True)
    second = await history.page(ADA, 2, before=mine[3].id)
    last = await history.page(ADA, 2, before=mine[1].id)
    assert [entry.job for entry in last.entries] == [mine[0]]
    assert (last.has_newer, last.has_older) == (True, False)
    back = await history.page(ADA, 2, after=mine[0].id)
    assert back == second
    assert (back.has_newer, back.has_older) == (True, True)
    assert (await history.page(UserId(6), 2)).entries == ()
    assert (await history.page(ADA, 2, before=mine[0].id)).entries == ()


async def test_an_entry_says_what_is_left_and_what_was_deleted_is_none(
    jobs: Jobs, pictures: Pictures, history: History
) -> None:
    job = await kept(jobs, 1)
    await jobs.settle(done(job), [a_picture()])
    failed = await kept(jobs, 2)
    await jobs.settle(failed.moved(JobState.FAILED, failure="No."))

    (two, one) = (await history.page(ADA, 5)).entries
    assert (two.job.failure, two.pictures, two.address) == ("No.", (), ADDRESS)
    assert one.pictures == await pictures.of(job.id)
    await pictures.forget(job.id)
    assert [entry.job.id for entry in (await history.page(ADA, 5)).entries] == [failed.id]
    await pictures.forget(failed.id)
    assert (await history.page(ADA, 5)).entries == ()
    assert await history.prompts(ADA, "", 9) == []


async def test_prompts_are_ones_own_each_once_the_best_first(jobs: Jobs, history: History) -> None:
    for number, prompt in enumerate(["A red hat", "a cat in a hat", "a dog", "a cat in a hat"], start=1):
        await kept(jobs, number, prompt=prompt)
    await kept(jobs, 9, BEA, prompt="a secret hat")

    assert [prompt for _, prompt in await history.prompts(ADA, "", 9)] == [
        "a cat in a hat",
        "a dog",
        "A red hat",
    ]
    assert [prompt for _, prompt in await history.prompts(ADA, "a RED", 9)] == ["A red hat"]
    assert [prompt for _, prompt in await history.prompts(ADA, "hat a", 9)] == ["a cat in a hat", "A red hat"]
    [(newest, _)] = await history.prompts(ADA, "cat", 9)
    assert await history.prompt(ADA, newest) == "a cat in a hat"
    assert await history.prompt(BEA, newest) is None


async def test_what_was_drawn_is_summed_up(jobs: Jobs, history: History) -> None:
    for number, asker in enumerate((ADA, ADA, BEA), start=1):
        job = await kept(jobs, number, asker)
        await jobs.settle(done(job), [a_picture()])
    await kept(jobs, 4)

    mine = await history.tally(person=ADA, models=3)
    assert (mine.requests, mine.pictures, mine.models) == (2, 2, (("models/mini", 2),))
    assert (await history.tally(server=ADDRESS.guild_id, models=3)).pictures == 3
    assert (await history.tally(person=BEA, server=77, models=3)).pictures == 0


async def test_among_a_hundred_thousand_requests_they_are_found_at_once(
    jobs: Jobs, history: History, database: Database
) -> None:
    await kept(jobs, 0, prompt="a small house by the sea")
    columns = [row["name"] for row in await database.fetch_all("SELECT name FROM pragma_table_info('jobs')")]
    others = ", ".join(name for name in columns if name not in ("id", "asker", "prompt"))
    async with database.transaction() as transaction:
        await transaction.execute(
            f"""
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100000)
            INSERT INTO jobs (id, asker, prompt, {others})
            SELECT printf('%016d', n), CASE WHEN n % 2 THEN :ada ELSE :bea END, prompt || n, {others}
            FROM jobs, numbers WHERE id = printf('%016d', 0)
            """,
            {"ada": ADA, "bea": BEA},
        )

    began = time.process_time()  # that is not longer where others compute, too
    assert len(await history.prompts(ADA, "house 9", 24)) == 24
    assert len((await history.page(ADA, 5, before=a_job(id=f"{50_000:016}").id)).entries) == 5
    assert time.process_time() - began < 1
    for where in ("id < 'x'", "id > 'x'"):
        [plan] = await database.fetch_all(
            f"EXPLAIN QUERY PLAN SELECT id FROM jobs WHERE asker = 4 AND {where} ORDER BY id LIMIT 6"
        )
        assert "jobs_by_asker" in plan["detail"]
