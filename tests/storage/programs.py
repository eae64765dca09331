"""What other processes do to a data folder: python -m tests.storage.programs NAME FOLDER."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from pathlib import Path

from generation.job import UserId
from storage.database import Database
from storage.gallery import Gallery
from storage.jobs import Jobs
from storage.pictures import Pictures
from tests.storage.things import ADDRESS, a_job, a_picture, a_post, done


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def keep(folder: Path) -> None:
    """Keep jobs, and say the id of each that is kept."""
    async with Database.open(folder / "atelier.db") as database:
        jobs = Jobs(database, Pictures(database, folder / "pictures"))
        while True:
            job = a_job()
            await jobs.keep(job, ADDRESS)
            say(job.id)


async def settle(folder: Path) -> None:
    """Keep and settle jobs, and say the id of each that is settled."""
    async with Database.open(folder / "atelier.db") as database:
        jobs = Jobs(database, Pictures(database, folder / "pictures"))
        while True:
            job = a_job()
            await jobs.keep(job, ADDRESS)
            await jobs.settle(
                done(job), [a_picture(0, job.id.encode()), a_picture(1, b"1" + job.id.encode())]
            )
            say(job.id)


async def like(folder: Path) -> None:
    """Share a picture and like it as one person after another, and say who is kept."""
    async with Database.open(folder / "atelier.db") as database:
        gallery = Gallery(database)
        post = await a_post(Jobs(database, Pictures(database, folder / "pictures")), gallery)
        for person in range(1000, 100_000):
            await gallery.like(post.id, UserId(person))
            say(str(person))


async def save(folder: Path) -> None:
    """Save a picture file, and get no further."""
    async with (
        Database.open(folder / "atelier.db") as database,
        Pictures(database, folder / "pictures").saved([a_picture(0, b"never in a row")]),
    ):
        say("saved")
        await asyncio.Event().wait()


async def change(folder: Path) -> None:
    """Do half of a transaction, and get no further."""
    async with Database.open(folder / "atelier.db") as database, database.transaction() as transaction:
        await transaction.execute("UPDATE jobs SET prompt = 'half done'")
        say("changed")
        await asyncio.Event().wait()


async def hold(folder: Path) -> None:
    """Lock the database against writing, as another program might."""
    connection = sqlite3.connect(folder / "atelier.db")
    connection.execute("BEGIN IMMEDIATE")
    say("locked")
    threading.Event().wait()


if __name__ == "__main__":
    asyncio.run(
        {p.__name__: p for p in (keep, settle, like, save, change, hold)}[sys.argv[1]](Path(sys.argv[2]))
    )
