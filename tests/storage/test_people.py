"""A person's settings: each decided on its own, held in memory, and the same after a restart."""

from __future__ import annotations

import asyncio

import pytest

from generation.job import UserId
from generation.preferences import Preferences
from generation.request import InvalidRequest, Size
from storage.database import Database, Transaction
from storage.people import People, PersonSettings, Ping

ADA, BEA = UserId(2**60 + 1), UserId(8)
SIZE = Size(width=512, height=768)


async def test_who_has_decided_nothing_has_what_everybody_has(database: Database) -> None:
    people = await People.opened(database)
    assert people.of(ADA) == PersonSettings()


async def test_each_setting_is_decided_on_its_own_and_is_there_after_a_restart(database: Database) -> None:
    people = await People.opened(database)
    await people.change(ADA, ping=Ping.LONG)
    await people.prefer(ADA, steps=30, guidance=6.5, size=SIZE)
    both = await people.change(ADA, private=True)
    assert both == PersonSettings(
        preferences=Preferences(steps=30, guidance=6.5, size=SIZE), ping=Ping.LONG, private=True
    )
    again = await People.opened(database)
    assert (again.of(ADA), again.of(BEA)) == (both, PersonSettings())


async def test_what_is_taken_back_leaves_no_row(database: Database) -> None:
    people = await People.opened(database)
    await people.prefer(ADA, steps=30, model="Mini")
    await people.change(ADA, ping=Ping.ALWAYS)
    assert (await people.prefer(ADA, model=None)).preferences == Preferences(steps=30)
    await people.change(ADA, preferences=Preferences(), ping=Ping.NEVER)
    assert await database.fetch_all("SELECT * FROM person_settings") == []
    assert people.of(ADA) == PersonSettings()


async def test_an_aspect_takes_the_place_of_a_size(database: Database) -> None:
    people = await People.opened(database)
    await people.prefer(ADA, size=SIZE, steps=30)
    now = await people.prefer(ADA, aspect="tall 9:16")
    assert now.preferences == Preferences(aspect="tall 9:16", steps=30)


async def test_two_changes_at_once_are_both_kept(database: Database) -> None:
    people = await People.opened(database)
    await asyncio.gather(people.prefer(ADA, steps=30), people.prefer(ADA, count=2))
    assert people.of(ADA).preferences == Preferences(steps=30, count=2)
    assert (await People.opened(database)).of(ADA) == people.of(ADA)


async def test_what_can_never_be_changes_nothing(database: Database) -> None:
    people = await People.opened(database)
    await people.prefer(ADA, steps=30)
    with pytest.raises(InvalidRequest):
        await people.prefer(ADA, steps=500)
    with pytest.raises(TypeError):
        await people.change(ADA, colour="red")
    assert (await People.opened(database)).of(ADA).preferences == Preferences(steps=30)


async def test_a_setting_of_another_version_is_passed_over_with_a_line_in_the_log(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    people = await People.opened(database)
    await people.prefer(ADA, steps=30)
    rows = [("colour", "1"), ("ping", '"often"'), ("prefer.count", "9"), ("prefer.hue", "1")]
    async with database.transaction() as transaction:
        for name, value in rows:
            await transaction.execute("INSERT INTO person_settings VALUES (?, ?, ?, 0)", (ADA, name, value))
    again = await People.opened(database)
    assert again.of(ADA) == PersonSettings(preferences=Preferences(steps=30))
    assert all(name in caplog.text for name, _ in rows)


async def test_a_change_that_was_cancelled_at_its_end_is_known_nevertheless(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = await People.opened(database)
    end = Transaction.end

    def cancelled(transaction: Transaction) -> None:
        end(transaction)
        changing.cancel()

    monkeypatch.setattr(Transaction, "end", cancelled)
    changing = asyncio.create_task(people.change(ADA, private=True))
    with pytest.raises(asyncio.CancelledError):
        await changing
    monkeypatch.undo()

    assert people.of(ADA) == (await People.opened(database)).of(ADA) == PersonSettings(private=True)
