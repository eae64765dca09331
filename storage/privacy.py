"""What is kept about one person, in every table, and how it is forgotten."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from generation.job import JobId, UserId
from storage.database import Database, DatabaseUnusable, Transaction
from storage.gallery import tidy
from storage.people import People
from storage.pictures import Pictures
from storage.quotas import day_of

log = logging.getLogger(__name__)

NOBODY = UserId(0)
"""Who has done what was done by somebody forgotten."""

PERSONS: Mapping[str, tuple[str, ...]] = {
    "jobs": ("asker",),
    "deliveries": ("user_id",),
    "reviews": ("decided_by",),
    "styles": ("owner", "saved_by", "credit"),
    "person_settings": ("person",),
    "server_settings": ("changed_by",),
    "server_changes": ("changed_by",),
    "pauses": ("paused_by",),
    "spent": ("person",),
    "posts": ("person", "hidden_by"),
    "likes": ("person",),
    "reports": ("person", "decided_by"),
    "decisions": ("person", "decided_by"),
}
"""Every column with the id of a person. A new one comes here, into what is told and what is forgotten."""

_TOLD: Mapping[str, str] = {
    "requests": "SELECT * FROM jobs WHERE asker = :person ORDER BY id",
    "pictures": "SELECT pictures.* FROM pictures JOIN jobs ON job_id = id WHERE asker = :person "
    "ORDER BY job_id, position",
    "files_started_from": "SELECT inputs.* FROM inputs JOIN jobs ON job_id = id WHERE asker = :person "
    "ORDER BY job_id, digest",
    # Not the token, with which the message could be changed.
    "answers": "SELECT job_id, deliveries.state, reason, guild_id, channel_id, message_id, locale, call "
    "FROM deliveries JOIN jobs ON jobs.id = job_id WHERE asker = :person ORDER BY job_id",
    # Who decided is somebody else.
    "held_for_moderators": "SELECT reviews.job_id, reviews.state, held_at, decided_at FROM reviews "
    "JOIN jobs ON job_id = id WHERE asker = :person ORDER BY job_id",
    "decided_as_moderator": "SELECT job_id, state, decided_at FROM reviews WHERE decided_by = :person "
    "ORDER BY job_id",
    "styles": "SELECT * FROM styles WHERE kind = 'person' AND owner = :person ORDER BY key",
    "styles_saved_for_servers": "SELECT owner AS server, name, saved_at FROM styles "
    "WHERE kind = 'server' AND saved_by = :person ORDER BY owner, key",
    # What they are called, and by whom they were saved, is somebody else's.
    "styles_saved_from_what_you_shared": "SELECT kind, saved_at FROM styles WHERE credit = :person "
    "ORDER BY saved_at",
    "settings": "SELECT name, value, changed_at FROM person_settings WHERE person = :person ORDER BY name",
    "settings_of_servers": "SELECT server, name, changed_at FROM server_settings WHERE changed_by = :person "
    "ORDER BY server, name",
    "changes_of_servers": "SELECT server, name, changed_at FROM server_changes WHERE changed_by = :person "
    "ORDER BY id",
    "blocked_in_servers": "SELECT server FROM server_settings WHERE name = 'blocked' "
    "AND EXISTS (SELECT 1 FROM json_each(server_settings.value) AS one WHERE one.value = :person)",
    "paused_drawing": "SELECT paused_at FROM pauses WHERE paused_by = :person",
    # Who hid it is somebody else; the rest of the row is the index of words.
    "shared": "SELECT server, job_id, position, shared_at, title, tags, prompt, model, style, loras, likes, "
    "hidden_at, channel_id, message_id FROM posts WHERE person = :person ORDER BY id",
    "likes": "SELECT post, liked_at FROM likes WHERE person = :person ORDER BY post",
    "reports": "SELECT post, reason, reported_at, decision FROM reports WHERE person = :person ORDER BY id",
    "hidden_as_moderator": "SELECT id AS post, hidden_at FROM posts WHERE hidden_by = :person ORDER BY id",
    "reports_decided_as_moderator": "SELECT post, decision, decided_at FROM reports "
    "WHERE decided_by = :person ORDER BY id",
    "decided_about_what_you_shared": "SELECT server, post, decision, decided_at FROM decisions "
    "WHERE person = :person ORDER BY id",
    "decided_about_what_others_shared": "SELECT server, post, decision, decided_at FROM decisions "
    "WHERE decided_by = :person ORDER BY id",
    "had_on_days_forgotten": "SELECT server, day, pictures FROM spent WHERE person = :person",
}
"""What is kept about a person, under names that they understand."""

_DOOMED = "(SELECT id FROM jobs WHERE asker = :person AND settled_at IS NOT NULL)"
"""Their requests, but for those that are being drawn."""

_FORGETTING = (
    # What they shared goes with its pictures.
    "DELETE FROM likes WHERE person = :person",
    "DELETE FROM reports WHERE person = :person AND decision IS NOT NULL",
    f"DELETE FROM pictures WHERE job_id IN {_DOOMED}",
    f"DELETE FROM inputs WHERE job_id IN {_DOOMED}",
    f"DELETE FROM reviews WHERE job_id IN {_DOOMED}",
    f"DELETE FROM deliveries WHERE job_id IN {_DOOMED}",
    f"UPDATE jobs SET parent = NULL WHERE parent IN {_DOOMED}",
    "DELETE FROM jobs WHERE asker = :person AND settled_at IS NOT NULL",
    "DELETE FROM styles WHERE kind = 'person' AND owner = :person",
    "DELETE FROM person_settings WHERE person = :person",
    # What they did for others stays, without their name.
    "UPDATE notices SET outdated = outdated + 1 WHERE post IN "
    "(SELECT post FROM reports WHERE person = :person UNION "
    "SELECT post FROM decisions WHERE decided_by = :person)",
    "UPDATE reports SET person = :nobody WHERE person = :person",
    "UPDATE reports SET decided_by = :nobody WHERE decided_by = :person",
    "UPDATE posts SET hidden_by = :nobody WHERE hidden_by = :person",
    "UPDATE decisions SET person = :nobody WHERE person = :person",
    "UPDATE decisions SET decided_by = :nobody WHERE decided_by = :person",
    "UPDATE styles SET saved_by = :nobody WHERE saved_by = :person",
    "UPDATE styles SET credit = NULL WHERE credit = :person",
    "UPDATE reviews SET decided_by = :nobody WHERE decided_by = :person",
    "UPDATE server_settings SET changed_by = :nobody WHERE changed_by = :person",
    "UPDATE server_changes SET changed_by = :nobody WHERE changed_by = :person",
    "UPDATE pauses SET paused_by = :nobody WHERE paused_by = :person",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How much is kept about a person."""

    requests: int
    pictures: int
    byte_count: int
    """Of the files of these pictures."""
    styles: int
    settings: int
    shared: int
    likes: int


class Privacy:
    """Looks through all tables for one person."""

    def __init__(self, database: Database, pictures: Pictures, people: People) -> None:
        self._database = database
        self._pictures = pictures
        self._people = people

    async def kept(self, person: UserId) -> Kept:
        """How much is kept about them."""
        [row] = await self._database.browse(
            """
            SELECT
                (SELECT count(*) FROM jobs WHERE asker = :person) AS requests,
                (SELECT count(*) FROM pictures JOIN jobs ON job_id = id WHERE asker = :person) AS pictures,
                (
                    SELECT coalesce(sum(byte_count), 0) FROM pictures JOIN jobs ON job_id = id
                    WHERE asker = :person
                ) AS byte_count,
                (SELECT count(*) FROM styles WHERE kind = 'person' AND owner = :person) AS styles,
                (SELECT count(*) FROM person_settings WHERE person = :person) AS settings,
                (SELECT count(*) FROM posts WHERE person = :person) AS shared,
                (SELECT count(*) FROM likes WHERE person = :person) AS likes
            """,
            {"person": person},
        )
        return Kept(**dict(row))

    async def told(self, person: UserId) -> dict[str, list[dict[str, Any]]]:
        """Every row about them, by what it is; what is none is left out."""
        found = {}
        for name, sql in _TOLD.items():
            rows = [_plain(dict(row)) for row in await self._database.browse(sql, {"person": person})]
            if rows:
                found[name] = rows
        return found

    async def waiting(self, person: UserId) -> tuple[JobId, ...]:
        """Their requests that have not ended."""
        rows = await self._database.fetch_all(
            "SELECT id FROM jobs WHERE asker = ? AND settled_at IS NULL ORDER BY id", (person,)
        )
        return tuple(JobId(row["id"]) for row in rows)

    async def held(self, person: UserId) -> tuple[JobId, ...]:
        """Their requests that moderators are shown."""
        rows = await self._database.fetch_all(
            """
            SELECT job_id FROM reviews JOIN jobs ON jobs.id = job_id
            WHERE asker = ? AND reviews.message_id IS NOT NULL
            """,
            (person,),
        )
        return tuple(JobId(row["job_id"]) for row in rows)

    async def forget(self, person: UserId) -> None:
        """Forget all about them that does not wait or run: rows, and files that nobody else's request needs.

        What they had today stays known until the day is over, and what servers decided about them. It is
        gone from the database's file, too, and not only from sight; where others write for long, some later.
        """
        today = day_of(time.time())
        values = {"person": person, "nobody": NOBODY, "day": today}
        known = partial(self._people.forgotten, person)
        async with self._pictures.forgetting(known) as (transaction, digests):
            digests |= await _files(transaction, person)
            await transaction.execute(
                """
                INSERT INTO spent (person, server, day, pictures)
                SELECT asker, server, :day, sum(count) FROM jobs
                WHERE asker = :person AND created_at >= :day AND state = 'done' GROUP BY server
                """,
                {"person": person, "day": today},
            )
            for statement in _FORGETTING:
                named = {name: value for name, value in values.items() if f":{name}" in statement}
                await transaction.execute(statement, named)
        try:
            await tidy(self._database)
            await self._database.scrub()
        except DatabaseUnusable as error:  # it is forgotten all the same, and they are told so
            log.warning("what was forgotten stays in the file of the database for now: %s", error)

    async def end_days(self) -> None:
        """Forget what people had on days that are over and who made us forget the rest."""
        over = (day_of(time.time()),)
        if await self._database.fetch_one("SELECT 1 FROM spent WHERE day < ?", over) is not None:
            async with self._database.transaction() as transaction:
                await transaction.execute("DELETE FROM spent WHERE day < ?", over)


async def _files(transaction: Transaction, person: UserId) -> set[str]:
    rows = await transaction.fetch_all(
        f"""
        SELECT digest FROM pictures WHERE job_id IN {_DOOMED}
        UNION SELECT digest FROM inputs WHERE job_id IN {_DOOMED}
        """,
        {"person": person},
    )
    return {row["digest"] for row in rows}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as people can read it: what is kept as JSON is no text in a text."""
    for name in ("more", "value", "tags", "loras"):
        if isinstance(row.get(name), str):
            row[name] = json.loads(row[name])
    return row
