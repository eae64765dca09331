"""What one person asked for, newest first: a page of it, their prompts, and how much it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from generation.job import Job, JobId, UserId
from storage.database import Database
from storage.deliveries import Address, address_of
from storage.jobs import SELECT_JOBS, outlined_job
from storage.pictures import StoredPicture, stored_picture

LOOKED_AT = 2000
"""Requests of a person whose prompts are suggested: so many are read in a few milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request, and what is left of it."""

    job: Job
    pictures: tuple[StoredPicture, ...]
    address: Address | None
    """Where its message is, as far as it is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of a person's requests, newest first."""

    entries: tuple[Entry, ...]
    has_newer: bool
    has_older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How much was drawn."""

    requests: int = 0
    pictures: int = 0
    seconds: float = 0.0
    """From asking to having it, all of them together."""
    models: Sequence[tuple[str, int]] = field(default=())
    """The sources of those that were used most, and how many pictures each drew."""


class History:
    """Requests by who made them. What was deleted is in none of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, person: UserId, size: int, *, before: JobId | None = None, after: JobId | None = None
    ) -> Page:
        """The newest requests, or those next to one.

        Args:
            before: those older than this one.
            after: those newer than this one, the nearest ones.
        """
        if after is not None:
            ids = await self._ids("id > ?", "ASC", person, after, size)
            newer, ids = len(ids) > size, ids[:size][::-1]
            older = bool(ids) and bool(await self._ids("id < ?", "DESC", person, ids[-1], 0))
        else:
            edge = before or JobId("~")  # after every id
            ids = await self._ids("id < ?", "DESC", person, edge, size)
            older, ids = len(ids) > size, ids[:size]
            newer = bool(ids) and bool(await self._ids("id > ?", "ASC", person, ids[0], 0))
        entries = [await self._entry(JobId(id_)) for id_ in ids]
        return Page(
            entries=tuple(entry for entry in entries if entry is not None),
            has_newer=newer,
            has_older=older,
        )

    async def _ids(self, where: str, order: str, person: UserId, edge: str, size: int) -> list[str]:
        """One more than `size`, if there are so many."""
        rows = await self._database.fetch_all(
            f"""
            SELECT id FROM jobs WHERE asker = ? AND {where} AND forgotten_at IS NULL
            ORDER BY id {order} LIMIT ?
            """,
            (person, edge, size + 1),
        )
        return [row["id"] for row in rows]

    async def _entry(self, job_id: JobId) -> Entry | None:
        row = await self._database.fetch_one(f"{SELECT_JOBS} WHERE jobs.id = ?", (job_id,))
        if row is None:
            return None
        pictures = await self._database.fetch_all(
            "SELECT * FROM pictures WHERE job_id = ? ORDER BY position", (job_id,)
        )
        delivery = await self._database.fetch_one("SELECT * FROM deliveries WHERE job_id = ?", (job_id,))
        return Entry(
            job=outlined_job(row),
            pictures=tuple(map(stored_picture, pictures)),
            address=None if delivery is None else address_of(delivery),
        )

    async def prompts(self, person: UserId, typed: str, most: int) -> list[tuple[JobId, str]]:
        """Different prompts of a person in which all the typed words occur, each with its newest request.

        Those that begin as was typed come first, then the newest. Of very many requests the newest are looked
        at; what was brought to be made larger has no prompt.
        """
        rows = await self._database.fetch_all(
            f"""
            SELECT id, prompt FROM jobs
            WHERE asker = ? AND forgotten_at IS NULL
                AND coalesce(json_extract(more, '$.upscale.brought'), 0) = 0
            ORDER BY id DESC LIMIT {LOOKED_AT}
            """,
            (person,),
        )
        words, begin = typed.casefold().split(), typed.casefold().strip()
        found: dict[str, JobId] = {}
        for row in rows:
            folded = row["prompt"].casefold()
            if all(word in folded for word in words):
                found.setdefault(row["prompt"], JobId(row["id"]))
        prompts = sorted(found, key=lambda prompt: not prompt.casefold().startswith(begin))
        return [(found[prompt], prompt) for prompt in prompts[:most]]

    async def prompt(self, person: UserId, job_id: JobId) -> str | None:
        """The prompt of a request, if it is this person's."""
        row = await self._database.fetch_one(
            "SELECT prompt FROM jobs WHERE id = ? AND asker = ?", (job_id, person)
        )
        return None if row is None else str(row["prompt"])

    async def tally(self, *, person: UserId | None = None, server: int | None = None, models: int) -> Tally:
        """How much was drawn for a person, in a server, or both.

        Args:
            models: so many of those that were used most are told.
        """
        named = {"asker": person, "server": server}
        given = {name: value for name, value in named.items() if value is not None}
        where = " AND ".join(["state = 'done'", *(f"{name} = :{name}" for name in given)])
        [row] = await self._database.browse(
            f"""
            SELECT count(*) AS requests, coalesce(sum(count), 0) AS pictures,
                coalesce(sum(settled_at - created_at), 0.0) AS seconds
            FROM jobs WHERE {where}
            """,
            given,
        )
        used = await self._database.browse(
            f"""
            SELECT model, sum(count) AS pictures FROM jobs WHERE {where}
            GROUP BY model ORDER BY pictures DESC, model LIMIT :most
            """,
            {**given, "most": models},
        )
        return Tally(
            requests=row["requests"],
            pictures=row["pictures"],
            seconds=row["seconds"],
            models=tuple((each["model"], each["pictures"]) for each in used),
        )
