"""The buttons with which moderators look at what is held, and decide on it."""

from __future__ import annotations

import logging
from typing import Any

import discord

from bot.acknowledgement import acknowledge
from bot.apologies import describe, tell
from bot.buttons import JobButton, JobItem
from bot.card import Action, Card
from bot.house import Interaction
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import mention
from bot.may import may_moderate_in
from bot.messages import NO_MENTIONS, files, fitting, layout
from bot.moderation import decided_card
from bot.refusals import UNREACHABLE
from generation.job import UserId
from generation.safety import Review
from generation.sentence import say
from storage.reviews import Held

log = logging.getLogger(__name__)

_JOB = r"(?P<job>[0-9a-z]{16})"
GONE = say("That is not waiting any more: its pictures were deleted.")


async def show_held(
    interaction: Interaction,
    card: Card,
    said: str | None = None,
    below: discord.ui.ActionRow[discord.ui.LayoutView] | None = None,
) -> None:
    """Show one that is held to the moderator who asked, and to nobody else."""
    card = await fitting(card, interaction.filesize_limit)
    said_in = language_of(interaction)
    view = layout(card, said_in)
    if said is not None:
        view.add_item(discord.ui.TextDisplay(f"-# {said_in(said)}"))
    if below is not None:
        view.add_item(below)
    await interaction.followup.send(
        view=view, files=files(card, said_in), ephemeral=True, allowed_mentions=NO_MENTIONS
    )


async def find_held(interaction: Interaction, button: JobItem[Any]) -> Held:
    """What the button is about, in this server.

    Raises:
        Refused: it was never held here, or was deleted, or is not for this person to decide.
    """
    held = await interaction.client.house.reviews.get(button.job_id)
    if held is None or held.server != interaction.guild_id or held.is_forgotten:
        if held is not None and held.state is Review.REJECTED:
            raise Refused(_decided(held))
        raise Refused(GONE)
    if not await may_decide(interaction, held):
        raise Refused(say("Only those who may manage messages where it was asked can look at it and decide."))
    return held


async def may_decide(interaction: Interaction, held: Held) -> bool:
    """Whether this person moderates where it was asked, not only where they are: a channel of their own."""
    delivery = await interaction.client.house.deliveries.get(held.job_id)
    return delivery is not None and may_moderate_in(interaction, delivery.address.channel_id)


def _decided(held: Held) -> str:
    who = mention(held.decided_by)
    if held.state is Review.APPROVED:
        return say("{who} has let it pass already.", who=who)
    return say("{who} has rejected it already.", who=who)


class ReviewButton(JobButton, template=f"{Action.REVIEW}:{_JOB}"):
    """Show a moderator what is held."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        held = await find_held(interaction, self)
        if held.state is not Review.WAITING:
            raise Refused(_decided(held))
        card = await interaction.client.house.desk.card(held)
        if card is None:
            raise Refused(GONE)
        await show_held(interaction, card)


class _DecisionButton(JobButton, template=r"(?!)"):
    decision: Review

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        try:
            await find_held(interaction, self)
        except Refused:
            # If it is decided or deleted, nobody could tell this message so when that happened.
            await interaction.client.house.desk.withdrawn(self.job_id)
            raise
        by = UserId(interaction.user.id)
        held = await interaction.client.house.desk.decide(self.job_id, self.decision, by=by)
        if held is None:
            raise Refused(GONE)
        if held.decided_by != by or held.state is not self.decision:
            await tell(interaction, GONE if held.state is Review.WAITING else _decided(held))
        if interaction.message is None or interaction.message.id == held.message_id:
            return  # the desk has seen to that message
        try:
            await interaction.edit_original_response(
                view=layout(decided_card(held), language_of(interaction)),
                attachments=[],
                allowed_mentions=NO_MENTIONS,
            )
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.info("a decision was kept, but not shown where it was made: %s", describe(error))


class ApproveButton(_DecisionButton, template=f"{Action.APPROVE}:{_JOB}"):
    """Let it pass."""

    decision = Review.APPROVED


class RejectButton(_DecisionButton, template=f"{Action.REJECT}:{_JOB}"):
    """Show it to nobody, and forget it."""

    decision = Review.REJECTED


ITEMS: tuple[type[JobItem[Any]], ...] = (ReviewButton, ApproveButton, RejectButton)
