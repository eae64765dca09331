"""Whom no report has blocked, as Discord says who they are."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest

from bot.app import Atelier
from bot.limits import Refused
from bot.reporting import is_trusted
from generation.job import UserId
from playground.faults import Fault
from playground.permissions import Permission
from playground.server import Playground


async def test_who_owns_manages_or_moderates_a_server_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Playground() as playground, Atelier() as client:
        variables, world = playground.environment(), playground.world
        monkeypatch.setattr(discord.http.Route, "BASE", variables["DISCORD_API_URL"].rstrip("/"))
        await client.login(variables["DISCORD_TOKEN"])
        anna, bruno, mina = world.people
        role = anna.roles[0]

        async def trusted() -> list[bool]:
            guild = await client.fetch_guild(world.guild.id)
            return [await is_trusted(guild, UserId(int(one.id)), 0) for one in (anna, bruno, mina)]

        world.users[mina.id] = replace(mina, roles=())
        assert await trusted() == [False, False, True], "who owns it"
        ordinary = world.roles[role]
        for held in (Permission.MANAGE_GUILD, Permission.MANAGE_MESSAGES, Permission.ADMINISTRATOR):
            world.roles[role] = replace(ordinary, permissions=int(ordinary.permissions | held))
            assert await trusted() == [True, False, True], held
        world.roles[role] = ordinary
        assert await trusted() == [False, False, True]

        guild = await client.fetch_guild(world.guild.id)
        assert not await is_trusted(guild, UserId(12345), 0), "who has left"
        playground.faults.add(Fault(method="GET", path="/guilds/*", status=403, times=1))
        assert await is_trusted(guild, UserId(int(mina.id)), 0), "for that Discord is not asked"
        with pytest.raises(Refused, match="does not tell me"):
            await is_trusted(guild, UserId(int(bruno.id)), 0)
