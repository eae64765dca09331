"""The people and places of a new playground."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from playground.clock import Mint
from playground.nouns import Channel, ChannelKind, Overwrite, Role, Snowflake, User
from playground.permissions import ORDINARY, Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Guild:
    """A server. Its id is also the id of the role that everybody in it has; `strangers` are no members."""

    id: Snowflake
    name: str
    owner: Snowflake
    strangers: tuple[Snowflake, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A server, and all that is new with it. Of the first, the first channel is where to begin."""

    guild: Guild
    users: tuple[User, ...] = ()
    roles: tuple[Role, ...]
    channels: tuple[Channel, ...]


def beginning(mint: Mint, *, bot_name: str = "Atelier") -> Beginning:
    """Three people, a bot, and their server.

    Two channels are for all, one to read only, one for moderators, one age-restricted, and one is a forum.
    Anna and Mina have added the app to their accounts.
    """
    guild_id, everyone = (minted := mint()), minted
    moderator = Role(
        id=mint(),
        name="Moderator",
        permissions=int(ORDINARY | Permission.ADMINISTRATOR),
        position=3,
        colour=0xE67E22,
        hoist=True,
        guild=guild_id,
    )
    bot_id = mint()
    bot_role = Role(
        id=mint(), name=bot_name, permissions=int(ORDINARY), position=2, bot=bot_id, guild=guild_id
    )
    regular = Role(
        id=mint(), name="Regular", permissions=int(ORDINARY), position=1, colour=0x3498DB, guild=guild_id
    )

    def person(username: str, name: str, *roles: Snowflake, installed: bool = False) -> User:
        return User(id=mint(), username=username, name=name, token=_token(), roles=roles, installed=installed)

    anna = person("anna", "Anna", regular.id, installed=True)
    bruno = person("bruno", "Bruno")
    mina = person("mina", "Mina", moderator.id, installed=True)
    bot = User(
        id=bot_id,
        username=bot_name,
        name=bot_name,
        token=_token(),
        bot=True,
        roles=(bot_role.id,),
    )

    def channel(
        name: str,
        topic: str,
        position: int,
        *overwrites: Overwrite,
        kind: ChannelKind = ChannelKind.TEXT,
        nsfw: bool = False,
    ) -> Channel:
        return Channel(
            id=mint(),
            kind=kind,
            name=name,
            topic=topic,
            position=position,
            overwrites=overwrites,
            guild=guild_id,
            nsfw=nsfw,
        )

    no_talk = Overwrite(target=everyone, role=True, deny=int(Permission.SEND_MESSAGES))
    no_view = Overwrite(target=everyone, role=True, deny=int(Permission.VIEW_CHANNEL))
    return Beginning(
        guild=Guild(id=guild_id, name="The Studio", owner=mina.id),
        users=(anna, bruno, mina, bot),
        roles=(
            Role(id=everyone, name="@everyone", permissions=int(ORDINARY), position=0, guild=guild_id),
            regular,
            bot_role,
            moderator,
        ),
        channels=(
            channel("pictures", "Ask for a picture with /imagine", 0),
            channel("showcase", "Pictures worth keeping", 1),
            channel("notices", "Read only, for all but moderators", 2, no_talk),
            channel("moderators", "Only moderators come in here", 3, no_view),
            channel("after-hours", "For adults", 4, nsfw=True),
            channel("exhibition", "A post for each picture", 5, kind=ChannelKind.FORUM),
        ),
    )


def neighbours(mint: Mint, people: Sequence[User], bot: User) -> Beginning:
    """A server of the same people in which the bot is no member; it belongs to the second of them.

    In the second of its channels apps that somebody brought along show themselves to that person only.
    """
    guild_id = mint()
    quiet = Overwrite(target=guild_id, role=True, deny=int(Permission.USE_EXTERNAL_APPS))
    rows = (
        ("lobby", "Atelier is no member here: who added it to their account brings it along", ()),
        ("library", "What apps say that somebody brought along, only that person hears", (quiet,)),
    )
    return Beginning(
        guild=Guild(
            id=guild_id, name="The Neighbours", owner=people[1 % len(people)].id, strangers=(bot.id,)
        ),
        roles=(Role(id=guild_id, name="@everyone", permissions=int(ORDINARY), position=0, guild=guild_id),),
        channels=tuple(
            Channel(
                id=mint(),
                kind=ChannelKind.TEXT,
                name=name,
                topic=topic,
                position=position,
                overwrites=overwrites,
                guild=guild_id,
            )
            for position, (name, topic, overwrites) in enumerate(rows)
        ),
    )


def _token() -> str:
    return secrets.token_urlsafe(24)
