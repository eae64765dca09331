"""What the people who manage a server have decided for it, setting by setting, and who changed what when."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from generation.job import UserId
from generation.safety import Safety
from storage.database import Database, Row

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """All that a server can decide; what it has not decided is as the owner of the bot wants it.

    Each field is a row of its own, named after it, so that a new one needs no migration. A field that has its
    default has no row.
    """

    safety: Safety | None = None
    """What is to become of pictures that the safety checker flags."""
    open_safety: Safety | None = None
    """The least that is to become of them in channels that are not age-restricted."""
    moderators_channel: int | None = None
    """Where what is held for moderators is shown; None: only where they ask for it."""
    log_channel: int | None = None
    """Where each change of a setting is told; None: nowhere but in the list of changes."""
    channels: tuple[int, ...] = ()
    """Where pictures may be asked for, with their threads and posts; none: everywhere."""
    models: tuple[str, ...] = ()
    """The names of those that may draw; none: all."""
    adult_models: tuple[str, ...] = ()
    """The names of those that may draw in age-restricted channels only."""
    words: tuple[str, ...] = ()
    """What no prompt may hold."""
    blocked: tuple[int, ...] = ()
    """People who may not ask for pictures."""
    spoilers: bool = False
    """Whether all pictures are hidden behind spoilers."""
    language: str | None = None
    """Of what everybody sees, as Discord writes it: "de", "es-ES"."""
    retention: int | None = None
    """Days for which pictures are kept; None: for as long as nobody deletes them."""

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The settings of these names and values.

        Raises:
            ValueError, TypeError, KeyError: one cannot be.
        """
        return cls(**{name: _READ[name](value) for name, value in plain.items()})

    def plain(self) -> dict[str, Any]:
        """What differs from the default, as data that JSON can hold."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in told.items()
            if value not in (None, (), False)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One setting that somebody changed."""

    name: str
    was: Any
    """Plain data, None for none; of a list what was taken out of it."""
    became: Any
    """The same; of a list what was put into it."""
    by: UserId
    at: float
    """Seconds since the epoch, UTC."""


class Servers:
    """The settings of all servers. They are read once, and then in memory: nobody else changes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, ServerSettings] = {}
        self._changes = 0

    def known(self, server: int) -> ServerSettings | None:
        """What this server has decided, if that was read already."""
        return self._known.get(server)

    async def get(self, server: int) -> ServerSettings:
        """What this server has decided.

        Raises:
            ValueError, TypeError: what is kept is no setting of this version.
        """
        if (known := self._known.get(server)) is not None:
            return known
        seen = self._changes
        rows = await self._database.fetch_all(_SELECT, (server,))
        settings = _settings(server, rows)
        if seen == self._changes:  # else what was read may be older than what was changed meanwhile
            self._known[server] = settings
        return settings

    async def change(
        self, server: int, edit: Callable[[ServerSettings], ServerSettings], *, by: UserId
    ) -> tuple[Change, ...]:
        """Decide: what `edit` makes of what is decided now holds from here on. What has changed by that.

        Nobody else changes anything between its look and its answer. What it raises is raised here, and
        nothing has changed then.
        """
        now = time.time()
        try:
            async with self._database.transaction() as transaction:
                before = _settings(server, await transaction.fetch_all(_SELECT, (server,)))
                after = edit(before)
                changes = tuple(_differences(before.plain(), after.plain(), by=by, at=now))
                for change in changes:
                    await transaction.execute(
                        "DELETE FROM server_settings WHERE server = ? AND name = ?", (server, change.name)
                    )
                    if (value := after.plain().get(change.name)) is not None:
                        await transaction.execute(
                            """
                            INSERT INTO server_settings (server, name, value, changed_by, changed_at)
                            VALUES (?, ?, ?, ?, ?)
                            """,
                            (server, change.name, json.dumps(value), by, now),
                        )
                    await transaction.execute(
                        """
                        INSERT INTO server_changes (server, name, was, became, changed_by, changed_at)
                        VALUES (?, ?, ?, ?, ?, ?)
                        """,
                        (server, change.name, json.dumps(change.was), json.dumps(change.became), by, now),
                    )
        finally:
            # Also when it was cancelled: it may be kept nevertheless, so what we knew counts no more.
            self._changes += 1
            self._known.pop(server, None)
        return changes

    async def changes(self, server: int, limit: int) -> tuple[Change, ...]:
        """The newest changes, the newest first."""
        rows = await self._database.fetch_all(
            "SELECT * FROM server_changes WHERE server = ? ORDER BY id DESC LIMIT ?", (server, limit)
        )
        return tuple(map(_change, rows))

    async def last_changes(self, server: int) -> Mapping[str, Change]:
        """The newest change of each setting that was ever changed, by its name."""
        rows = await self._database.fetch_all(
            """
            SELECT * FROM server_changes
            WHERE id IN (SELECT MAX(id) FROM server_changes WHERE server = ? GROUP BY name)
            """,
            (server,),
        )
        return {row["name"]: _change(row) for row in rows}

    async def retentions(self) -> Mapping[int, int]:
        """For how many days pictures are kept, by the servers that have decided that."""
        rows = await self._database.fetch_all(
            "SELECT server, value FROM server_settings WHERE name = 'retention'"
        )
        return {row["server"]: _whole(json.loads(row["value"])) for row in rows}


_SELECT = "SELECT name, value FROM server_settings WHERE server = ?"


def _settings(server: int, rows: list[Row]) -> ServerSettings:
    plain = {row["name"]: json.loads(row["value"]) for row in rows}
    if unknown := plain.keys() - _READ.keys():
        log.warning("server %d has settings of another version: %s", server, ", ".join(sorted(unknown)))
    return ServerSettings.from_plain({name: plain[name] for name in plain.keys() & _READ.keys()})


def _differences(was: Mapping[str, Any], now: Mapping[str, Any], *, by: UserId, at: float) -> list[Change]:
    changes = []
    for name in _READ:
        before, after = was.get(name), now.get(name)
        if before == after:
            continue
        if isinstance(before, list) or isinstance(after, list):
            old, new = before or [], after or []
            before = [each for each in old if each not in new]
            after = [each for each in new if each not in old]
        changes.append(Change(name=name, was=before, became=after, by=by, at=at))
    return changes


def _change(row: Row) -> Change:
    return Change(
        name=row["name"],
        was=json.loads(row["was"]),
        became=json.loads(row["became"]),
        by=UserId(row["changed_by"]),
        at=row["changed_at"],
    )


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither yes nor no")
    return value


def _each(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def listed(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError(f"{value!r} is no list")
        return tuple(map(read, value))

    return listed


_READ: Mapping[str, Callable[[Any], Any]] = {
    "safety": Safety,
    "open_safety": Safety,
    "moderators_channel": _whole,
    "log_channel": _whole,
    "channels": _each(_whole),
    "models": _each(_text),
    "adult_models": _each(_text),
    "words": _each(_text),
    "blocked": _each(_whole),
    "spoilers": _yes_or_no,
    "language": _text,
    "retention": _whole,
}
"""How each setting is read from plain data: all fields there are."""
