"""What the people who manage a server have decided for it, setting by setting, and who changed what when."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from generation.job import UserId
from generation.preferences import Preferences
from generation.request import InvalidRequest
from generation.safety import Safety
from storage.database import Database, Row, to_the_end
from storage.quotas import Quota

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
    defaults: Preferences = field(default_factory=Preferences)
    """What is wanted where somebody leaves an option out who prefers nothing themselves."""
    words: tuple[str, ...] = ()
    """What no prompt may hold."""
    blocked: tuple[int, ...] = ()
    """People who may not ask for pictures."""
    spoilers: bool = False
    """Whether all pictures are hidden behind spoilers."""
    language: str | None = None
    """Of what everybody sees, as Discord writes it: "de", "es-ES"."""
    quotas: tuple[Quota, ...] = ()
    """What people may ask for: of everybody, and of roles; one each at the most."""
    retention: int | None = None
    """Days for which pictures are kept; None: for as long as nobody deletes them."""
    web_gallery: bool = False
    """Whether what is shared here can be seen in the web, by everybody who has the address."""

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The settings of these names and values.

        Raises:
            ValueError, TypeError, InvalidRequest: one cannot be.
        """
        return cls(**{name: _READ[name](value) for name, value in plain.items()})

    def plain(self) -> dict[str, Any]:
        """What differs from the default, as data that JSON can hold."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: _plain(value)
            for name, value in told.items()
            if value not in (None, (), False, Preferences())
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


class UnreadableSettings(Exception):  # noqa: N818 - the cause says what is wrong
    """Nobody knows what a server has decided."""


class Servers:
    """The settings of all servers, held in memory: they are asked before anything is acknowledged."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settings: dict[int, ServerSettings] = {}
        self._unreadable: dict[int, Exception] = {}

    @classmethod
    async def opened(cls, database: Database) -> Self:
        """The settings that are kept."""
        self = cls(database)
        kept: dict[int, dict[str, str]] = {}
        for row in await database.fetch_all("SELECT server, name, value FROM server_settings"):
            kept.setdefault(row["server"], {})[row["name"]] = row["value"]
        for server, rows in kept.items():
            try:
                self._settings[server] = _settings(server, rows)
            except (ValueError, TypeError, InvalidRequest) as error:
                log.error("server %d has settings that cannot be read: %r", server, error)
                self._unreadable[server] = error
        return self

    def of(self, server: int) -> ServerSettings:
        """What this server has decided.

        Raises:
            UnreadableSettings: what is kept is no setting of this version, and it is no permission.
        """
        if (error := self._unreadable.get(server)) is not None:
            raise UnreadableSettings(f"the settings of server {server} cannot be read") from error
        return self._settings.get(server, _NOTHING)

    async def change(
        self, server: int, edit: Callable[[ServerSettings], ServerSettings], *, by: UserId
    ) -> tuple[Change, ...]:
        """Decide: what `edit` makes of what is decided now holds from here on. What has changed by that.

        Nobody else changes anything between its look and its answer. What it raises is raised here, and
        nothing has changed then.
        """
        # To the end: else it might be kept, and not be known.
        return await to_the_end(self._change(server, edit, by))

    async def _change(
        self, server: int, edit: Callable[[ServerSettings], ServerSettings], by: UserId
    ) -> tuple[Change, ...]:
        now = time.time()
        async with self._database.transaction() as transaction:
            before = self.of(server)
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
        self._settings[server] = after
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

    def in_the_web(self) -> tuple[int, ...]:
        """The servers whose galleries can be seen in the web."""
        return tuple(server for server, settings in self._settings.items() if settings.web_gallery)

    def retentions(self) -> Mapping[int, int]:
        """For how many days pictures are kept, by the servers that have decided that."""
        return {
            server: settings.retention
            for server, settings in self._settings.items()
            if settings.retention is not None
        }


_NOTHING = ServerSettings()


def _settings(server: int, rows: Mapping[str, str]) -> ServerSettings:
    if unknown := rows.keys() - _READ.keys():
        log.warning("server %d has settings of another version: %s", server, ", ".join(sorted(unknown)))
    return ServerSettings.from_plain({name: json.loads(rows[name]) for name in rows.keys() & _READ.keys()})


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


def _plain(value: Any) -> Any:
    if isinstance(value, Preferences):
        return value.plain()
    if isinstance(value, Quota):
        return value.plain()
    return list(map(_plain, value)) if isinstance(value, tuple) else value


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
    "defaults": Preferences.from_plain,
    "words": _each(_text),
    "blocked": _each(_whole),
    "spoilers": _yes_or_no,
    "language": _text,
    "quotas": _each(Quota.from_plain),
    "retention": _whole,
    "web_gallery": _yes_or_no,
}
"""How each setting is read from plain data: all fields there are."""
