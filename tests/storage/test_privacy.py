"""What is kept about somebody is told in full, and forgotten in full: every table is looked through."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from generation.job import Job, JobState, UserId
from generation.prompting.styles import Style
from generation.request import Digest, Start
from generation.safety import Review, Safety
from storage.database import Database
from storage.gallery import Gallery
from storage.jobs import Jobs
from storage.pauses import Pauses
from storage.people import People, PersonSettings, Ping
from storage.pictures import Pictures, digest_of
from storage.privacy import NOBODY, PERSONS, Privacy
from storage.quotas import Quotas
from storage.reports import Decision, Reports
from storage.reviews import Reviews
from storage.servers import Servers
from storage.styles import Owner, OwnerKind, Styles
from tests.storage.things import ADDRESS, REQUEST, a_job, a_picture, done, files_in

ADA, BEA = UserId(770_000_000_000_077), UserId(5)
SERVER = 2
MINE, SHARED = b"what I brought", b"what Bea brought, too"

NOT_PERSONS = {
    "jobs": "width height steps seed count clip_skip private covered for_adults weight server "
    "parent_position",
    "pictures": "position seed width height byte_count",
    "deliveries": "application_id guild_id channel_id message_id file_limit round",
    "reviews": "server channel_id message_id",
    "server_settings": "server",
    "server_changes": "id server",
    "migrations": "number",
    "durations": "id pixels steps",
    "pauses": "only_one",
    "spent": "server pictures",
    "galleries": "number server shared",
    "eras": "first channel adults",
    "posts": "id server position day size likes channel_id message_id shown_likes",
    "likes": "post",
    "reports": "id post server",
    "decisions": "id server post",
    "hidden_files": "server",
    "notices": "channel_id message_id server post position outdated says_hidden",
    "takedowns": "channel_id message_id",
    "boards": "server week channel_id message_id outdated",
    "gallery_words": "id gallery posts",
    "gallery_tags": "gallery posts",
    **dict.fromkeys(("posts_found_data", "gallery_trigrams_data"), "id"),
}
"""The numbers that are no ids of people."""


@pytest.fixture
async def people(database: Database) -> People:
    return await People.opened(database)


@pytest.fixture
def privacy(database: Database, pictures: Pictures, people: People) -> Privacy:
    return Privacy(database, pictures, people)


async def tables(database: Database) -> list[str]:
    rows = await database.fetch_all("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [row["name"] for row in rows if not row["name"].startswith("sqlite_")]


async def test_every_column_that_may_hold_a_person_is_known_to_or_is_none(database: Database) -> None:
    for table in await tables(database):
        rows = await database.fetch_all("SELECT name, type FROM pragma_table_info(?)", (table,))
        numbers = {row["name"] for row in rows if row["type"] == "INTEGER"}
        known = {*PERSONS.get(table, ()), *NOT_PERSONS.get(table, "").split()}
        assert numbers == known, f"{table}: is it a person? storage/privacy.py tells and forgets those"


async def drawn(jobs: Jobs, asker: UserId, prompt: str, start: bytes | None = None, **changes: object) -> Job:
    begun = None if start is None else Start(picture=Digest(digest_of(start)), strength=0.5)
    request = replace(REQUEST, prompt=prompt, start=begun, count=1)
    job = a_job(asker=asker, request=request, created_at=time.time(), **changes)
    address = replace(ADDRESS, user_id=asker, guild_id=SERVER)
    await jobs.keep(job, address, {} if start is None else {digest_of(start): start})
    await jobs.settle(
        replace(done(job), review=Review.WAITING if job.safety is Safety.HOLD else None),
        [a_picture(content=prompt.encode())],
    )
    return job


@pytest.fixture
async def bea_child(
    database: Database, jobs: Jobs, people: People, styles: Styles, servers: Servers, reviews: Reviews
) -> Job:
    """Ada is in every table; the job of Bea's that goes on from one of hers."""
    parent = await drawn(jobs, ADA, "a secret of Ada's", MINE)
    await drawn(jobs, ADA, "her second", SHARED, parent=parent.id)
    child = await drawn(jobs, BEA, "what came of it", SHARED, parent=parent.id)
    for asker, by in ((ADA, BEA), (BEA, ADA)):
        held = await drawn(jobs, asker, f"held of {asker}", safety=Safety.HOLD)
        await reviews.decide(held.id, Review.APPROVED, by=by)
    await people.prefer(ADA, steps=30)
    await people.change(ADA, ping=Ping.ALWAYS)
    style = Style(name="Mine", prompt="{prompt}, of mine", negative_prompt="")
    for owner in (Owner(kind=OwnerKind.PERSON, id=ADA), Owner(kind=OwnerKind.SERVER, id=SERVER)):
        await styles.save(owner, [style], by=ADA)
    await styles.save(Owner(kind=OwnerKind.PERSON, id=BEA), [style], by=BEA, credit=ADA)
    await servers.change(SERVER, lambda settings: replace(settings, safety=Safety.HOLD), by=ADA)
    await Pauses(database).pause(ADA)
    gallery, reports = Gallery(database), Reports(database)
    own, _ = await gallery.share(
        parent.id, 0, server=SERVER, by=ADA, title="A zeppelin of Ada", tags=["dirigible"]
    )
    others, _ = await gallery.share(child.id, 0, server=SERVER, by=BEA)
    await gallery.like(others.id, ADA)
    await gallery.like(own.id, BEA)
    await reports.report(others.id, by=ADA, reason="not nice")
    await reports.decide(others.id, Decision.HIDDEN, by=ADA)
    await reports.report(own.id, by=BEA, reason="too nice")
    await reports.decide(own.id, Decision.KEPT, by=BEA)
    return child


async def test_everything_is_told_and_nothing_is_left(
    bea_child: Job,
    database: Database,
    path: Path,
    jobs: Jobs,
    pictures: Pictures,
    people: People,
    privacy: Privacy,
    tmp_path: Path,
) -> None:
    told = await privacy.told(ADA)
    counted = {name: len(rows) for name, rows in told.items()}
    assert counted == {
        "requests": 3,
        "pictures": 3,
        "files_started_from": 2,
        "answers": 3,
        "held_for_moderators": 1,
        "decided_as_moderator": 1,
        "styles": 1,
        "styles_saved_for_servers": 1,
        "styles_saved_from_what_you_shared": 1,
        "settings": 2,
        "settings_of_servers": 1,
        "changes_of_servers": 1,
        "paused_drawing": 1,
        "shared": 1,
        "likes": 1,
        "reports": 1,
        "hidden_as_moderator": 1,
        "reports_decided_as_moderator": 1,
        "decided_about_what_you_shared": 1,
        "decided_about_what_others_shared": 1,
    }
    assert ADDRESS.token not in json.dumps(told)
    kept = await privacy.kept(ADA)
    assert (kept.requests, kept.pictures, kept.styles, kept.settings) == (3, 3, 1, 2)
    assert (kept.shared, kept.likes) == (1, 1)

    await privacy.forget(ADA)

    left = {name: rows for name, rows in (await privacy.told(ADA)).items() if name != "had_on_days_forgotten"}
    assert left == {}
    for table in await tables(database):
        rows = await database.fetch_all(f"SELECT * FROM {table}")
        if table != "spent":
            assert str(ADA) not in json.dumps([list(map(str, row)) for row in rows]), table
    assert people.of(ADA) == (await People.opened(database)).of(ADA) == people.of(UserId(9))
    assert str(digest_of(MINE)) not in {file.name for file in files_in(tmp_path / "pictures")}
    left_in_files = b"".join(file.read_bytes() for file in files_in(tmp_path))
    assert b"a secret of Ada" not in left_in_files
    assert b"zeppelin" not in left_in_files, "the index of words holds what nothing else does"

    child = await jobs.get(bea_child.id)
    assert child is not None
    assert child.parent is None
    assert await pictures.read_file(Digest(digest_of(SHARED))) == SHARED
    assert await pictures.read((await pictures.of(bea_child.id))[0])
    decided = await Reports(database).decided(SERVER, 9)
    assert [(each.person, each.decided_by) for each in decided] == [(NOBODY, BEA), (BEA, NOBODY)]
    [row] = await database.fetch_all("SELECT decided_by FROM reviews")
    assert row["decided_by"] == NOBODY


async def test_forgetting_gives_back_nothing_of_what_was_had_today(
    bea_child: Job, database: Database, privacy: Privacy
) -> None:
    quotas, now = Quotas(database), time.time()
    before = await quotas.used(ADA, SERVER, now)
    for _ in range(2):
        await privacy.forget(ADA)
        assert await quotas.used(ADA, SERVER, now) == before
    assert before.pictures == 3
    assert (await quotas.used(ADA, SERVER, now + 86400)).pictures == 0
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE spent SET day = day - 86400")
    await privacy.end_days()
    assert await privacy.told(ADA) == {}


async def test_what_is_being_drawn_stays_until_it_has_ended(jobs: Jobs, privacy: Privacy) -> None:
    job = a_job(asker=ADA, request=replace(REQUEST, count=1))
    await jobs.keep(job, ADDRESS)
    await privacy.forget(ADA)
    assert await privacy.waiting(ADA) == (job.id,)
    await jobs.settle(job.moved(JobState.CANCELLED))
    assert await privacy.waiting(ADA) == ()
    await privacy.forget(ADA)
    assert await jobs.get(job.id) is None


async def test_what_somebody_decides_right_after_they_are_forgotten_is_known(
    bea_child: Job, database: Database, people: People, privacy: Privacy
) -> None:
    async def next_one() -> bool:
        async with database.transaction():  # as People.change has it; files are still being removed then
            return people.of(ADA) == PersonSettings()

    _, clean = await asyncio.gather(privacy.forget(ADA), next_one())
    assert clean


async def test_who_is_forgotten_is_so_although_others_write_for_long(path: Path, tmp_path: Path) -> None:
    async with Database.open(path, patience=0.02) as database:
        pictures = Pictures(database, tmp_path / "pictures")
        privacy = Privacy(database, pictures, await People.opened(database))
        await drawn(Jobs(database, pictures), ADA, "a secret of Ada's")

        forgetting = asyncio.create_task(privacy.forget(ADA))

        async def writes_for_long() -> None:
            async with database.transaction():
                await forgetting

        await asyncio.gather(forgetting, writes_for_long())
        assert (await privacy.kept(ADA)).requests == 0
