"""/queue: what is being drawn and what waits, and what one has left today; for who asks alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.acknowledgement import acknowledge
from bot.buttons import show_privately
from bot.commands.places import everywhere
from bot.queueing import queue_for

if TYPE_CHECKING:
    from bot.house import Interaction


@everywhere
async def queue(interaction: Interaction) -> None:
    """Show the queue as this person may see it."""
    await acknowledge(interaction, thinking=True, ephemeral=True)
    await show_privately(interaction, await queue_for(interaction))
