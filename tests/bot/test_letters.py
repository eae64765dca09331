"""Who is called because something is done, and how messages are linked."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import discord
import pytest

from bot.letters import LONG, Letters, link_to
from generation.job import Job, JobState
from generation.safety import Review
from storage.database import Database
from storage.deliveries import Deliveries
from storage.people import People, Ping
from tests.bot.things import ADA, done, job
from tests.storage.things import ADDRESS


@pytest.fixture
async def people(tmp_path: Path, blank: Path) -> AsyncIterator[People]:
    shutil.copy(blank, tmp_path / "atelier.db")
    async with Database.open(tmp_path / "atelier.db") as database:
        yield await People.opened(database)


@pytest.fixture
async def letters(people: People) -> Letters:
    client = discord.Client(intents=discord.Intents.none())
    return Letters(client, Deliveries(people._database), people)


def asked(seconds_ago: float, of: Job) -> Job:
    return replace(of, created_at=time.time() - seconds_ago)


async def test_nobody_is_called_who_does_not_want_it(letters: Letters) -> None:
    assert not letters.wants_call(asked(9 * LONG, done(job())))


async def test_who_wants_it_after_a_long_wait_is_called_after_one(people: People, letters: Letters) -> None:
    await people.change(ADA, ping=Ping.LONG)
    assert letters.wants_call(asked(LONG + 1, done(job())))
    assert not letters.wants_call(asked(LONG - 10, done(job())))


async def test_nobody_is_called_for_what_was_cancelled_or_cannot_be_seen_yet(
    people: People, letters: Letters
) -> None:
    await people.change(ADA, ping=Ping.ALWAYS)
    one = done(job())
    assert letters.wants_call(one)
    assert letters.wants_call(replace(one, state=JobState.FAILED, failure="No."))
    assert letters.wants_call(replace(one, review=Review.APPROVED))
    assert not letters.wants_call(replace(one, review=Review.WAITING))
    assert not letters.wants_call(replace(one, state=JobState.CANCELLED))


def test_a_link_leads_to_the_message_once_it_is_known() -> None:
    assert link_to(ADDRESS) == "https://discord.com/channels/2/3/5"
    assert link_to(replace(ADDRESS, guild_id=None)) == "https://discord.com/channels/@me/3/5"
    assert link_to(replace(ADDRESS, message_id=None)) is None
