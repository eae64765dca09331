"""Keeps a world in a folder: one SQLite file for what is said, one file for each attachment."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from playground.errors import CannotStartError
from playground.nouns import (
    Attachment,
    Channel,
    ChannelKind,
    Command,
    CommandKind,
    Json,
    Message,
    MessageFlag,
    MessageKind,
    Overwrite,
    Role,
    Snowflake,
    User,
    is_snowflake,
)
from playground.places import Guild

Noun = Guild | User | Role | Channel | Message | Command
VERSION = 1
T = TypeVar("T", Guild, User, Role, Channel, Message, Command)

_TUPLES = ("roles", "recipients", "members", "strangers", "embeds", "components", "mentions", "mention_roles")
_NESTED: dict[str, Callable[[Any], Any]] = {
    "attachments": lambda rows: tuple(Attachment(**row) for row in rows),
    "overwrites": lambda rows: tuple(Overwrite(**row) for row in rows),
    "flags": MessageFlag,
}
_KINDS: dict[type, type] = {Channel: ChannelKind, Message: MessageKind, Command: CommandKind}


class WorldFileError(CannotStartError):
    """The folder's world cannot be read; the message says what to do."""


class Keeper:
    """The folder of one world. What `keep` has kept outlives this process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "attachments"
        path = folder / "world.db"
        try:
            self.files.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, isolation_level=None, timeout=0.5)
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
        except OSError as error:
            raise WorldFileError(f"{folder} cannot be used: {error.strerror}.") from error
        except sqlite3.OperationalError as error:
            raise WorldFileError(
                f"{path} cannot be used ({error}); is another playground running on this --data?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise WorldFileError(
                f"{path} is not a playground's world ({error}); move it away or give another --data."
            ) from error
        if version > VERSION:
            raise WorldFileError(f"{path} was written by a newer playground; give another --data.")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS things (kind TEXT, id INTEGER, body TEXT, PRIMARY KEY (kind, id))"
        )
        self._database.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        self._database.close()

    def keep(self, thing: Noun) -> None:
        body = json.dumps(dataclasses.asdict(thing), ensure_ascii=False)
        self._database.execute(
            "INSERT OR REPLACE INTO things VALUES (?, ?, ?)", (type(thing).__name__, thing.id, body)
        )

    def forget(self, thing: Noun) -> None:
        self._database.execute(
            "DELETE FROM things WHERE kind = ? AND id = ?", (type(thing).__name__, thing.id)
        )

    def load(self, kind: type[T]) -> list[T]:
        """All kept things of a kind, oldest first."""
        rows = self._database.execute(
            "SELECT body FROM things WHERE kind = ? ORDER BY id", (kind.__name__,)
        ).fetchall()
        return [_read(kind, json.loads(body)) for (body,) in rows]

    def path(self, attachment: Snowflake) -> Path:
        return self.files / str(attachment)

    def sweep(self, known: set[Snowflake]) -> None:
        """Remove files that no message has any more (those of ephemeral messages, after a restart)."""
        for path in self.files.iterdir():
            if not (is_snowflake(path.name) and Snowflake(int(path.name)) in known):
                path.unlink()


def _read(kind: type[T], body: Json) -> T:
    for key in _TUPLES:
        if key in body:
            body[key] = tuple(body[key])
    for key, read in _NESTED.items():
        if key in body:
            body[key] = read(body[key])
    if kind in _KINDS:
        body["kind"] = _KINDS[kind](body["kind"])
    return kind(**body)
