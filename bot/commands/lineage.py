"""/lineage: what a picture comes from, and what came of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.acknowledgement import acknowledge
from bot.kin import show_lineage
from bot.limits import Refused
from bot.refusals import UNREACHABLE
from bot.uploaded import job_of
from generation.job import JobId, UserId
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

_LINK = re.compile(
    r"https?://\S*/channels/(?P<server>\d{1,20}|@me)/(?P<channel>\d{1,20})/(?P<message>\d{1,20})/?"
)

_NO_LINK = say("That is no link to a message; *Copy message link* in a message's menu gives one.")
_NOT_OURS = say("I know no picture of mine in that message.")


@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.describe(message="A link to its message; without one, your last picture")
async def lineage(interaction: Interaction, message: app_commands.Range[str, 1, 300] | None = None) -> None:
    """Show the tree around a picture."""
    match = None
    if message is not None:
        match = _LINK.fullmatch(message.strip().strip("<>"))
        if match is None:
            raise Refused(_NO_LINK)
        if match["server"] != str(interaction.guild_id):
            raise Refused(_NOT_OURS)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    if match is None:
        await show_lineage(interaction, await _last(interaction))
    else:
        await show_lineage(interaction, await _meant(interaction, match))


async def _last(interaction: Interaction) -> JobId:
    page = await interaction.client.house.history.page(UserId(interaction.user.id), 1)
    if not page.entries:
        raise Refused(say("You have not asked me for a picture yet, or have deleted them all."))
    return page.entries[0].job.id


async def _meant(interaction: Interaction, match: re.Match[str]) -> JobId:
    """What the message shows. Whether this person may be told of it is asked of the tree."""
    channel = interaction.client.get_partial_messageable(int(match["channel"]), guild_id=interaction.guild_id)
    try:
        found = job_of(await channel.fetch_message(int(match["message"])), interaction.client.user)
    except (discord.HTTPException, *UNREACHABLE):
        found = None
    if found is None:
        raise Refused(_NOT_OURS)
    return found[0]
