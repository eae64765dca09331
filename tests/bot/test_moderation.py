"""What is laid before moderators at a real API."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.app import Atelier
from bot.moderation import Desk, decided_card
from generation.job import UserId, new_job_id
from generation.safety import Review
from playground.faults import Fault
from playground.server import Playground
from storage.database import Database
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.privacy import NOBODY
from storage.reviews import Held, Reviews
from storage.servers import Servers
from tests.storage.test_reviews import held
from tests.storage.things import files_in

NO_COURIER: Any = None
"""Nothing is decided."""


async def test_nothing_is_begun_for_moderators_that_does_not_end_with_the_desk(
    tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(blank, tmp_path / "atelier.db")
    async with (
        Playground() as playground,
        Database.open(tmp_path / "atelier.db") as database,
        Atelier() as client,
    ):
        variables, server = playground.environment(), int(playground.world.guild.id)
        monkeypatch.setattr(discord.http.Route, "BASE", variables["DISCORD_API_URL"].rstrip("/"))
        await client.login(variables["DISCORD_TOKEN"])
        pictures, servers = Pictures(database, tmp_path / "pictures"), await Servers.opened(database)
        jobs = Jobs(database, pictures)
        place = next(int(each.id) for each in playground.world.channels.values() if each.name == "showcase")
        await servers.change(server, lambda was: replace(was, moderators_channel=place), by=UserId(8))
        await held(jobs, server)
        playground.faults.add(Fault(method="GET", path="/channels/*", held=True))
        desk = Desk(
            client,
            jobs=jobs,
            pictures=pictures,
            reviews=Reviews(database),
            servers=servers,
            courier=NO_COURIER,
        )
        async with desk:
            await desk.lay_out(server)  # after what its beginning has begun, and Discord does not answer
            begun = [task for task in asyncio.all_tasks() if task.get_name().startswith("review of")]
            assert len(begun) == 2
        assert all(task.done() for task in begun)
        playground.faults.clear()


async def test_files_that_the_disk_keeps_do_not_keep_the_desk_from_opening(
    tmp_path: Path, blank: Path
) -> None:
    shutil.copy(blank, tmp_path / "atelier.db")
    async with Database.open(tmp_path / "atelier.db") as database:
        pictures, reviews = Pictures(database, tmp_path / "pictures"), Reviews(database)
        jobs = Jobs(database, pictures)
        job = await held(jobs)
        await reviews.decide(job.id, Review.REJECTED, by=UserId(8))  # and the process died here
        [file, *_] = files_in(tmp_path / "pictures")
        file.unlink()
        file.mkdir()
        desk = Desk(
            discord.Client(intents=discord.Intents.none()),
            jobs=jobs,
            pictures=pictures,
            reviews=reviews,
            servers=await Servers.opened(database),
            courier=NO_COURIER,
        )
        async with desk:
            assert await reviews.rejected_but_kept() == ()


def test_who_has_decided_and_is_forgotten_is_not_named() -> None:
    decided = Held(job_id=new_job_id(), server=2, state=Review.APPROVED, held_at=0.0, decided_by=NOBODY)
    assert list(map(str, decided_card(decided).text)) == ["**Let pass** by somebody who is forgotten."]
