"""Databases of every age come to the newest version, or are refused with a sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from storage import migrating
from storage.database import Database, DatabaseTooNew, DatabaseUnusable

MakeFolder = Callable[..., Path]

NOTES = "CREATE TABLE notes (text TEXT NOT NULL);"
TITLES = "ALTER TABLE notes ADD COLUMN title TEXT; UPDATE notes SET title = 'untitled';"


@pytest.fixture
def folder(tmp_path: Path) -> MakeFolder:
    """Makes a folder of these migrations."""
    made = tmp_path / "migrations"

    def make(*scripts: str) -> Path:
        made.mkdir(exist_ok=True)
        for number, sql in enumerate(scripts, start=1):
            (made / f"{number:04}_step.sql").write_text(sql)
        return made

    return make


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()


async def test_the_migrated_schema_is_the_one_that_is_written_down(database: Database) -> None:
    rows = await database.fetch_all(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name"
    )

    schema = "\n\n".join(f"{row['sql']};" for row in rows) + "\n"
    assert schema == (Path(__file__).parent / "schema.sql").read_text("utf-8")


async def test_each_migration_is_applied_once_and_recorded(path: Path, folder: MakeFolder) -> None:
    for _ in range(2):
        async with Database.open(path, migrations=folder(NOTES, TITLES)) as database:
            rows = await database.fetch_all("SELECT number, name FROM migrations ORDER BY number")
            assert [tuple(row) for row in rows] == [(1, "step"), (2, "step")]


async def test_an_older_database_keeps_its_rows_and_gets_what_is_new(path: Path, folder: MakeFolder) -> None:
    async with (
        Database.open(path, migrations=folder(NOTES)) as database,
        database.transaction() as transaction,
    ):
        await transaction.execute("INSERT INTO notes VALUES ('old')")

    async with Database.open(path, migrations=folder(NOTES, TITLES)) as database:
        [row] = await database.fetch_all("SELECT text, title FROM notes")
    assert tuple(row) == ("old", "untitled")


async def test_a_failing_third_statement_leaves_nothing_of_its_migration(
    path: Path, folder: MakeFolder
) -> None:
    bad = "CREATE TABLE one (a); CREATE TABLE two (a); CREATE TABLE one (a); CREATE TABLE three (a);"

    with pytest.raises(sqlite3.OperationalError, match="table one already exists"):
        async with Database.open(path, migrations=folder(NOTES, bad)):
            pytest.fail("opened")

    assert tables(path) == {"migrations", "notes"}
    async with Database.open(path, migrations=folder(NOTES, TITLES)) as database:  # mended, it goes on there
        assert len(await database.fetch_all("SELECT * FROM migrations")) == 2


async def test_a_failing_first_migration_leaves_an_empty_database(path: Path, folder: MakeFolder) -> None:
    with pytest.raises(sqlite3.OperationalError):
        async with Database.open(path, migrations=folder(NOTES + NOTES)):
            pytest.fail("opened")

    assert tables(path) == set()


async def test_an_edited_migration_is_noticed(path: Path, folder: MakeFolder) -> None:
    async with Database.open(path, migrations=folder(NOTES)):
        pass

    with pytest.raises(DatabaseUnusable, match=r"made with another 0001_step\.sql than there is now"):
        async with Database.open(path, migrations=folder(NOTES.replace("NOT NULL", ""))):
            pytest.fail("opened")


async def test_line_ends_of_another_system_are_no_edit(path: Path, folder: MakeFolder) -> None:
    script = "CREATE TABLE notes (\n    text TEXT\n);\n"
    async with Database.open(path, migrations=folder(script)):
        pass
    (folder() / "0001_step.sql").write_bytes(script.replace("\n", "\r\n").encode())

    async with Database.open(path, migrations=folder()) as database:
        assert await database.fetch_all("SELECT * FROM notes") == []


async def test_a_database_from_a_newer_version_is_refused_with_both_versions(
    path: Path, folder: MakeFolder
) -> None:
    async with Database.open(path, migrations=folder(NOTES, TITLES)):
        pass
    (folder() / "0002_step.sql").unlink()

    with pytest.raises(DatabaseTooNew, match="is at version 2, and this program knows them up to 1 only"):
        async with Database.open(path, migrations=folder()):
            pytest.fail("opened")


async def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (host TEXT)")
    connection.close()

    with pytest.raises(DatabaseUnusable, match="is a database of another program"):
        async with Database.open(path):
            pytest.fail("opened")

    assert tables(path) == {"cookies"}


def test_statements_are_told_apart_through_comments_texts_and_triggers() -> None:
    script = """
        -- first; with a semicolon
        CREATE TABLE a (b TEXT DEFAULT ';');
        CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 'x'; DELETE FROM a; END; -- ends; here
        /* nothing; */
    """

    found = list(migrating.statements(script))

    assert len(found) == 2
    assert found[0].endswith("DEFAULT ';');")
    assert found[1].endswith("END;")


def test_a_statement_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="has no end: CREATE TABLE b"):
        list(migrating.statements("CREATE TABLE a (b); CREATE TABLE b (c)"))


@pytest.mark.parametrize("name", ["0003_gap.sql", "2_short.sql", "0002.sql", "0001_twice.sql"])
def test_a_migration_with_a_wrong_number_is_an_error(folder: MakeFolder, name: str) -> None:
    (folder(NOTES) / name).write_text(NOTES)

    with pytest.raises(ValueError, match=r"should be called 000\d_something\.sql"):
        migrating.read(folder())
