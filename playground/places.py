"""The people and places of a new playground."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from playground.clock import Mint
from playground.nouns import Channel, ChannelKind, Overwrite, Role, Snowflake, User
from playground.permissions import ORDINARY, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Guild:
    """The one server there is. Its id is also the id of the role that everybody has."""

    id: Snowflake
    name: str
    owner: Snowflake


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """All that a new world has. The first channel is where to begin."""

    guild: Guild
    users: tuple[User, ...]
    roles: tuple[Role, ...]
    channels: tuple[Channel, ...]


def beginning(mint: Mint, *, bot_name: str = "Atelier") -> Beginning:
    """Three people, a bot, and four channels: two for all, one to read only, one for moderators."""
    guild_id, everyone = (minted := mint()), minted
    moderator = Role(
        id=mint(),
        name="Moderator",
        permissions=int(ORDINARY | Permission.ADMINISTRATOR),
        position=3,
        colour=0xE67E22,
        hoist=True,
    )
    bot_id = mint()
    bot_role = Role(id=mint(), name=bot_name, permissions=int(ORDINARY), position=2, bot=bot_id)
    regular = Role(id=mint(), name="Regular", permissions=int(ORDINARY), position=1, colour=0x3498DB)

    def person(username: str, name: str, *roles: Snowflake) -> User:
        return User(id=mint(), username=username, name=name, token=_token(), roles=roles)

    anna = person("anna", "Anna", regular.id)
    bruno = person("bruno", "Bruno")
    mina = person("mina", "Mina", moderator.id)
    bot = User(
        id=bot_id,
        username=bot_name,
        name=bot_name,
        token=_token(),
        bot=True,
        roles=(bot_role.id,),
    )

    def channel(name: str, topic: str, position: int, *overwrites: Overwrite) -> Channel:
        return Channel(
            id=mint(),
            kind=ChannelKind.TEXT,
            name=name,
            topic=topic,
            position=position,
            overwrites=overwrites,
        )

    no_talk = Overwrite(target=everyone, role=True, deny=int(Permission.SEND_MESSAGES))
    no_view = Overwrite(target=everyone, role=True, deny=int(Permission.VIEW_CHANNEL))
    return Beginning(
        guild=Guild(id=guild_id, name="The Studio", owner=mina.id),
        users=(anna, bruno, mina, bot),
        roles=(
            Role(id=everyone, name="@everyone", permissions=int(ORDINARY), position=0),
            regular,
            bot_role,
            moderator,
        ),
        channels=(
            channel("pictures", "Ask for a picture with /imagine", 0),
            channel("showcase", "Pictures worth keeping", 1),
            channel("notices", "Read only, for all but moderators", 2, no_talk),
            channel("moderators", "Only moderators come in here", 3, no_view),
        ),
    )


def _token() -> str:
    return secrets.token_urlsafe(24)
