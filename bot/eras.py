"""Notes which channels of galleries only adults see: whenever we come to know a server, or one changes."""

from __future__ import annotations

import logging

import discord

from bot.shared import is_adult
from storage.database import DatabaseUnusable
from storage.eras import Eras

log = logging.getLogger(__name__)


async def note_server(eras: Eras, guild: discord.Guild) -> None:
    """Note it of all channels in which this server's gallery ever was. What is gone stays as it was."""
    try:
        for channel_id, known in (await eras.channels(guild.id)).items():
            channel = guild.get_channel(channel_id)
            if channel is not None and is_adult(channel) != known:
                await eras.note(channel_id, adults=not known)
    except DatabaseUnusable as error:
        log.warning("could not note which channels only adults see: %s", error)


async def note_channel(eras: Eras, channel: discord.abc.GuildChannel) -> None:
    """Note it of one that may have changed."""
    try:
        if await eras.note(channel.id, adults=is_adult(channel)):
            log.info("the channel of a gallery is age-restricted from now on, or not any more")
    except DatabaseUnusable as error:
        log.warning("could not note whether only adults see a channel: %s", error)
