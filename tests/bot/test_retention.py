"""Old pictures go when their server wants that, whatever becomes of one of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import discord

from bot import retention as room
from bot.boards import Board
from bot.curating import Curator
from bot.moderation import Desk
from bot.retention import Retention
from generation.job import UserId
from storage.boards import Boards
from storage.database import Database
from storage.eras import Eras
from storage.exhibits import Exhibits
from storage.gallery import Gallery
from storage.hanging import Hangings
from storage.jobs import Jobs
from storage.people import People
from storage.pictures import Pictures
from storage.privacy import Privacy
from storage.reports import Reports
from storage.reviews import Reviews
from storage.room import Room
from storage.servers import Servers
from tests.bot.things import SHELF
from tests.storage.things import ADDRESS, SERVER, a_job, a_picture, done, files_in

NO_COURIER: Any = None
"""Nothing is decided."""


async def retention_of(database: Database, folder: Path, servers: Servers) -> Retention:
    client = discord.Client(intents=discord.Intents.none())
    pictures, eras, reports = Pictures(database, folder), Eras(database), Reports(database)
    jobs, reviews = Jobs(database, pictures), Reviews(database)
    privacy = Privacy(database, pictures, await People.opened(database))
    desk = Desk(client, jobs=jobs, pictures=pictures, reviews=reviews, servers=servers, courier=NO_COURIER)
    curator = Curator(
        client,
        shelf=SHELF,
        gallery=Gallery(database),
        eras=eras,
        hangings=Hangings(database),
        exhibits=Exhibits(database),
        jobs=jobs,
        pictures=pictures,
        servers=servers,
        reports=reports,
        board=Board(client, boards=Boards(database), eras=eras, servers=servers),
    )
    return Retention(servers, pictures, Room(database, pictures), privacy, desk, curator)


async def test_a_file_that_the_disk_keeps_holds_up_no_other(
    tmp_path: Path, blank: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(room, "PAUSE", 0.0)
    shutil.copy(blank, tmp_path / "atelier.db")
    folder = tmp_path / "pictures"
    async with Database.open(tmp_path / "atelier.db") as database:
        servers = await Servers.opened(database)
        await servers.change(SERVER, lambda was: replace(was, retention=1), by=UserId(8))
        jobs = Jobs(database, Pictures(database, folder))
        for content in (b"one", b"two", b"three"):
            job = a_job()
            await jobs.keep(job, ADDRESS)
            await jobs.settle(done(job), [a_picture(0, content)])
        async with database.transaction() as transaction:
            await transaction.execute("UPDATE jobs SET settled_at = settled_at - 9 * 86400")
            await transaction.execute("UPDATE deliveries SET state = 'done'")
        [first] = [file for file in files_in(folder) if file.read_bytes() == b"one"]
        first.unlink()
        first.mkdir()  # which nobody can remove as a file
        retention = await retention_of(database, folder, servers)
        assert await retention.sweep() == 3
        assert files_in(folder) == []
