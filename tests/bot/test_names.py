"""Names for pages that everybody can see: asked of Discord once, and not waited for when they do not come."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import pytest

from bot import names as room
from bot.app import Atelier
from bot.names import Names
from generation.job import UserId
from playground.faults import Fault
from playground.server import Playground
from storage.database import Database
from storage.styles import Styles
from tests.bot.things import TWO
from web.names import NAMELESS

NOBODY = UserId(123)


@pytest.fixture
async def playground() -> AsyncIterator[Playground]:
    async with Playground() as playground:
        yield playground


@pytest.fixture
async def client(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Atelier]:
    """Logged in, and told of its server."""
    variables = playground.environment()
    monkeypatch.setattr(discord.http.Route, "BASE", variables["DISCORD_API_URL"].rstrip("/"))
    async with Atelier() as client:
        await client.login(variables["DISCORD_TOKEN"])
        guild = playground.world.guild
        state: Any = client._connection
        data: Any = {"id": str(guild.id), "name": guild.name}
        state._add_guild(discord.Guild(data=data, state=state))
        yield client


@pytest.fixture
async def names(client: Atelier, tmp_path: Path, blank: Path) -> AsyncIterator[Names]:
    shutil.copy(blank, tmp_path / "atelier.db")
    async with (
        Database.open(tmp_path / "atelier.db") as database,
        Names(client, Styles(database), lambda: TWO) as names,
    ):
        yield names


async def test_people_are_asked_for_once_and_who_is_nobody_has_no_name(
    names: Names, playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PATIENCE", 60.0)
    server = int(playground.world.guild.id)
    anna, bruno, *_ = (UserId(int(user.id)) for user in playground.world.people)
    known = await names.people(server, [anna, bruno, NOBODY])
    assert known == {anna: "Anna", bruno: "Bruno"}
    playground.faults.add(Fault(method="GET", path="/*", status=500))
    assert await names.people(server, {NOBODY, anna}) == {anna: "Anna"}
    assert playground.faults.take("GET", "/users/1") is not None, "Discord was asked again"


async def test_what_discord_could_not_say_is_asked_again_soon(
    names: Names, playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "UNSAID", 0.0)
    server, anna = int(playground.world.guild.id), UserId(int(playground.world.people[0].id))
    playground.faults.add(Fault(method="GET", path="/guilds/*", status=403))
    assert await names.people(server, [anna]) == {}
    assert await names.people(server, [anna]) == {anna: "Anna"}


async def test_a_page_does_not_wait_for_discord(
    names: Names, playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.1)
    playground.faults.add(Fault(method="GET", path="/guilds/*", held=True))
    server, anna = int(playground.world.guild.id), UserId(int(playground.world.people[0].id))
    assert await names.people(server, [anna]) == {}
    playground.faults.clear()


async def test_a_server_is_known_while_the_bot_is_its_member(
    names: Names, client: Atelier, playground: Playground
) -> None:
    guild = playground.world.guild
    server = int(guild.id)
    assert names.server(server) == guild.name
    assert names.server(5) is None
    state: Any = client._connection
    state._add_guild(discord.Guild(data={"id": str(server), "unavailable": True}, state=state))  # type: ignore[typeddict-item]
    assert names.server(server) == guild.name
    state._remove_guild(client.get_guild(server))
    assert names.server(server) is None
    state._add_guild(discord.Guild(data={"id": "6"}, state=state))  # type: ignore[typeddict-item]
    assert names.server(6) == NAMELESS


async def test_only_adults_see_a_channel_that_is_restricted_or_unknown_and_a_server_that_is(
    names: Names, client: Atelier
) -> None:
    state: Any = client._connection
    channel = {"type": 0, "guild_id": "6", "position": 0, "permission_overwrites": []}
    channels = [{**channel, "id": "7", "name": "a"}, {**channel, "id": "8", "name": "b", "nsfw": True}]
    data: Any = {"id": "6", "name": "Six", "channels": channels}
    state._add_guild(discord.Guild(data=data, state=state))
    told = {channel: names.is_for_adults(6, channel) for channel in (7, 8, 9)}
    assert told == {7: False, 8: True, 9: True}
    assert names.is_for_adults(5, 7)
    for level in (1, 3):
        data["nsfw_level"] = level
        state._add_guild(discord.Guild(data=data, state=state))
        assert names.is_for_adults(6, 7)


async def test_models_and_styles_go_by_their_names(names: Names) -> None:
    assert names.models() == {model.name: model.source for model in TWO.models}
    assert names.model("/home/owner/models/dream.safetensors") == "dream"
    assert "Pixel art" in await names.styles(6)
