"""/moderate: what is held for the moderators of a server, one after the other, and what they have hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.card import Action, Card, Tone
from bot.may import check
from bot.reporting import card_of, waiting_posts
from bot.restoring import hidden_menu
from bot.reviewing import may_decide, show_held
from generation.sentence import count, say
from storage.posts import Post

if TYPE_CHECKING:
    from bot.house import Interaction

UNREADABLE = say(
    "The pictures that wait cannot be read any more: their files are damaged or gone. Delete on their cards "
    "takes them away."
)


def moderate_command() -> app_commands.Command[Any, ..., None]:
    """The command, for who may manage messages."""
    return app_commands.Command(
        name="moderate", description="Decide on pictures that are held for moderators", callback=_moderate
    )


@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.default_permissions(manage_messages=True)
async def _moderate(interaction: Interaction) -> None:
    check(interaction, Action.REVIEW)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    of_server = await interaction.client.house.reviews.waiting(interaction.guild_id)
    waiting = [held for held in of_server if await may_decide(interaction, held)]
    reported, hidden = await waiting_posts(interaction), await hidden_menu(interaction)
    if not waiting and await _show_reported(interaction, reported, hidden):
        return
    if not waiting:
        nothing = Card(tone=Tone.DONE, text=(say("Nothing is waiting for moderators."),))
        await show_held(interaction, nothing, below=hidden)
        return
    # One whose file is damaged must not stand in the way of those behind it.
    for held in waiting:
        if (card := await interaction.client.house.desk.card(held)) is not None:
            left = len(waiting) + len(reported) - 1
            await show_held(interaction, card, _more(left) if left else None, hidden)
            return
    await tell(interaction, UNREADABLE)


async def _show_reported(
    interaction: Interaction, posts: list[Post], hidden: discord.ui.ActionRow[discord.ui.LayoutView] | None
) -> bool:
    """Show the first that was reported; whether there was one."""
    for number, post in enumerate(posts, start=1):
        if (card := await card_of(interaction, post)) is not None:
            left = len(posts) - number
            await show_held(interaction, card, _more(left) if left else None, hidden)
            return True
    return False


def _more(left: int) -> str:
    return count(
        "{number} more waits; `/moderate` shows the next.",
        "{number} more wait; `/moderate` shows the next.",
        left,
    )
