"""What is held waits for one decision, which its job's message then has to say."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from generation.job import Job, JobId, JobState, UserId
from generation.safety import Review, Safety, Verdict
from storage.database import Database
from storage.deliveries import Deliveries, DeliveryState
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.reviews import Held, Reviews
from tests.storage.things import ADDRESS, a_job, a_picture, done

MODERATOR, OTHER = UserId(8), UserId(9)


async def held(jobs: Jobs, server: int = 2) -> Job:
    job = a_job(safety=Safety.HOLD)
    await jobs.keep(job, replace(ADDRESS, guild_id=server))
    pictures = [replace(a_picture(0), verdict=Verdict.FLAGGED), replace(a_picture(1), verdict=Verdict.CLEAN)]
    assert await jobs.settle(replace(done(job), review=Review.WAITING), pictures)
    return job


async def test_a_job_comes_back_with_what_was_wanted_and_its_review(jobs: Jobs, pictures: Pictures) -> None:
    job = await held(jobs)

    assert await jobs.get(job.id) == replace(done(job), review=Review.WAITING)
    assert [each.verdict for each in await pictures.of(job.id)] == [Verdict.FLAGGED, Verdict.CLEAN]


async def test_a_job_that_is_not_finished_keeps_what_was_wanted(jobs: Jobs) -> None:
    job = a_job(safety=Safety.REFUSE, covered=True)
    await jobs.keep(job, ADDRESS)

    assert await jobs.unfinished() == [job]


async def test_what_waits_is_told_by_server_in_its_order(jobs: Jobs, reviews: Reviews) -> None:
    one, two, three = await held(jobs, server=2), await held(jobs, server=3), await held(jobs, server=2)

    assert [each.job_id for each in await reviews.waiting(2)] == [one.id, three.id]
    assert [each.job_id for each in await reviews.waiting()] == [one.id, two.id, three.id]
    [first] = await reviews.waiting(3)
    assert first == Held(job_id=two.id, server=3, state=Review.WAITING, held_at=first.held_at)


async def test_what_is_decided_or_deleted_is_left_open_until_moderators_see_it_no_more(
    jobs: Jobs, reviews: Reviews, pictures: Pictures
) -> None:
    decided, deleted, waits, unseen = [await held(jobs) for _ in range(4)]
    for number, job in enumerate((decided, deleted, waits), start=1):
        await reviews.shown(job.id, 70, number)
    for job in (decided, unseen):
        await reviews.decide(job.id, Review.APPROVED, by=MODERATOR)
    await pictures.forget(deleted.id)

    assert {each.job_id for each in await reviews.left_open()} == {decided.id, deleted.id}
    await reviews.closed(decided.id)
    assert [each.job_id for each in await reviews.left_open()] == [deleted.id]


@pytest.mark.parametrize("decision", [Review.APPROVED, Review.REJECTED])
async def test_the_first_decision_counts_and_is_to_be_told(
    jobs: Jobs, reviews: Reviews, deliveries: Deliveries, decision: Review
) -> None:
    job = await held(jobs)
    await deliveries.done(job.id)

    assert await reviews.decide(job.id, decision, by=MODERATOR)
    assert not await reviews.decide(job.id, Review.APPROVED, by=OTHER)

    kept = await reviews.get(job.id)
    assert kept is not None
    assert (kept.state, kept.decided_by) == (decision, MODERATOR)
    assert await reviews.waiting() == ()
    after = await jobs.get(job.id)
    assert after is not None
    assert (after.state, after.review) == (JobState.DONE, decision)
    assert await deliveries.owed() == (job.id,)


async def test_of_two_decisions_at_once_one_counts_and_is_told_once(jobs: Jobs, reviews: Reviews) -> None:
    job = await held(jobs)

    counted = await asyncio.gather(
        reviews.decide(job.id, Review.REJECTED, by=MODERATOR),
        reviews.decide(job.id, Review.APPROVED, by=OTHER),
    )

    assert sorted(counted) == [False, True]
    now = await reviews.get(job.id)
    assert now is not None
    assert (now.decided_by == MODERATOR) is (now.state is Review.REJECTED) is counted[0]


async def test_a_message_that_says_what_was_before_does_not_pay_what_is_owed_now(
    jobs: Jobs, reviews: Reviews, deliveries: Deliveries
) -> None:
    job = await held(jobs)
    before = await deliveries.get(job.id)
    await reviews.decide(job.id, Review.APPROVED, by=MODERATOR)
    now = await deliveries.get(job.id)
    assert before is not None
    assert now is not None
    assert before.nonce != now.nonce
    assert len(now.nonce) <= 25

    await deliveries.done(job.id, before.round)
    await deliveries.abandoned(job.id, "too late", before.round)
    assert await deliveries.owed() == (job.id,)

    await deliveries.done(job.id, now.round)
    assert await deliveries.owed() == ()


async def test_nothing_is_decided_of_what_was_deleted_or_was_never_held(
    jobs: Jobs, reviews: Reviews, pictures: Pictures, deliveries: Deliveries
) -> None:
    job = await held(jobs)
    await deliveries.done(job.id)
    await pictures.forget(job.id)

    assert await reviews.waiting() == ()
    assert not await reviews.decide(job.id, Review.APPROVED, by=MODERATOR)
    kept = await reviews.get(job.id)
    assert kept is not None
    assert kept.is_forgotten
    assert await deliveries.owed() == ()
    assert await reviews.get(JobId("nobody knows")) is None


async def test_what_a_crash_left_of_a_rejected_job_is_found(
    jobs: Jobs, reviews: Reviews, pictures: Pictures
) -> None:
    rejected, approved = await held(jobs), await held(jobs)
    await reviews.decide(rejected.id, Review.REJECTED, by=MODERATOR)
    await reviews.decide(approved.id, Review.APPROVED, by=MODERATOR)
    assert await reviews.rejected_but_kept() == (rejected.id,)
    await pictures.forget(rejected.id)
    assert await reviews.rejected_but_kept() == ()


async def test_it_is_known_where_moderators_see_it(jobs: Jobs, reviews: Reviews) -> None:
    job = await held(jobs)
    await reviews.shown(job.id, 70, 71)

    [kept] = await reviews.waiting(2)
    assert (kept.channel_id, kept.message_id) == (70, 71)


async def test_an_answer_that_became_a_message_of_the_bots_own_is_not_edited_by_its_token(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    job = await held(jobs)
    await deliveries.moved(job.id, 3, 99)

    delivery = await deliveries.get(job.id)
    assert delivery is not None
    assert delivery.address.token_expires_at == 0
    assert delivery.state is DeliveryState.OWED


async def test_what_waits_in_a_server_is_found_without_reading_what_was_decided(database: Database) -> None:
    plan = await database.fetch_all(
        "EXPLAIN QUERY PLAN SELECT * FROM reviews WHERE state = 'waiting' AND server = 2 ORDER BY held_at"
    )

    assert any("reviews_waiting" in row["detail"] for row in plan)
