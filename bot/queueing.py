"""The queue as somebody may see it, gathered from the rooms."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bot.allowances import allowance_here, left_today
from bot.card import Card
from bot.standing import models_told, queue_card
from generation.job import UserId

if TYPE_CHECKING:
    from bot.house import Interaction


async def queue_for(interaction: Interaction) -> Card:
    """The queue as this person may see it now, and what they have left."""
    house, asker, now = interaction.client.house, UserId(interaction.user.id), time.time()
    ceilings = allowance_here(interaction).ceilings
    used = await house.quotas.used(asker, interaction.guild_id, now)
    studio = house.studio
    return queue_card(
        studio.standing,
        asker,
        house.shelf,
        hold=studio.hold,
        models=models_told(studio.readiness.loaded, studio.readiness.on_their_way, house.shelf),
        left=left_today(ceilings, used, now),
    )
