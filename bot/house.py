"""The rooms that a command may walk into, and the interactions that carry the way there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import discord

from bot.limits import Limits, Places
from bot.safety import OwnerSafety
from generation.controlnets import ControlNets
from generation.job import Job
from generation.prompting.wildcards import Wildcards
from generation.shelf import Shelf
from generation.studio import Studio
from generation.upscalers import Upscalers
from storage.deliveries import Deliveries
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.reviews import Reviews
from storage.servers import Servers
from storage.styles import Styles

if TYPE_CHECKING:
    from bot.app import Atelier
    from bot.delivery import Courier
    from bot.moderation import Desk

Interaction: TypeAlias = "discord.Interaction[Atelier]"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """All rooms, open."""

    shelf: Shelf
    wildcards: Wildcards
    upscalers: Upscalers
    controlnets: ControlNets
    limits: Limits
    places: Places
    jobs: Jobs
    pictures: Pictures
    deliveries: Deliveries
    styles: Styles
    servers: Servers
    reviews: Reviews
    safety: OwnerSafety
    studio: Studio
    courier: Courier
    desk: Desk


def may_manage(interaction: Interaction, job: Job) -> bool:
    """Whether this person may take back or remove that job: who asked for it, and moderators."""
    held = interaction.permissions
    return interaction.user.id == job.asker or held.manage_messages or held.administrator


def may_moderate(interaction: Interaction) -> bool:
    """Whether this person may see what is held here, and decide on it: moderators of a server."""
    held = interaction.permissions
    return interaction.guild_id is not None and (held.manage_messages or held.administrator)


def may_moderate_in(interaction: Interaction, channel_id: int) -> bool:
    """The same of a channel of this server; of one that is not known any more, of the whole server."""
    if channel_id == interaction.channel_id:
        return may_moderate(interaction)
    member, guild = interaction.user, interaction.guild
    if guild is None or not isinstance(member, discord.Member):
        return False
    channel = guild.get_channel_or_thread(channel_id)
    try:
        held = member.guild_permissions if channel is None else channel.permissions_for(member)
    except discord.ClientException:  # a thread of such a channel
        held = member.guild_permissions
    return held.manage_messages or held.administrator


def may_manage_server(interaction: Interaction) -> bool:
    """Whether this person may decide how the bot is in this server."""
    held = interaction.permissions
    return interaction.guild_id is not None and (held.manage_guild or held.administrator)


def may_keep_styles(interaction: Interaction) -> bool:
    """Whether this person may save and delete styles here: moderators; outside servers they are one's own."""
    held = interaction.permissions
    return interaction.guild_id is None or held.manage_messages or held.manage_guild or held.administrator
