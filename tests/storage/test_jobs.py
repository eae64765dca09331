"""Jobs come back exactly as they were kept, and what is unfinished is found again."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace

import pytest

from generation.image import PictureGone
from generation.job import JobId, JobState, UserId
from generation.request import MAX_PROMPT, InvalidRequest, Seed, Start, Variation, Wording
from generation.store import JobStore
from storage.database import Database
from storage.deliveries import Deliveries
from storage.jobs import Jobs
from storage.pictures import digest_of
from tests.storage.things import ADDRESS, REQUEST, a_job, a_picture, done, kept


async def test_the_studio_can_use_it(jobs: Jobs) -> None:
    store: JobStore = jobs

    assert await store.unfinished() == []


async def test_a_job_comes_back_with_every_setting(jobs: Jobs) -> None:
    job = a_job(private=True, weight=3)
    await jobs.keep(job, ADDRESS)

    assert await jobs.get(job.id) == job


async def test_settings_with_parts_come_back_too(jobs: Jobs) -> None:
    request = replace(
        REQUEST,
        prompt="a {red|blue} circle",
        clip_skip=2,
        start=Start(picture=digest_of(b"photo"), strength=0.5, mask=digest_of(b"mask")),
        variations=(Variation(seed=Seed(9), strength=0.25),),
        chosen=(
            Wording(prompt="a red circle", negative_prompt="blurry"),
            Wording(prompt="a blue circle", negative_prompt=""),
        ),
    )
    job = a_job(request=request)
    await jobs.keep(job, ADDRESS, {digest_of(content): content for content in (b"photo", b"mask")})

    assert await jobs.get(job.id) == job


async def test_every_setting_without_parts_has_a_column_of_its_own(jobs: Jobs, database: Database) -> None:
    await jobs.keep(a_job(weight=3), ADDRESS)

    [row] = map(dict, await database.fetch_all("SELECT * FROM jobs"))
    assert {key: value for key, value in row.items() if value is not None and key not in ("id", "asker")} == {
        "prompt": "a red circle",
        "negative_prompt": "blurry",
        "model": "models/mini",
        "width": 128,
        "height": 192,
        "steps": 20,
        "guidance": 7.1,
        "sampler": "DPM++ 2M Karras",
        "clip_skip": 1,
        "seed": 4_294_967_295,
        "count": 2,
        "more": "{}",
        "safety": "off",
        "weight": 3,
        "private": 0,
        "covered": 0,
        "for_adults": 0,
        "server": 2,
        "state": "queued",
        "created_at": 1_700_000_000.125,
    }


@pytest.mark.parametrize(
    "prompt",
    [
        "x" * MAX_PROMPT,
        "'; DROP TABLE jobs; --",
        "日本語 🦊 é\u0301 \u202e",
        "a\nb\tc",
        "null \x00 inside",
        "@everyone `x`",
    ],
)
async def test_any_prompt_comes_back_as_it_was(jobs: Jobs, prompt: str) -> None:
    job = a_job(request=replace(REQUEST, prompt=prompt, negative_prompt=prompt))
    await jobs.keep(job, ADDRESS)

    assert await jobs.get(job.id) == job


async def test_ids_of_discord_are_exact_to_the_last_bit(jobs: Jobs, deliveries: Deliveries) -> None:
    largest = 2**63 - 1
    address = replace(
        ADDRESS,
        application_id=largest,
        guild_id=largest - 1,
        channel_id=largest - 2,
        user_id=UserId(largest - 3),
        message_id=largest - 4,
    )
    job = a_job(asker=UserId(largest))
    await jobs.keep(job, address)

    assert await jobs.get(job.id) == job
    delivery = await deliveries.get(job.id)
    assert delivery is not None
    assert delivery.address == address


async def test_an_unknown_job_is_none(jobs: Jobs) -> None:
    assert await jobs.get(JobId("nobody knows")) is None


async def test_a_reroll_knows_its_parent(jobs: Jobs) -> None:
    parent = a_job()
    child = a_job(parent=parent.id, request=REQUEST.rerolled(Seed(7)))
    await jobs.keep(parent, ADDRESS)
    await jobs.keep(child, ADDRESS)

    kept = await jobs.get(child.id)
    assert kept is not None
    assert kept.parent == parent.id


async def test_a_job_with_an_unknown_parent_is_not_kept_by_half(jobs: Jobs, deliveries: Deliveries) -> None:
    job = a_job(parent=JobId("nobody knows"))  # or somebody has just been forgotten

    with pytest.raises(PictureGone):
        await jobs.keep(job, ADDRESS)

    assert await jobs.get(job.id) is None
    assert await deliveries.get(job.id) is None


async def test_a_job_is_kept_once(jobs: Jobs) -> None:
    job = a_job()
    await jobs.keep(job, ADDRESS)

    with pytest.raises(sqlite3.IntegrityError):
        await jobs.keep(job, ADDRESS)


async def test_only_what_waits_is_kept(jobs: Jobs) -> None:
    with pytest.raises(ValueError, match="only what still waits is kept"):
        await jobs.keep(a_job().moved(JobState.RUNNING), ADDRESS)


async def test_two_hundred_jobs_kept_at_once_are_all_there(jobs: Jobs, database: Database) -> None:
    many = [a_job(asker=UserId(number)) for number in range(200)]

    await asyncio.gather(*(jobs.keep(job, ADDRESS) for job in many))

    assert {job.id for job in await jobs.unfinished()} == {job.id for job in many}
    assert len(await database.fetch_all("SELECT 1 FROM deliveries WHERE state = 'open'")) == 200


# What is unfinished --------------------------------------------------------------------------------------


async def test_what_is_unfinished_comes_back_oldest_first(jobs: Jobs) -> None:
    first, second, third = (a_job(created_at=float(number)) for number in range(3))
    for job in (third, first, second):
        await jobs.keep(job, ADDRESS)

    assert await jobs.unfinished() == [first, second, third]


async def test_what_is_settled_is_finished(jobs: Jobs) -> None:
    one, two, three, four = (a_job() for _ in range(4))
    for job in (one, two, three, four):
        await jobs.keep(job, ADDRESS)
    await jobs.settle(done(one), [a_picture()])
    await jobs.settle(two.moved(JobState.CANCELLED))
    await jobs.settle(three.moved(JobState.FAILED, failure="The model is broken."))

    assert await jobs.unfinished() == [four]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("steps = 151", "151 steps are not possible"),
        ("height = 100", "both edges must be multiples of 8"),
        ("""more = '{"start": {"unheard": 1}}'""", "Please ask anew."),
        ("more = '{'", "Please ask anew."),
    ],
)
async def test_what_todays_rules_refuse_fails_with_a_sentence_and_the_others_go_on(
    jobs: Jobs, deliveries: Deliveries, database: Database, change: str, reason: str
) -> None:
    outdated, other = await kept(jobs), await kept(jobs)
    async with database.transaction() as transaction:
        await transaction.execute(f"UPDATE jobs SET {change} WHERE id = ?", (outdated.id,))

    assert await jobs.give_up_outdated() == 1
    assert await jobs.give_up_outdated() == 0

    assert await jobs.unfinished() == [other]
    assert await deliveries.owed() == (outdated.id,)
    told = await jobs.outlined(outdated.id)
    assert told is not None
    assert told.state is JobState.FAILED
    assert told.request.prompt == "a red circle"
    assert (told.failure or "").startswith(
        "This was asked before I was changed, and I cannot draw it any more."
    )
    assert reason in (told.failure or "")
    with pytest.raises(InvalidRequest, match="This was asked before I was changed"):
        await jobs.get(outdated.id)


async def test_the_unfinished_are_found_without_reading_what_is_finished(database: Database) -> None:
    plan = await database.fetch_all(
        "EXPLAIN QUERY PLAN SELECT * FROM jobs WHERE settled_at IS NULL ORDER BY created_at, id"
    )

    [step] = [row["detail"] for row in plan]  # no second one to sort
    assert "jobs_unfinished" in step
