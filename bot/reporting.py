"""Reports about shared pictures: the form, moderators' messages, and the buttons with which they decide."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

import discord
from discord.utils import DEFAULT_FILE_SIZE_LIMIT_BYTES

from bot.acknowledgement import acknowledge
from bot.apologies import describe, tell
from bot.buttons import JobButton
from bot.card import Action, Card, custom_id
from bot.forms import Filled, Text, open_form
from bot.gallerycards import decided_line, decided_report_card, gone_report_card, report_card
from bot.governing import added, logged, spoken_in
from bot.language import language_of
from bot.limits import Refused
from bot.may import may_moderate_in
from bot.messages import NO_MENTIONS, files, fitting, layout
from bot.policy import rules_here
from bot.refusals import UNREACHABLE
from bot.shared import check_member, find_post, gallery_channel, post_here
from generation.job import JobId, UserId
from generation.sentence import joined, say
from storage.posts import Post
from storage.reports import MAX_REASON, Decision, Notice
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction

log = logging.getLogger(__name__)

_POST = r"(?P<job>[0-9a-z]{16}):(?P<index>\d)"
REASON = "reason"
MAX_BLOCKED = 1000
LOG_PATIENCE = 30.0
"""Seconds that a message to moderators may take."""

NOT_YOURS = say("Only those who may manage messages where the gallery is can decide that.")


class ReportButton(JobButton, template=f"{Action.REPORT}:{_POST}"):
    """Ask what is wrong with it."""

    async def pressed(self, interaction: Interaction) -> None:
        check_member(interaction)
        await open_form(
            interaction,
            custom_id(Action.REPORT, self.job_id, self.index),
            say("Report it to the moderators"),
            (
                Text(
                    name=REASON,
                    label=say("What is wrong with it"),
                    help=say("Moderators see that, and that it comes from you"),
                    most=MAX_REASON,
                ),
            ),
        )


async def report(interaction: Interaction, filled: Filled, job_id: JobId, index: int) -> None:
    """Keep a report, and lay it before moderators.

    Raises:
        Refused, InvalidRequest: the post is gone, or one's own, or no reason is given.
    """
    check_member(interaction)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    house = interaction.client.house
    post = await post_here(interaction, job_id, index)
    if post.person == interaction.user.id:
        raise Refused(say("This is yours; *More…* under it takes it out of the gallery."))
    waiting = await house.reports.report(
        post.id, by=UserId(interaction.user.id), reason=filled.texts.get(REASON, "")
    )
    if not waiting:
        raise Refused(say("You have reported it already; moderators know."))
    await tell(interaction, say("Thank you. Moderators will look at it."))
    if waiting == 1:  # they see the first, with all that wait
        await _lay_before_moderators(interaction, post)


async def _lay_before_moderators(interaction: Interaction, post: Post) -> None:
    """Show it in their channel, if they have one; without it, or if it cannot be, `/moderate` shows it."""
    house = interaction.client.house
    place = house.servers.of(post.server).moderators_channel
    if place is None:
        return
    card = await card_of(interaction, post)
    if card is None:
        return
    card = await fitting(card, DEFAULT_FILE_SIZE_LIMIT_BYTES)
    said_in = spoken_in(interaction)
    try:
        async with asyncio.timeout(LOG_PATIENCE):
            message = await interaction.client.get_partial_messageable(place, guild_id=post.server).send(
                view=layout(card, said_in), files=files(card, said_in), allowed_mentions=NO_MENTIONS
            )
    except (discord.HTTPException, *UNREACHABLE) as error:
        log.warning("a report could not be shown to moderators, /moderate shows it: %s", describe(error))
        return
    await house.reports.shown(
        Notice(
            channel_id=place,
            message_id=message.id,
            server=post.server,
            post=post.id,
            job_id=post.job_id,
            index=post.index,
        )
    )
    house.curator.wake()  # it may have been decided, or gone, before anybody knew of this message


async def card_of(interaction: Interaction, post: Post) -> Card | None:
    """What moderators see of a post with its reports; None if it is gone."""
    house = interaction.client.house
    job, picture = await house.curator.picture_of(post)
    return None if job is None else report_card(post, job, picture, await house.reports.of(post.id))


def may_decide(interaction: Interaction, post: Post) -> bool:
    """Whether this person moderates where the gallery is, and not only where they are."""
    return may_moderate_in(interaction, post.channel_id or gallery_channel(interaction))


class _DecisionButton(JobButton, template=r"(?!)"):
    decision: Decision
    blocks = False

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        house, by = interaction.client.house, UserId(interaction.user.id)
        post = await find_post(interaction, self.job_id, self.index)
        if post is None:
            await self._is_gone(interaction)
            return
        if not may_decide(interaction, post):
            raise Refused(NOT_YOURS)
        if self.blocks:
            await _check_blocked(interaction, post.person)
        if self.decision is Decision.HIDDEN:
            async with house.curator.going(job=post.job_id):
                decided = await house.reports.decide(post.id, self.decision, by=by)
        else:
            decided = await house.reports.decide(post.id, self.decision, by=by)
        last = await house.reports.last(post.server, post.id)
        if self.blocks:
            await _block(interaction, post.person)
        house.curator.wake()
        if not decided and last is not None:
            await tell(interaction, joined(" ", (say("That was decided already."), decided_line(last))))
        await show_decided(interaction, post)
        if decided:
            await log_decision(interaction, post, self.decision)

    async def _is_gone(self, interaction: Interaction) -> None:
        """Whose it was can be blocked nevertheless, unless they had all forgotten."""
        house = interaction.client.house
        job, delivery = await house.jobs.outlined(self.job_id), await house.deliveries.get(self.job_id)
        if delivery is None or delivery.address.guild_id != interaction.guild_id:
            job = None
        if not self.blocks or job is None:
            await show_instead(interaction, gone_report_card(job, self.index))
            return
        if not may_moderate_in(interaction, gallery_channel(interaction)):
            raise Refused(NOT_YOURS)
        await _check_blocked(interaction, job.asker)
        await _block(interaction, job.asker)
        await show_instead(interaction, decided_report_card(None))


class HideButton(_DecisionButton, template=f"{Action.HIDE}:{_POST}"):
    """Out of sight: its message goes, and nothing finds it."""

    decision = Decision.HIDDEN


class KeepButton(_DecisionButton, template=f"{Action.KEEP}:{_POST}"):
    """It stays."""

    decision = Decision.KEPT


class BlockButton(_DecisionButton, template=f"{Action.BLOCK}:{_POST}"):
    """Out of sight, and its owner asks for no more pictures here."""

    decision = Decision.HIDDEN
    blocks = True


async def _check_blocked(interaction: Interaction, person: UserId) -> None:
    """Whether a report may have this person blocked.

    Raises:
        Refused: it may not, or Discord does not say who they are.
    """
    if person == interaction.user.id:
        raise Refused(say("That is you."))
    if await is_trusted(interaction.guild, person, gallery_channel(interaction)):
        raise Refused(say("{who} moderates here, and cannot be blocked by a report.", who=f"<@{person}>"))
    blocked = rules_here(interaction).settings.blocked
    if person not in blocked and len(blocked) >= MAX_BLOCKED:
        raise Refused(say("{most:,} people are blocked already.", most=MAX_BLOCKED))


async def is_trusted(guild: discord.Guild | None, person: UserId, gallery: int) -> bool:
    """Whether they own, manage or moderate the server, or its gallery; Discord is asked, as of now.

    Raises:
        Refused: Discord does not say.
    """
    if guild is None or person == guild.owner_id:
        return True
    try:
        member = await guild.fetch_member(person)
    except discord.NotFound:  # they have left
        return False
    except (discord.HTTPException, *UNREACHABLE) as error:
        log.info("somebody was not blocked: %s", describe(error))
        raise Refused(say("Discord does not tell me who that is just now; please try again.")) from None
    held = member.guild_permissions
    place = guild.get_channel(gallery)
    there = held if place is None else place.permissions_for(member)
    return held.manage_guild or held.manage_messages or there.manage_messages


async def _block(interaction: Interaction, person: UserId) -> None:
    def edit(was: ServerSettings) -> ServerSettings:
        return replace(was, blocked=added(was.blocked, int(person)))

    servers, server = interaction.client.house.servers, interaction.guild_id or 0
    changes = await servers.change(server, edit, by=UserId(interaction.user.id))
    place = servers.of(server).log_channel
    if place is not None and changes:
        await logged(interaction, place, changes)
    who = f"<@{person}>"
    await tell(
        interaction,
        say("{who} is blocked in this server; `/server people unblock` undoes that.", who=who),
    )


async def show_decided(interaction: Interaction, post: Post) -> None:
    """Put what was decided about a post in place of what was to be."""
    house = interaction.client.house
    now, last = await house.gallery.get(post.id), await house.reports.last(post.server, post.id)
    hidden = post.job_id if now is not None and now.is_hidden else None
    await show_instead(interaction, decided_report_card(last, hidden, post.index))


async def show_instead(interaction: Interaction, card: Card) -> None:
    """Put a card in place of the one that was pressed."""
    try:
        await interaction.edit_original_response(
            view=layout(card, language_of(interaction)), attachments=[], allowed_mentions=NO_MENTIONS
        )
    except (discord.HTTPException, *UNREACHABLE) as error:
        log.info("a decision was kept, but not shown where it was made: %s", describe(error))


async def log_decision(interaction: Interaction, post: Post, decision: Decision) -> None:
    """Tell of it where the server wants changes told."""
    place = interaction.client.house.servers.of(post.server).log_channel
    if place is None:
        return
    who, whom = f"<@{interaction.user.id}>", f"<@{post.person}>"
    match decision:
        case Decision.KEPT:
            said = say("{who} kept a picture of {whom} that was reported.", who=who, whom=whom)
        case Decision.HIDDEN:
            said = say("{who} hid a picture of {whom} that was reported.", who=who, whom=whom)
        case Decision.REMOVED:
            said = say("{who} took a picture of {whom} out of the gallery.", who=who, whom=whom)
        case Decision.SHOWN:
            said = say("{who} brought back a picture of {whom} that was hidden.", who=who, whom=whom)
        case _:
            assert_never(decision)
    try:
        async with asyncio.timeout(LOG_PATIENCE):
            channel = interaction.client.get_partial_messageable(place, guild_id=post.server)
            await channel.send(spoken_in(interaction)(said), allowed_mentions=NO_MENTIONS)
    except (discord.HTTPException, *UNREACHABLE) as error:
        log.info("a decision was kept, but not told: %s", describe(error))


async def waiting_posts(interaction: Interaction) -> list[Post]:
    """Posts of this server that were reported and that this person may decide on, the oldest report first."""
    house = interaction.client.house
    if interaction.guild_id is None:
        return []
    ids = dict.fromkeys(each.post for each in await house.reports.waiting(interaction.guild_id))
    posts = [post for post_id in ids if (post := await house.gallery.get(post_id)) is not None]
    return [post for post in posts if may_decide(interaction, post)]


ITEMS = (ReportButton, HideButton, KeepButton, BlockButton)
