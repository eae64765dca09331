"""The database: one file, one writer, readers that never wait for it, and migrations."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any, Self

import aiosqlite

from storage import disk, migrating
from storage.connections import Parameters, Readers, Row, connected, to_the_end
from storage.errors import DatabaseBusy, DatabaseTooNew, DatabaseUnusable

__all__ = [
    "Database",
    "DatabaseBusy",
    "DatabaseTooNew",
    "DatabaseUnusable",
    "Parameters",
    "Row",
    "Transaction",
    "to_the_end",
]

PATIENCE = 5.0
"""Seconds to wait for a lock that another program holds on the database, before that is an error."""

TURNS = 10
"""A turn to write is waited for that many times as long: a burst of hundreds is no error."""


class Transaction:
    """What can be done within `Database.transaction`, and not after it."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection: aiosqlite.Connection | None = connection

    async def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one statement; the number of rows it changed."""
        async with self._open().execute(sql, parameters) as cursor:
            return cursor.rowcount

    async def execute_many(self, sql: str, rows: Iterable[Parameters]) -> None:
        """Run one statement for each of `rows`."""
        async with self._open().executemany(sql, rows):
            pass

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query, which sees what this transaction has done."""
        return list(await self._open().execute_fetchall(sql, parameters))

    async def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a query, which sees what this transaction has done."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    def end(self) -> None:
        """Take nothing more. What came now would be outside of any transaction."""
        self._connection = None

    def _open(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise RuntimeError(
                "This transaction has ended; what it was asked to do belongs inside its block."
            )
        return self._connection


class Database:
    """An open database. `async with Database.open(path) as database`.

    Writes go through `transaction()`, one at a time. Reads go through a connection of their own: they see
    what was committed, and only that. What may take long goes through `browse()`, so that they need not wait.
    """

    def __init__(
        self,
        path: Path,
        writer: aiosqlite.Connection,
        reader: aiosqlite.Connection,
        readers: Readers,
        patience: float,
    ) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._readers = readers
        self._patience = patience
        self._turn = asyncio.Lock()
        self._owner: asyncio.Task[Any] | None = None
        self._closed = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, path: Path, *, migrations: Path = migrating.FOLDER, patience: float = PATIENCE
    ) -> AsyncIterator[Self]:
        """Open the database at `path`, whose folder exists, and bring it to the newest version.

        Until it is closed no other process can open it.

        Args:
            migrations: the folder of the numbered .sql files.
            patience: seconds to wait for a lock that another program holds on it.

        Raises:
            DatabaseTooNew: a newer version of the program wrote it.
            DatabaseUnusable: it is no database of this program, or cannot be read and written, or is in use.
        """
        async with AsyncExitStack() as stack:
            holder = await asyncio.to_thread(_lock, path)
            stack.callback(holder.close)
            with _in_words(path):
                writer = await _connect(stack, path, patience)
                [[mode]] = await writer.execute_fetchall("PRAGMA journal_mode = WAL")
                if mode != "wal":
                    raise DatabaseUnusable(
                        f"{path} is on a disk that cannot share memory between programs (a network?); "
                        "move DATA_DIR to a disk of this machine."
                    )
                # Not NORMAL, which may lose the newest commits in a power cut: accepted work is kept.
                await writer.execute_fetchall("PRAGMA synchronous = FULL")
                await writer.execute_fetchall("PRAGMA foreign_keys = ON")
                # What people make us forget is overwritten, and not left in pages that are free.
                await writer.execute_fetchall("PRAGMA secure_delete = ON")
                reader = await _connect(stack, path, patience)
                await reader.execute_fetchall("PRAGMA query_only = ON")
                readers = Readers(lambda: connected(path, patience))
                stack.push_async_callback(lambda: to_the_end(readers.close()))
                database = cls(path, writer, reader, readers, patience)
                await migrating.migrate(database, path, await asyncio.to_thread(migrating.read, migrations))
                await asyncio.to_thread(disk.sync_folder, path.parent)
            try:
                yield database
            finally:
                await to_the_end(database._close())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """The right to write, for one task at a time: all that is done inside is kept at its end, or nothing.

        It is kept also if the task is cancelled while the end is being written. What waits for other things
        than the database belongs outside.

        Raises:
            DatabaseBusy: others have been writing for too long.
            DatabaseUnusable: the disk is full or broken.
            RuntimeError: this task is inside a transaction already, or the database is closed.
        """
        if self._owner is not None and self._owner is asyncio.current_task():
            raise RuntimeError("This task is inside a transaction already; pass that one on instead.")
        try:
            async with asyncio.timeout(TURNS * self._patience):
                await self._turn.acquire()
        except TimeoutError as error:
            raise DatabaseBusy(_busy(self._path)) from error
        self._owner = asyncio.current_task()
        transaction = Transaction(self._writer)
        try:
            if self._closed:
                raise RuntimeError("The database is closed; whoever writes must end before it does.")
            with _in_words(self._path):
                try:
                    await self._writer.execute_fetchall("BEGIN IMMEDIATE")
                    yield transaction
                    transaction.end()
                    await to_the_end(self._writer.commit())
                except BaseException:
                    transaction.end()
                    # Also what was cancelled is done by the connection's thread, but in order: before this.
                    await to_the_end(self._writer.rollback())
                    raise
        finally:
            self._owner = None
            self._turn.release()

    async def scrub(self) -> None:
        """Bring what was deleted out of the files of the database, too.

        Raises:
            DatabaseBusy: others have been writing, or reading, for too long; it goes by itself later.
        """
        try:
            async with asyncio.timeout(TURNS * self._patience):
                await self._turn.acquire()
        except TimeoutError as error:
            raise DatabaseBusy(_busy(self._path)) from error
        try:
            with _in_words(self._path):
                is_done = await to_the_end(_checkpointed(self._writer))
            if not is_done:
                raise DatabaseBusy(_busy(self._path))
        finally:
            self._turn.release()

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query, as of the last commit."""
        with _in_words(self._path):
            return list(await self._reader.execute_fetchall(sql, parameters))

    async def fetch_one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a query, as of the last commit."""
        rows = await self.fetch_all(sql, parameters)
        return rows[0] if rows else None

    async def browse(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query that may take long, such as a search, as of the last commit.

        Ordinary reads do not wait for it.
        """
        with _in_words(self._path):
            return await self._readers.fetch_all(sql, parameters)

    async def _close(self) -> None:
        """Let what is being written be written, and nothing after it."""
        async with self._turn:
            self._closed = True


async def _checkpointed(connection: aiosqlite.Connection) -> bool:
    """Whether all that was written is in the database's own file now: not while another program reads."""
    [[is_busy, *_]] = await connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    return not is_busy


async def _connect(stack: AsyncExitStack, path: Path, patience: float) -> aiosqlite.Connection:
    connection = await connected(path, patience)
    stack.push_async_callback(lambda: to_the_end(connection.close()))
    return connection


def _lock(path: Path) -> IO[bytes]:
    try:
        return disk.lock(path.with_suffix(".lock"))
    except BlockingIOError as error:
        raise DatabaseUnusable(
            f"Another bot is running on {path}, and two would draw everything twice. "
            "End it first, or give this one a DATA_DIR of its own."
        ) from error
    except OSError as error:
        raise DatabaseUnusable(f"The folder {path.parent} cannot be written to: {error.strerror}.") from error


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Say what the owner can mend in a sentence; what only a programmer can mend stays as it is."""
    try:
        yield
    except sqlite3.Error as error:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the rest are details
            case sqlite3.SQLITE_BUSY:
                raise DatabaseBusy(_busy(path)) from error
            case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                sentence = (
                    f"{path} is not a database, or is damaged; put a backup in its place, or move it away."
                )
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
                sentence = (
                    f"{path} cannot be opened for writing; check who may write to it and to its folder."
                )
            case sqlite3.SQLITE_FULL:
                sentence = f"The disk that holds {path} is full; make room on it."
            case sqlite3.SQLITE_IOERR:
                sentence = f"The disk that holds {path} does not read or write as it should; check it."
            case _:
                raise
        raise DatabaseUnusable(sentence) from error


def _busy(path: Path) -> str:
    return f"The database {path} has been busy for too long; another program may hold a lock on it."
