"""A server's settings: each decided on its own, and else as the owner wants it."""

from __future__ import annotations

import pytest

from generation.job import UserId
from generation.safety import Safety
from storage.database import Database
from storage.servers import Servers, ServerSettings

BY = UserId(8)


async def test_a_server_that_has_decided_nothing_is_as_the_owner_wants_it(servers: Servers) -> None:
    assert await servers.get(2) == ServerSettings()


async def test_each_setting_is_decided_on_its_own_and_taken_back(servers: Servers) -> None:
    await servers.change(2, by=BY, safety=Safety.HOLD)
    both = await servers.change(2, by=BY, moderators_channel=2**60 + 1)
    assert both == ServerSettings(safety=Safety.HOLD, moderators_channel=2**60 + 1)
    assert await servers.get(2) == both
    assert await servers.get(3) == ServerSettings()
    assert await servers.change(2, by=BY, safety=None) == ServerSettings(moderators_channel=2**60 + 1)


async def test_it_is_known_who_decided(servers: Servers, database: Database) -> None:
    await servers.change(2, by=BY, safety=Safety.HOLD)
    await servers.change(2, by=UserId(9), safety=Safety.OFF)

    rows = await database.fetch_all("SELECT name, value, changed_by FROM server_settings")
    assert [tuple(row) for row in rows] == [("safety", '"off"', 9)]


async def test_what_is_no_setting_is_not_kept(servers: Servers) -> None:
    with pytest.raises(TypeError):
        await servers.change(2, by=BY, colour="red")
    assert await servers.get(2) == ServerSettings()


async def test_a_setting_of_a_later_version_is_passed_over_with_a_line_in_the_log(
    servers: Servers, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await servers.change(2, by=BY, safety=Safety.REFUSE)
    async with database.transaction() as transaction:
        await transaction.execute("INSERT INTO server_settings VALUES (2, 'colour', '1', 8, 0)")

    assert await servers.get(2) == ServerSettings(safety=Safety.REFUSE)
    assert "colour" in caplog.text


async def test_a_policy_that_is_not_known_is_no_permission(servers: Servers, database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.execute("""INSERT INTO server_settings VALUES (2, 'safety', '"gentle"', 8, 0)""")

    with pytest.raises(ValueError, match="gentle"):
        await servers.get(2)
