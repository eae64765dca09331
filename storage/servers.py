"""What the people who manage a server have decided for it, setting by setting, and who changed what when."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from generation.job import UserId
from generation.preferences import Preferences
from generation.request import InvalidRequest
from generation.safety import Safety
from generation.sentence import Sentence, Told, say
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
    room: int | None = None
    """Megabytes, of a million bytes, that pictures may take before the oldest go; None: any number."""
    gallery_channel: int | None = None
    """Where shared pictures are shown, a text channel or a forum; None: nothing can be shared."""
    board: int | None = None
    """The day on which the best of the week is posted there, from 1 for Monday to 7; None: never."""
    web_gallery: bool = False
    """Whether what is shared here can be seen on the web, by everybody who has the address."""

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


class UnreadableSettings(Told):
    """Nobody knows what a server has decided; a sentence for people, which says the way out."""


class Servers:
    """The settings of all servers, held in memory: they are asked before anything is acknowledged."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settings: dict[int, ServerSettings] = {}
        self._unreadable: dict[int, frozenset[str]] = {}

    @classmethod
    async def opened(cls, database: Database) -> Self:
        """The settings that are kept."""
        self = cls(database)
        kept: dict[int, dict[str, str]] = {}
        for row in await database.fetch_all("SELECT server, name, value FROM server_settings"):
            kept.setdefault(row["server"], {})[row["name"]] = row["value"]
        for server, rows in kept.items():
            self._settings[server], unreadable = _settings(server, rows)
            if unreadable:
                self._unreadable[server] = unreadable
        return self

    def of(self, server: int) -> ServerSettings:
        """What this server has decided.

        Raises:
            UnreadableSettings: what is kept is no setting of this version, and it is no permission.
        """
        if (reason := self.unreadable_reason(server)) is not None:
            raise UnreadableSettings(reason)
        return self.readable(server)

    def readable(self, server: int) -> ServerSettings:
        """The same, with what cannot be read as if it were not decided: for who decides, not for who asks."""
        return self._settings.get(server, _NOTHING)

    def unreadable_reason(self, server: int) -> Sentence | None:
        """Why nobody knows what this server has decided, or None."""
        if not (names := self._unreadable.get(server)):
            return None
        return say(
            "Another version of me has written settings of this server that I cannot read: {names}. Until "
            "who manages it decides these anew with `/server`, I draw nothing here.",
            names=", ".join(f"`{name}`" for name in sorted(names)),
        )

    async def change(
        self,
        server: int,
        edit: Callable[[ServerSettings], ServerSettings],
        *,
        by: UserId,
        about: Collection[str] = (),
    ) -> tuple[Change, ...]:
        """Decide: what `edit` makes of what is decided now holds from here on. What has changed by that.

        Args:
            about: settings that are decided by this even if they become what they are; one that could not be
                read can be read from then on.

        Nobody else changes anything between its look and its answer. What it raises is raised here, and
        nothing has changed then.
        """
        # To the end: else it might be kept, and not be known.
        return await to_the_end(self._change(server, edit, by, about))

    async def _change(
        self,
        server: int,
        edit: Callable[[ServerSettings], ServerSettings],
        by: UserId,
        about: Collection[str],
    ) -> tuple[Change, ...]:
        now = time.time()
        async with self._database.transaction() as transaction:
            before = self.readable(server)
            after = edit(before)
            changes = tuple(_differences(before.plain(), after.plain(), by=by, at=now))
            changed = {change.name for change in changes}
            unreadable = self._unreadable.get(server, frozenset())
            anew = sorted(unreadable.intersection(about) - changed)
            changes += tuple(Change(name=name, was=None, became=None, by=by, at=now) for name in anew)
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
        self._unreadable[server] = unreadable.difference(changed, anew)
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

    def has_gallery(self, server: int | None) -> bool:
        """Whether pictures can be shared there; not where nobody knows that, and in no direct messages."""
        if server is None or self._unreadable.get(server):
            return False
        return self.of(server).gallery_channel is not None

    def boards(self) -> Mapping[int, int]:
        """The day of the week on which a board is posted, by the servers that want one."""
        return {
            server: settings.board
            for server, settings in self._settings.items()
            if settings.board is not None and self.has_gallery(server)
        }

    def in_the_web(self) -> tuple[int, ...]:
        """The servers whose galleries can be seen on the web."""
        return tuple(
            server
            for server, settings in self._settings.items()
            if settings.web_gallery and not self._unreadable.get(server)
        )

    def retentions(self) -> Mapping[int, int]:
        """For how many days pictures are kept, by the servers that have decided that."""
        return {
            server: settings.retention
            for server, settings in self._settings.items()
            if settings.retention is not None
        }

    def rooms(self) -> Mapping[int, int]:
        """How many megabytes pictures may take, by the servers that have decided that."""
        return {
            server: settings.room for server, settings in self._settings.items() if settings.room is not None
        }


_NOTHING = ServerSettings()


def _settings(server: int, rows: Mapping[str, str]) -> tuple[ServerSettings, frozenset[str]]:
    """What these rows say, and the names of those that say nothing that can be read."""
    if unknown := rows.keys() - _READ.keys():
        log.warning("server %d has settings of another version: %s", server, ", ".join(sorted(unknown)))
    settings, unreadable = _NOTHING, set()
    for name in rows.keys() & _READ.keys():
        try:
            settings = replace(settings, **{name: _READ[name](json.loads(rows[name]))})
        except (ValueError, TypeError, InvalidRequest) as error:
            log.error("server %d has a setting that cannot be read: %s (%r)", server, name, error)
            unreadable.add(name)
    return settings, frozenset(unreadable)


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
    "room": _whole,
    "gallery_channel": _whole,
    "board": _whole,
    "web_gallery": _yes_or_no,
}
"""How each setting is read from plain data: all fields there are."""
