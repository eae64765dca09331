"""Who may decide for a server is looked at whenever somebody does, whatever Discord has let them do."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.governing import acknowledged, added
from bot.limits import Refused

BOT, GUILD, SOMEBODY = "7", "1", "5"


def _user(key: str) -> Any:
    return {"id": key, "username": "a", "discriminator": "0", "avatar": None}


def an_interaction(permissions: discord.Permissions, *, ours: bool = True) -> discord.Interaction[Any]:
    """Somebody with these permissions uses a command, as Discord tells of it."""
    client = discord.Client(intents=discord.Intents(guilds=True))
    state: Any = client._connection
    state.user = discord.ClientUser(state=state, data=_user(BOT))
    if ours:
        state._add_guild(discord.Guild(data={"id": GUILD}, state=state))  # type: ignore[typeddict-item]
    data: Any = {
        "id": "9",
        "application_id": BOT,
        "type": 2,
        "token": "token",
        "version": 1,
        "guild_id": GUILD,
        "attachment_size_limit": 1,
        "data": {"id": "8", "name": "server", "type": 1},
        "member": {
            "user": _user(SOMEBODY),
            "roles": [],
            "flags": 0,
            "joined_at": None,
            "permissions": str(permissions.value),
        },
    }
    return discord.Interaction(data=data, state=state)


@pytest.mark.parametrize(
    "held", [discord.Permissions.none(), discord.Permissions(manage_messages=True, manage_channels=True)]
)
async def test_who_does_not_manage_the_server_decides_nothing(held: discord.Permissions) -> None:
    with pytest.raises(Refused, match="Only those who may manage the server"):
        await acknowledged(an_interaction(held))


async def test_of_a_server_that_the_bot_is_no_member_of_nothing_is_decided() -> None:
    held = discord.Permissions(manage_guild=True)
    with pytest.raises(Refused, match="I am no member of this server"):
        await acknowledged(an_interaction(held, ours=False))


def test_what_is_in_a_list_is_not_put_in_twice() -> None:
    assert added(added((1, 2), 3), 1) == (1, 2, 3)
