"""Acknowledges interactions: Discord waits three seconds for that, and takes it only once."""

from __future__ import annotations

import logging

import aiohttp
import discord

from bot.refusals import UNREACHABLE

log = logging.getLogger(__name__)

ALREADY_ACKNOWLEDGED = 40060

_TAKEN = "acknowledged, although the response does not know it"


async def acknowledge(
    interaction: discord.Interaction, *, thinking: bool = False, ephemeral: bool = False
) -> int | None:
    """Tell Discord that an answer follows; the id of the message that it will be in, where that is known.

    After an error of Discord's own the client asks again, and after a lost connection we do, once. If Discord
    had taken the first one nevertheless, it answers that the interaction is acknowledged already: just what
    was wanted.

    Raises:
        discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError: Discord did not take it.
    """
    try:
        try:
            response = await interaction.response.defer(thinking=thinking, ephemeral=ephemeral)
        except (aiohttp.ClientError, OSError):
            response = await interaction.response.defer(thinking=thinking, ephemeral=ephemeral)
    except discord.HTTPException as error:
        if error.code != ALREADY_ACKNOWLEDGED:
            raise
    else:
        return response.message_id if response else None
    interaction.extras[_TAKEN] = True
    try:
        return (await interaction.original_response()).id
    except (discord.DiscordException, *UNREACHABLE) as error:
        log.warning("acknowledged, but the message is not known: %s", type(error).__name__)
        return None


def is_acknowledged(interaction: discord.Interaction) -> bool:
    """Whether what is said from now on must be a follow-up."""
    return interaction.response.is_done() or _TAKEN in interaction.extras
