"""A server's settings: each decided on its own, and else as the owner wants it."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generation.job import UserId
from generation.preferences import Preferences
from generation.request import Size
from generation.safety import Safety
from storage.database import Database, Transaction
from storage.migrating import FOLDER
from storage.servers import Servers, ServerSettings, UnreadableSettings

BY = UserId(8)

EVERYTHING = ServerSettings(
    safety=Safety.HOLD,
    open_safety=Safety.REFUSE,
    moderators_channel=2**60 + 1,
    log_channel=5,
    channels=(3, 2**60 + 2),
    models=("Mini", "Öl"),
    adult_models=("Öl",),
    defaults=Preferences(model="Mini", size=Size(width=128, height=192), steps=9),
    words=("bad", "two words"),
    blocked=(7, 9),
    spoilers=True,
    language="es-ES",
    retention=30,
    room=20_500,
    web_gallery=True,
)


async def decide(servers: Servers, server: int = 2, by: UserId = BY, **changes: Any) -> ServerSettings:
    await servers.change(server, lambda was: replace(was, **changes), by=by)
    return servers.of(server)


async def test_a_server_that_has_decided_nothing_is_as_the_owner_wants_it(servers: Servers) -> None:
    assert servers.of(2) == ServerSettings()


async def test_all_settings_come_back_from_the_file(servers: Servers, database: Database) -> None:
    await servers.change(2, lambda _: EVERYTHING, by=BY)

    assert servers.of(2) == EVERYTHING
    assert (await Servers.opened(database)).of(2) == EVERYTHING
    assert servers.of(3) == ServerSettings()


async def test_each_setting_is_decided_on_its_own_and_taken_back(servers: Servers) -> None:
    await decide(servers, safety=Safety.HOLD)
    both = await decide(servers, moderators_channel=2**60 + 1)
    assert both == ServerSettings(safety=Safety.HOLD, moderators_channel=2**60 + 1)
    assert await decide(servers, safety=None) == ServerSettings(moderators_channel=2**60 + 1)


async def test_it_is_known_who_changed_what_from_what_to_what(servers: Servers) -> None:
    await decide(servers, safety=Safety.HOLD, words=("a", "b"))
    await decide(servers, by=UserId(9), safety=Safety.OFF)
    await decide(servers, words=("b", "c"))
    await decide(servers, words=("b", "c"))

    told = [(each.name, each.was, each.became, each.by) for each in await servers.changes(2, 9)]
    assert told == [
        ("words", ["a"], ["c"], 8),
        ("safety", "hold", "off", 9),
        ("words", [], ["a", "b"], 8),
        ("safety", None, "hold", 8),
    ]
    assert [each.name for each in await servers.changes(2, 1)] == ["words"]
    assert {name: each.by for name, each in (await servers.last_changes(2)).items()} == {
        "safety": 9,
        "words": 8,
    }
    assert await servers.last_changes(3) == {}


async def test_two_who_change_one_list_at_once_both_have_their_way(servers: Servers) -> None:
    def added(word: str) -> Any:
        return servers.change(2, lambda was: replace(was, words=(*was.words, word)), by=BY)

    await asyncio.gather(*(added(f"word {number}") for number in range(9)))

    assert set((servers.of(2)).words) == {f"word {number}" for number in range(9)}


async def test_a_change_that_is_refused_changes_nothing(servers: Servers) -> None:
    await decide(servers, retention=3)

    def refuse(was: ServerSettings) -> ServerSettings:
        raise LookupError(was.retention)

    with pytest.raises(LookupError, match="3"):
        await servers.change(2, refuse, by=BY)
    assert servers.of(2) == ServerSettings(retention=3)
    assert len(await servers.changes(2, 9)) == 1


async def test_a_change_that_was_cancelled_at_its_end_is_known_nevertheless(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = Transaction.end
    changing = asyncio.create_task(servers.change(2, lambda was: replace(was, retention=3), by=BY))

    def cancelled(transaction: Transaction) -> None:
        end(transaction)
        changing.cancel()

    monkeypatch.setattr(Transaction, "end", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await changing
    monkeypatch.undo()

    assert servers.of(2) == ServerSettings(retention=3)


async def test_a_change_that_the_disk_does_not_take_is_not_known(
    servers: Servers, database: Database
) -> None:
    async with database.transaction() as transaction:
        await transaction.execute("DROP TABLE server_changes")

    with pytest.raises(sqlite3.OperationalError):
        await decide(servers, retention=3)
    assert servers.of(2) == ServerSettings()
    assert (await Servers.opened(database)).of(2) == ServerSettings()


async def test_how_long_pictures_are_kept_is_told_of_all_servers(servers: Servers) -> None:
    await decide(servers, 2, retention=3)
    await decide(servers, 3, retention=30)
    await decide(servers, 4, safety=Safety.OFF)
    await decide(servers, 2, retention=None)

    assert servers.retentions() == {3: 30}


async def test_what_is_no_setting_is_not_kept(servers: Servers) -> None:
    with pytest.raises(TypeError):
        await decide(servers, colour="red")
    assert servers.of(2) == ServerSettings()


async def test_a_setting_of_a_later_version_is_passed_over_with_a_line_in_the_log(
    servers: Servers, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await servers.change(2, lambda was: replace(was, safety=Safety.REFUSE), by=BY)
    async with database.transaction() as transaction:
        await transaction.execute("INSERT INTO server_settings VALUES (2, 'colour', '1', 8, 0)")

    assert (await Servers.opened(database)).of(2) == ServerSettings(safety=Safety.REFUSE)
    assert "colour" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("safety", '"gentle"'),
        ("channels", "3"),
        ("spoilers", "1"),
        ("words", "["),
        ("defaults", '{"steps": 9999}'),
    ],
)
async def test_a_setting_that_cannot_be_read_is_no_permission_and_nobody_elses_trouble(
    servers: Servers, database: Database, name: str, value: str
) -> None:
    await servers.change(3, lambda was: replace(was, retention=3), by=BY)
    async with database.transaction() as transaction:
        await transaction.execute("INSERT INTO server_settings VALUES (2, ?, ?, 8, 0)", (name, value))

    opened = await Servers.opened(database)
    assert opened.of(3) == ServerSettings(retention=3)
    with pytest.raises(UnreadableSettings, match=f"`{name}`"):
        opened.of(2)
    with pytest.raises(UnreadableSettings):
        await decide(opened, retention=3)  # that is no way out, but it is kept
    assert opened.readable(2) == ServerSettings(retention=3)

    [change] = await opened.change(2, lambda was: was, by=BY, about=[name])
    assert (change.name, change.was, change.became) == (name, None, None)
    assert opened.of(2) == (await Servers.opened(database)).of(2) == ServerSettings(retention=3)


async def test_what_could_not_be_read_is_decided_by_another_value(
    servers: Servers, database: Database
) -> None:
    rows = {"words": "3", "safety": '"gentle"'}
    async with database.transaction() as transaction:
        for name, value in rows.items():
            await transaction.execute("INSERT INTO server_settings VALUES (2, ?, ?, 8, 0)", (name, value))

    opened = await Servers.opened(database)
    await opened.change(2, lambda was: replace(was, safety=Safety.HOLD, web_gallery=True), by=BY)
    with pytest.raises(UnreadableSettings, match="`words`"):
        opened.of(2)
    assert opened.in_the_web() == ()
    await opened.change(2, lambda was: replace(was, words=("bad",)), by=BY)
    decided = ServerSettings(safety=Safety.HOLD, words=("bad",), web_gallery=True)
    assert opened.of(2) == (await Servers.opened(database)).of(2) == decided


async def test_what_was_there_before_there_were_rules_is_known_nevertheless(path: Path) -> None:
    folder = path.parent / "older"
    folder.mkdir()
    for file in sorted(FOLDER.glob("*.sql"))[:8]:
        (folder / file.name).write_bytes(file.read_bytes())
    async with Database.open(path, migrations=folder) as old, old.transaction() as transaction:
        await transaction.execute("""INSERT INTO server_settings VALUES (2, 'safety', '"hold"', 8, 12.5)""")
        await transaction.execute(
            """
            INSERT INTO jobs (
                id, asker, prompt, negative_prompt, model, width, height, steps, guidance, sampler, seed,
                count, state, created_at, settled_at
            ) VALUES ('a', 4, 'a dog', '', 'm', 64, 64, 1, 1, 'Euler', 1, 1, 'done', 1, 2)
            """
        )
        await transaction.execute(
            """
            INSERT INTO deliveries (
                job_id, state, application_id, guild_id, channel_id, user_id, token, token_expires_at
            ) VALUES ('a', 'done', 1, 2, 3, 4, 'token', 5)
            """
        )

    async with Database.open(path) as new:
        servers = await Servers.opened(new)
        [change] = await servers.changes(2, 9)
        [row] = await new.fetch_all("SELECT server, covered FROM jobs")
    assert servers.of(2) == ServerSettings(safety=Safety.HOLD)
    assert (change.name, change.was, change.became, change.by, change.at) == ("safety", None, "hold", 8, 12.5)
    assert tuple(row) == (2, 0)
