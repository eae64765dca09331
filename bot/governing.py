"""What all commands of /server do: see who asks, change a setting, and tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import discord

from bot.acknowledgement import acknowledge, is_acknowledged
from bot.apologies import tell
from bot.language import Language, language_of_server
from bot.limits import Refused
from bot.may import may_manage_server
from bot.messages import NO_MENTIONS
from bot.refusals import UNREACHABLE, is_final
from bot.rulebook import change_line, setting_line
from bot.safety import is_server_of_ours
from generation.job import UserId
from generation.sentence import Sentence, joined, say
from storage.servers import Change, ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction

LOG_PATIENCE = 60.0
"""Seconds that a line in the log channel may take; Discord may want us to wait."""

_TRY_AGAIN = say("Discord did not let me try that channel just now; please try again. Nothing has changed.")
_NOTHING_CHANGED = say("Nothing has changed: that was decided already.")

T = TypeVar("T")


async def acknowledged(interaction: Interaction) -> int:
    """Acknowledge privately, unless that was done; the server.

    Who asks is looked at every time: Discord's own settings may let others use the command.

    Raises:
        Refused: this person may not decide for it.
    """
    if not may_manage_server(interaction) or interaction.guild_id is None:
        raise Refused(say("Only those who may manage the server can decide that, and only in the server."))
    if not is_server_of_ours(interaction):
        raise Refused(say("I am no member of this server; invite me first."))
    if not is_acknowledged(interaction):
        await acknowledge(interaction, thinking=True, ephemeral=True)
    return interaction.guild_id


def settings_here(interaction: Interaction) -> ServerSettings:
    """What is decided for this server; nothing for who may not decide it, as while they type."""
    if not may_manage_server(interaction) or interaction.guild_id is None:
        return ServerSettings()
    return interaction.client.house.servers.readable(interaction.guild_id)


async def change(
    interaction: Interaction,
    edit: Callable[[ServerSettings], ServerSettings],
    *about: str,
    notes: Sequence[str] = (),
    told: Callable[[ServerSettings], str] | None = None,
) -> tuple[Change, ...]:
    """Acknowledge, decide, and tell the person and the log channel.

    Args:
        about: the settings that the person is told.
        notes: what else they are told if something has changed.
        told: what they are told in place of these.

    Raises:
        Refused: it cannot be; nothing has changed.
    """
    server = await acknowledged(interaction)
    house = interaction.client.house
    before = house.servers.readable(server)
    changes = await house.servers.change(server, edit, by=UserId(interaction.user.id), about=about)
    now = house.servers.readable(server)
    lines = [setting_line(name, now, house.safety, house.shelf) for name in about]
    if told is not None:
        lines.append(told(now))
    if not changes:
        lines.append(say("-# {note}", note=_NOTHING_CHANGED))
    else:
        lines += notes
    if (unread := house.servers.unreadable_reason(server)) is not None:
        lines.append(say("-# {note}", note=unread))
    await tell(interaction, joined("\n", lines))
    for channel in dict.fromkeys((before.log_channel, now.log_channel)):
        if changes and channel is not None and not await logged(interaction, channel, changes):
            unheard = say(
                "I could not tell of that in {channel}. It holds nevertheless; `/server changes` lists it.",
                channel=f"<#{channel}>",
            )
            await tell(interaction, unheard)
    return changes


async def logged(interaction: Interaction, channel: int, changes: Sequence[Change]) -> bool:
    """Whether it could be said in the log channel."""
    lines = [say("{who} changed {what}", who=f"<@{each.by}>", what=change_line(each)) for each in changes]
    place = interaction.client.get_partial_messageable(channel, guild_id=interaction.guild_id)
    try:
        async with asyncio.timeout(LOG_PATIENCE):
            said = spoken_in(interaction)(joined("\n", lines))
            await place.send(said, allowed_mentions=NO_MENTIONS)
    except (discord.HTTPException, *UNREACHABLE):
        return False
    return True


def spoken_in(interaction: Interaction) -> Language:
    """The language of what is said in this server to nobody in particular."""
    server = interaction.guild_id or 0
    decided = interaction.client.house.servers.readable(server).language
    return language_of_server(interaction.client, server, decided)


async def try_channel(interaction: Interaction, channel: int, hello: str) -> None:
    """Say something there, to see whether it can be done.

    Raises:
        Refused: it cannot.
    """
    try:
        place = interaction.client.get_partial_messageable(channel, guild_id=interaction.guild_id)
        await place.send(spoken_in(interaction)(hello), allowed_mentions=NO_MENTIONS)
    except discord.HTTPException as error:
        if not is_final(error, 0):
            raise Refused(_TRY_AGAIN) from None
        raise Refused(
            say(
                "I may not write in {channel}; let me see it, write and attach files there. "
                "Nothing has changed.",
                channel=f"<#{channel}>",
            )
        ) from None
    except UNREACHABLE:
        raise Refused(_TRY_AGAIN) from None


def is_open(interaction: Interaction, channel: int) -> bool:
    """Whether whoever is in the server sees what stands in this channel, as far as we know."""
    if (guild := interaction.guild) is None or (found := guild.get_channel_or_thread(channel)) is None:
        return False
    is_private = isinstance(found, discord.Thread) and found.is_private()
    return not is_private and found.permissions_for(guild.default_role).view_channel


def newest_only(number: int) -> Sentence:
    """What is said under a list that is longer."""
    return say("These are the newest {number}; older ones are not listed.", number=number)


def added(values: tuple[T, ...], new: T) -> tuple[T, ...]:
    """The list with this at its end, if it is not in it."""
    return values if new in values else (*values, new)
