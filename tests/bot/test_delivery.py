"""Which pictures are looked at while they are drawn."""

from __future__ import annotations

import shutil
from pathlib import Path

import discord
import pytest

from bot import delivery
from bot.delivery import Courier
from bot.letters import Letters
from bot.rounds import Round
from generation.job import JobId, Progressed
from generation.studio import Eye
from storage.database import Database
from storage.deliveries import Deliveries
from storage.jobs import Jobs
from storage.people import People
from storage.pictures import Pictures
from tests.bot.things import SHELF, job


async def cancel(job_id: JobId) -> None:
    raise AssertionError(f"{job_id} was cancelled")


async def test_what_is_seen_late_is_looked_at_further_and_what_is_never_seen_is_not(
    tmp_path: Path, blank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LOOK_PATIENCE", 0.001)
    shutil.copy(blank, tmp_path / "atelier.db")
    eyes: list[Eye] = []

    def watch(job_id: JobId, eye: Eye) -> int:
        eyes.append(eye)
        return 1

    async with Database.open(tmp_path / "atelier.db") as database:
        deliveries, pictures = Deliveries(database), Pictures(database, tmp_path / "pictures")
        client = discord.Client(intents=discord.Intents.none())
        courier = Courier(
            Letters(client, deliveries, await People.opened(database)),
            shelf=SHELF,
            jobs=Jobs(database, pictures),
            pictures=pictures,
            deliveries=deliveries,
            cancel=cancel,
            watch=watch,
        )
        of = job()
        round_ = Round(job_id=of.id, asked_at=0.0, newest=Progressed(job=of, step=1, steps=20))
        for _ in range(4):
            await courier._look(round_)
            eyes[-1](0, b"late")
        assert len(eyes) == 4
        for _ in range(4):
            await courier._look(round_)
        assert len(eyes) == 6
