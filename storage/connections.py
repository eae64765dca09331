"""Connections to the database's file, and a few of them for reads that may take long."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

T = TypeVar("T")
Row = sqlite3.Row
Parameters = Sequence[Any] | Mapping[str, Any]

READERS = 2
"""Long reads at a time; more wait for their turn, and hold up nobody but each other."""
_AGAIN = 0.05
"""Seconds: what was asked to stop before it had begun is asked again."""


async def connected(path: Path, patience: float) -> aiosqlite.Connection:
    """A connection in autocommit: transactions begin and end where we say so.

    Args:
        patience: seconds to wait for a lock that another program holds.
    """
    connection = await aiosqlite.connect(path, timeout=patience, isolation_level=None)
    connection.row_factory = sqlite3.Row
    return connection


class Readers:
    """Connections that only read, each for one read at a time. They are opened when they are first needed."""

    def __init__(self, connect: Callable[[], Awaitable[aiosqlite.Connection]]) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(READERS)
        self._idle: list[aiosqlite.Connection] = []
        self._closed = False

    async def fetch_all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query, as of the last commit. Who is cancelled stops it.

        Raises:
            RuntimeError: they are closed.
        """
        async with self._places:
            if self._closed:
                raise RuntimeError("The database is closed; whoever reads must end before it does.")
            # Another may take the one that was opened here. There are never more than places.
            while not self._idle:
                await to_the_end(self._open())
            connection = self._idle.pop()
            try:
                return await _read(connection, sql, parameters)
            finally:
                self._idle.append(connection)

    async def close(self) -> None:
        """Let what is being read be read, and nothing after it."""
        self._closed = True
        for _ in range(READERS):
            await self._places.acquire()
        for connection in self._idle:
            await connection.close()
        for _ in range(READERS):
            self._places.release()

    async def _open(self) -> None:
        connection = await self._connect()
        try:
            await connection.execute_fetchall("PRAGMA query_only = ON")
        except BaseException:
            await connection.close()
            raise
        self._idle.append(connection)


async def _read(connection: aiosqlite.Connection, sql: str, parameters: Parameters) -> list[Row]:
    try:
        return list(await connection.execute_fetchall(sql, parameters))
    except asyncio.CancelledError:
        await to_the_end(_stopped(connection))
        raise


async def _stopped(connection: aiosqlite.Connection) -> None:
    """Stop what the connection's thread does, and wait for it."""
    after = asyncio.ensure_future(connection.execute_fetchall("SELECT 1"))
    while not after.done():
        await connection.interrupt()
        await asyncio.wait([after], timeout=_AGAIN)
    after.exception()  # it may have been stopped as well


async def to_the_end(action: Coroutine[Any, Any, T]) -> T:
    """Await what must not be left half done: a cancellation is raised only after it has ended."""
    task = asyncio.create_task(action)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from task.exception()
    return task.result()
