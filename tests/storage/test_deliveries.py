"""What is owed stays owed until it has arrived, and is told once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generation.job import Job, JobId, JobState
from storage.database import Database
from storage.deliveries import Address, Call, Deliveries, Delivery, DeliveryState, owe_delivery_again
from storage.jobs import Jobs
from storage.pictures import Pictures
from tests.storage.things import ADDRESS, a_job, a_picture, done


async def kept(jobs: Jobs, address: Address = ADDRESS) -> Job:
    job = a_job()
    await jobs.keep(job, address)
    return job


async def ended(jobs: Jobs) -> Job:
    job = await kept(jobs)
    await jobs.settle(job.moved(JobState.CANCELLED))
    return job


async def the(deliveries: Deliveries, job: Job) -> Delivery:
    delivery = await deliveries.get(job.id)
    assert delivery is not None
    return delivery


@pytest.mark.parametrize("address", [ADDRESS, replace(ADDRESS, guild_id=None, message_id=None)])
async def test_an_address_comes_back_as_it_was_kept(
    jobs: Jobs, deliveries: Deliveries, address: Address
) -> None:
    job = await kept(jobs, address)

    assert await the(deliveries, job) == Delivery(job_id=job.id, address=address, state=DeliveryState.OPEN)


async def test_what_is_private_or_deleted_is_seen_nowhere(
    database: Database, jobs: Jobs, pictures: Pictures, deliveries: Deliveries
) -> None:
    shown, private, deleted, unsent = a_job(), a_job(private=True), a_job(), a_job()
    for job in (shown, private, deleted):
        await jobs.keep(job, ADDRESS)
    await jobs.keep(unsent, replace(ADDRESS, message_id=None))
    await jobs.settle(done(deleted), [a_picture(0), a_picture(1)])
    await pictures.forget(deleted.id)

    assert await deliveries.seen(shown.id) == ADDRESS
    for job in (private, deleted, unsent):
        assert await deliveries.seen(job.id) is None


async def test_nothing_is_known_of_an_unknown_job(deliveries: Deliveries) -> None:
    assert await deliveries.get(JobId("nobody knows")) is None


async def test_an_answer_is_owed_from_the_end_of_its_job_until_it_has_arrived(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    job = await kept(jobs)
    assert await deliveries.owed() == ()

    await jobs.settle(job.moved(JobState.CANCELLED))
    assert await deliveries.owed() == (job.id,)
    assert (await the(deliveries, job)).state is DeliveryState.OWED

    await deliveries.done(job.id)
    assert await deliveries.owed() == ()
    assert (await the(deliveries, job)).state is DeliveryState.DONE


async def test_what_ended_first_is_owed_first(jobs: Jobs, deliveries: Deliveries) -> None:
    one, two, three = await kept(jobs), await kept(jobs), await kept(jobs)
    for job in (two, three, one):
        await jobs.settle(job.moved(JobState.CANCELLED))

    assert await deliveries.owed() == (two.id, three.id, one.id)


async def test_what_is_owed_is_found_without_reading_what_has_arrived(database: Database) -> None:
    plan = await database.fetch_all(
        "EXPLAIN QUERY PLAN SELECT job_id FROM deliveries JOIN jobs ON jobs.id = job_id "
        "WHERE deliveries.state = 'owed' ORDER BY settled_at, job_id"
    )

    assert any("deliveries_owed" in row["detail"] for row in plan)


async def test_an_answer_that_nobody_can_get_is_abandoned_with_its_reason(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    job = await ended(jobs)

    await deliveries.abandoned(job.id, "The channel is gone.")

    assert await deliveries.owed() == ()
    delivery = await the(deliveries, job)
    assert (delivery.state, delivery.reason) == (DeliveryState.ABANDONED, "The channel is gone.")


async def test_an_answer_given_up_before_the_end_is_not_owed_after_it(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    job = await kept(jobs)
    await deliveries.abandoned(job.id, "The channel is gone.")

    assert await jobs.settle(job.moved(JobState.CANCELLED))

    assert await deliveries.owed() == ()


async def test_what_has_arrived_stays_so(jobs: Jobs, deliveries: Deliveries) -> None:
    job = await ended(jobs)
    await deliveries.done(job.id)

    await deliveries.abandoned(job.id, "too late")
    await deliveries.done(job.id)

    assert (await the(deliveries, job)).state is DeliveryState.DONE


async def test_what_is_not_owed_yet_cannot_have_arrived(jobs: Jobs, deliveries: Deliveries) -> None:
    job = await kept(jobs)

    await deliveries.done(job.id)

    assert (await the(deliveries, job)).state is DeliveryState.OPEN


async def test_an_answer_that_moved_within_its_channel_stays_in_its_server(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    job = await kept(jobs)

    await deliveries.moved(job.id, ADDRESS.channel_id, 2**63 - 1)

    assert (await the(deliveries, job)).address == replace(ADDRESS, message_id=2**63 - 1, token_expires_at=0)


async def test_an_answer_that_moved_elsewhere_is_in_a_direct_message(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    job = await kept(jobs)

    await deliveries.moved(job.id, 99, 100)

    address = (await the(deliveries, job)).address
    assert (address.guild_id, address.channel_id, address.message_id) == (None, 99, 100)


async def test_a_nonce_is_the_same_each_time_and_short_enough_for_discord(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    one, two = await kept(jobs), await kept(jobs)

    nonce = (await the(deliveries, one)).nonce
    await deliveries.moved(one.id, 99, 100)

    assert nonce == (await the(deliveries, one)).nonce != (await the(deliveries, two)).nonce
    assert len(nonce) <= 25


async def test_a_call_is_owed_once_from_when_the_end_has_arrived(jobs: Jobs, deliveries: Deliveries) -> None:
    waiting, over = await kept(jobs), await ended(jobs)

    for job in (waiting, over):
        await deliveries.done(job.id, call=Call.OWED)
    assert await deliveries.calls_owed() == (over.id,)

    await deliveries.called(over.id)
    assert await deliveries.calls_owed() == ()
    assert (await the(deliveries, over)).call is Call.DONE


async def test_who_was_called_is_not_called_for_a_later_round(
    jobs: Jobs, deliveries: Deliveries, database: Database
) -> None:
    job = await ended(jobs)
    await deliveries.done(job.id, call=Call.DONE)
    async with database.transaction() as transaction:
        await owe_delivery_again(transaction, job.id)

    await deliveries.done(job.id, 1, call=Call.OWED)

    assert await deliveries.calls_owed() == ()
