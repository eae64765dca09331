"""What only one person may see: who wants that, where it need not be hidden, and who may go on from it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from bot.safety import is_server_of_ours
from generation.job import Job, JobId, UserId
from storage.database import DatabaseUnusable

if TYPE_CHECKING:
    from bot.house import Interaction

PATIENCE = 1.0
"""Seconds to find out whether something is private: an acknowledgement must say it, and may take three."""

log = logging.getLogger(__name__)


async def is_private(interaction: Interaction, parent: JobId | None, asked: bool | None) -> bool:
    """Whether what is asked here is for this person alone.

    Args:
        parent: what it goes on from.
        asked: what they said; None: as they have it in their settings.
    """
    if is_hushed(interaction):
        return True
    if asked is None:
        asked = interaction.client.house.people.of(UserId(interaction.user.id)).private
    return asked or (parent is not None and await _is_private(interaction, parent))


async def _is_private(interaction: Interaction, job: JobId) -> bool:
    message = interaction.message
    if message is not None and not message.flags.ephemeral and interaction.guild_id is not None:
        return False  # nothing private is ever in a channel
    house = interaction.client.house
    if (event := house.studio.latest(job)) is not None:
        return event.job.private
    try:
        async with asyncio.timeout(PATIENCE):
            return await house.jobs.is_private(job)
    except (TimeoutError, DatabaseUnusable) as error:
        log.warning("could not look up whether job %s is private, so it is: %s", job, type(error).__name__)
        return True


def is_alone(interaction: Interaction) -> bool:
    """Whether nobody else reads along here anyway: in the direct messages with the bot."""
    return interaction.guild_id is None and interaction.context.dm_channel


def is_hushed(interaction: Interaction) -> bool:
    """Whether Discord shows this person alone what I say: brought along to where that is how it is."""
    is_away = interaction.guild_id is not None and not is_server_of_ours(interaction)
    return is_away and not interaction.permissions.use_external_apps


def may_go_on_from(interaction: Interaction, job: Job) -> bool:
    """Whether this person may draw something new from that job, and see what made it."""
    return not job.private or interaction.user.id == job.asker
