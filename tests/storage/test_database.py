"""One writer, readers that never wait for it, and an owner who is told what is wrong."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from storage.database import Database, DatabaseBusy, DatabaseUnusable, to_the_end
from tests.storage.things import line, program


@pytest.fixture
async def _notes(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.execute("CREATE TABLE notes (text TEXT NOT NULL)")


async def written(database: Database) -> list[str]:
    return [row["text"] for row in await database.fetch_all("SELECT text FROM notes ORDER BY rowid")]


INSERT = "INSERT INTO notes (text) VALUES (?)"

pytestmark = pytest.mark.usefixtures("_notes")


# Transactions --------------------------------------------------------------------------------------------


async def test_what_a_transaction_does_is_kept(database: Database) -> None:
    async with database.transaction() as transaction:
        assert await transaction.execute(INSERT, ("one",)) == 1
        await transaction.execute_many(INSERT, [("two",), ("three",)])

    assert await written(database) == ["one", "two", "three"]


async def test_an_error_inside_takes_everything_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as transaction:
            await transaction.execute(INSERT, ("one",))
            raise ZeroDivisionError

    assert await written(database) == []


async def test_a_refused_statement_takes_everything_back(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        async with database.transaction() as transaction:
            await transaction.execute(INSERT, ("one",))
            await transaction.execute(INSERT, (None,))

    assert await written(database) == []


async def test_only_the_transaction_itself_sees_what_is_half_done(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(INSERT, ("one",))

        assert await transaction.fetch_one("SELECT text FROM notes") is not None
        assert await database.fetch_one("SELECT text FROM notes") is None


async def test_another_tasks_write_survives_a_rollback(database: Database) -> None:
    a_wrote, b_came = asyncio.Event(), asyncio.Event()

    async def a() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(INSERT, ("a",))
            a_wrote.set()
            await b_came.wait()
            raise ZeroDivisionError

    async def b() -> None:
        await a_wrote.wait()
        b_came.set()
        async with database.transaction() as transaction:
            await transaction.execute(INSERT, ("b",))

    outcomes = await asyncio.gather(a(), b(), return_exceptions=True)

    assert isinstance(outcomes[0], ZeroDivisionError)
    assert outcomes[1] is None
    assert await written(database) == ["b"]


async def test_a_task_cancelled_inside_leaves_nothing_and_blocks_nobody(database: Database) -> None:
    inside = asyncio.Event()

    async def half() -> None:
        async with database.transaction() as transaction:
            await transaction.execute(INSERT, ("half",))
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(half())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with database.transaction() as transaction:
        await transaction.execute(INSERT, ("whole",))
    assert await written(database) == ["whole"]


async def test_whenever_a_task_is_cancelled_it_wrote_all_or_nothing(database: Database) -> None:
    async def pair(name: str) -> None:
        async with database.transaction() as transaction:
            await transaction.execute(INSERT, (name,))
            await transaction.execute(INSERT, (name,))

    cancelled = 0
    for steps in range(40):
        task = asyncio.create_task(pair(str(steps)))
        for _ in range(steps):
            # One turn of the loop, with a moment for the connection's thread: each round gets further.
            await asyncio.to_thread(lambda: None)
        task.cancel()
        cancelled += isinstance(
            (await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError
        )

    counts = await database.fetch_all("SELECT text, count(*) AS number FROM notes GROUP BY text")
    assert {row["number"] for row in counts} <= {2}
    assert cancelled
    await pair("after all that")
    assert (await written(database))[-2:] == ["after all that"] * 2


async def test_what_must_end_ends_before_its_cancellation_is_felt() -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    ended = False

    async def action() -> None:
        nonlocal ended
        begun.set()
        await may_end.wait()
        ended = True

    task = asyncio.create_task(to_the_end(action()))
    await begun.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended


async def test_a_transaction_inside_a_transaction_is_an_error(database: Database) -> None:
    async with database.transaction():
        with pytest.raises(RuntimeError, match="inside a transaction already"):
            async with database.transaction():
                pass


async def test_a_transaction_takes_nothing_after_its_end(database: Database) -> None:
    async with database.transaction() as transaction:
        pass

    with pytest.raises(RuntimeError, match="has ended"):
        await transaction.execute(INSERT, ("late",))


async def test_two_hundred_transactions_at_once_are_all_kept(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.transaction() as transaction:
            await transaction.execute(INSERT, (str(number),))

    await asyncio.gather(*(write(number) for number in range(200)))

    assert sorted(map(int, await written(database))) == list(range(200))


async def test_readers_cannot_write(database: Database) -> None:
    with pytest.raises(DatabaseUnusable):
        await database.fetch_all("DELETE FROM notes")


async def test_a_commit_is_on_the_disk_before_it_returns_and_references_are_checked(
    database: Database,
) -> None:
    async with database.transaction() as transaction:
        pragmas = [
            (await transaction.fetch_all(f"PRAGMA {pragma}"))[0][0]
            for pragma in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]

    assert pragmas == ["wal", 2, 1, 5000]  # 2 is FULL


# Locks ---------------------------------------------------------------------------------------------------


async def test_writing_past_another_programs_lock_is_a_clear_error_and_reading_goes_on(path: Path) -> None:
    # pytest opened `database` on this path already; a folder of its own keeps the two apart.
    folder = path.parent / "locked"
    folder.mkdir()
    async with Database.open(folder / "atelier.db", patience=0.05) as database:
        async with program("hold", folder) as process:
            assert await line(process) == "locked"
            with pytest.raises(DatabaseBusy, match="another program may hold a lock"):
                async with database.transaction():
                    pytest.fail("got in")
            assert await database.fetch_all("SELECT * FROM jobs") == []

        async with database.transaction() as transaction:  # it died, and its lock with it
            await transaction.execute("DELETE FROM jobs")


async def test_what_another_program_still_reads_is_not_scrubbed_and_that_is_told(path: Path) -> None:
    path = path.with_name("read.db")
    async with Database.open(path, migrations=path.parent, patience=0.02) as database:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM sqlite_master").fetchall()
            async with database.transaction() as transaction:
                await transaction.execute("CREATE TABLE notes (text TEXT NOT NULL)")
            with pytest.raises(DatabaseBusy):
                await database.scrub()
        await database.scrub()
        assert path.with_name("read.db-wal").stat().st_size == 0


async def test_opening_past_another_programs_lock_is_a_clear_error(path: Path) -> None:
    folder = path.parent / "locked"
    folder.mkdir()
    sqlite3.connect(folder / "atelier.db").close()
    async with program("hold", folder) as process:
        assert await line(process) == "locked"
        with pytest.raises(DatabaseUnusable, match="another program may hold a lock"):
            async with Database.open(folder / "atelier.db", patience=0.05):
                pytest.fail("opened")


async def test_whoever_waits_too_long_for_a_turn_to_write_is_told(path: Path) -> None:
    async with Database.open(path.with_name("slow.db"), patience=0.05) as database, database.transaction():

        async def wait() -> None:
            async with database.transaction():
                pytest.fail("got in")

        with pytest.raises(DatabaseBusy, match="busy for too long"):
            await asyncio.create_task(wait())


async def test_a_data_folder_is_used_by_one_bot_at_a_time(path: Path) -> None:
    folder = path.parent / "shared"
    folder.mkdir()
    async with program("keep", folder) as process:
        await line(process)
        with pytest.raises(DatabaseUnusable, match="Another bot is running"):
            async with Database.open(folder / "atelier.db"):
                pytest.fail("opened")
        process.kill()
        await process.wait()

        async with Database.open(folder / "atelier.db") as database:  # the lock died with its holder
            assert await database.fetch_all("SELECT id FROM jobs")


async def test_a_database_can_be_opened_again_after_it_was_closed(path: Path) -> None:
    again = path.with_name("again.db")
    async with Database.open(again), asyncio.timeout(60):
        with pytest.raises(DatabaseUnusable, match="Another bot is running"):
            async with Database.open(again):
                pytest.fail("opened")

    async with Database.open(again) as database:
        assert await database.fetch_all("SELECT * FROM jobs") == []


async def test_closing_waits_for_what_is_being_written(path: Path) -> None:
    late = path.with_name("late.db")
    inside, closing = asyncio.Event(), asyncio.Event()

    async def write(database: Database) -> None:
        async with database.transaction() as transaction:
            inside.set()
            await closing.wait()
            await transaction.execute("CREATE TABLE written (number INTEGER)")

    async with Database.open(late) as database:
        task = asyncio.create_task(write(database))
        await inside.wait()
        closing.set()
    await task

    async with Database.open(late) as database:
        assert await database.fetch_all("SELECT * FROM written") == []


async def test_a_closed_database_takes_nothing_more(path: Path) -> None:
    async with Database.open(path.with_name("closed.db")) as database:
        pass

    with pytest.raises(RuntimeError, match="The database is closed"):
        async with database.transaction():
            pytest.fail("got in")


# What cannot be opened -----------------------------------------------------------------------------------


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Root may write anywhere; for these tests become somebody who may not."""
    if sys.platform == "win32" or os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def refusal(path: Path) -> str:
    """What opening the database says; it must not open."""
    with pytest.raises(DatabaseUnusable) as raised:
        async with Database.open(path):
            pytest.fail("opened")
    return str(raised.value)


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("Dear diary, " * 1000)

    assert "text.db is not a database, or is damaged" in await refusal(text)
    assert text.read_text() == "Dear diary, " * 1000


async def test_a_folder_in_the_place_of_the_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()

    assert "folder.db cannot be opened for writing" in await refusal(tmp_path / "folder.db")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "missing cannot be written to: No such file" in await refusal(tmp_path / "missing" / "atelier.db")


def _allow(path: Path, mode: int) -> None:
    path.chmod(mode)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder in reach of anybody, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
        folder.chmod(0o777)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no read-only folders")
async def test_a_folder_that_cannot_be_written_to_is_named(public: Path) -> None:
    _allow(public, 0o555)
    with _as_nobody():
        assert "cannot be written to: Permission denied" in await refusal(public / "atelier.db")


@pytest.mark.skipif(sys.platform == "win32", reason="users are told apart by number")
async def test_a_database_that_cannot_be_written_to_is_named(public: Path) -> None:
    async with Database.open(public / "atelier.db"):
        pass
    _allow(public / "atelier.db", 0o444)
    _allow(public / "atelier.lock", 0o666)
    with _as_nobody():
        assert "cannot be opened for writing" in await refusal(public / "atelier.db")
