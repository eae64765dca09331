"""Brings a database to the newest version, one numbered file of SQL after the other."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from storage.errors import DatabaseTooNew, DatabaseUnusable

if TYPE_CHECKING:
    from storage.database import Database

FOLDER = Path(__file__).parent / "migrations"

_RECORDS = """
CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at REAL NOT NULL
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step from a version of the database to the next. Once released it is history."""

    number: int
    """The version that it leads to; the first is 1 and none is left out."""
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Path) -> tuple[Migration, ...]:
    """The migrations in a folder of files named like 0001_jobs.sql, in order. Blocks.

    Raises:
        ValueError: a name is not like that, or a number is missing or there twice.
    """
    migrations = []
    for number, path in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = re.fullmatch(r"(\d{4})_(\w+)", path.stem)
        if match is None or int(match[1]) != number:
            raise ValueError(f"{path.name} should be called {number:04}_something.sql")
        # Read as text: line ends that git changed on Windows are not an edit.
        migrations.append(Migration(number=number, name=match[2], sql=path.read_text("utf-8")))
    return tuple(migrations)


def statements(sql: str) -> Iterator[str]:
    """The statements of a script, one by one.

    A script as a whole would be run by `executescript`, which commits the transaction that it should be
    part of.
    """
    start = 0
    for end in (match.end() for match in re.finditer(";", sql)):
        if sqlite3.complete_statement(sql[start:end]):
            yield sql[start:end].strip()
            start = end
    if re.sub(r"--[^\n]*|/\*.*?\*/", "", sql[start:], flags=re.DOTALL).strip():
        raise ValueError(f"a statement has no end: {sql[start:].strip()[:80]}")


async def migrate(database: Database, path: Path, migrations: Sequence[Migration]) -> None:
    """Apply what is missing, each migration and its record in one transaction.

    Raises:
        DatabaseTooNew: the database has migrations that are not known here.
        DatabaseUnusable: it belongs to another program, or to other migrations than these.
    """
    applied = await _applied(database, path)
    if len(applied) > len(migrations):
        raise DatabaseTooNew(
            f"{path} is at version {len(applied)}, and this program knows them up to {len(migrations)} only. "
            "Update the program, or use the backup from before its update."
        )
    for migration, checksum in zip(migrations, applied, strict=False):
        if migration.checksum != checksum:
            raise DatabaseUnusable(
                f"{path} was made with another {migration.number:04}_{migration.name}.sql than there is now. "
                "A released migration stays as it is: restore that file."
            )
    for migration in migrations[len(applied) :]:
        async with database.transaction() as transaction:
            await transaction.execute(_RECORDS)
            for statement in statements(migration.sql):
                await transaction.execute(statement)
            await transaction.execute(
                "INSERT INTO migrations (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
                (migration.number, migration.name, migration.checksum, time.time()),
            )
    async with database.transaction() as transaction:
        # For people with other tools; and SQLite opens what it may only read without a word, so write once.
        await transaction.execute(f"PRAGMA user_version = {len(migrations)}")


async def _applied(database: Database, path: Path) -> list[str]:
    """The checksums of the migrations that the database has, in order."""
    tables = [row["name"] for row in await database.fetch_all("SELECT name FROM sqlite_master")]
    if not tables:
        return []
    columns = [
        row["name"] for row in await database.fetch_all("SELECT name FROM pragma_table_info('migrations')")
    ]
    if not {"number", "checksum"} <= set(columns):
        raise DatabaseUnusable(f"{path} is a database of another program; move it away.")
    return [
        row["checksum"] for row in await database.fetch_all("SELECT checksum FROM migrations ORDER BY number")
    ]
