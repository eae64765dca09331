"""What moderators have hidden of a gallery: the list of it under /moderate, and how one is shown again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import discord
from discord import ui

from bot.acknowledgement import acknowledge
from bot.apologies import describe, tell
from bot.buttons import JobButton, show_privately
from bot.card import Action
from bot.gallerycards import hidden_card, link_of, name_of_post
from bot.history import LISTED
from bot.language import language_of
from bot.leafing import PageItem
from bot.limits import Refused
from bot.markdown import shortened, whole
from bot.may import check
from bot.options import MAX_CHOICES
from bot.refusals import UNREACHABLE
from bot.reporting import NOT_YOURS, log_decision, may_decide, show_decided
from bot.shared import find_post, gallery_channel, has_gallery, shows_all
from generation.job import JobId, UserId
from generation.sentence import say
from storage.decisions import Decision
from storage.gallery import GONE
from storage.posts import Post

if TYPE_CHECKING:
    from bot.house import Interaction

log = logging.getLogger(__name__)

NOT_HIDDEN = say("It is in the gallery already.")
FOR_ADULTS = say("It was shared in an age-restricted channel, and the gallery is not one now.")


async def hidden_menu(interaction: Interaction) -> ui.ActionRow[ui.LayoutView] | None:
    """What is hidden in this server, for a moderator to look at; None: nothing."""
    if interaction.guild_id is None or not has_gallery(interaction):
        return None
    hidden = await interaction.client.house.gallery.hidden(interaction.guild_id, MAX_CHOICES + 1)
    hidden = tuple(post for post in hidden if may_decide(interaction, post))
    if not hidden:
        return None
    said_in = language_of(interaction)
    placeholder = say("Look at what is hidden, to show it again…")
    if len(hidden) > MAX_CHOICES:
        placeholder = say("Look at what was hidden last, to show it again…")
    menu: ui.Select[ui.LayoutView] = ui.Select(
        custom_id="moderate:hidden",
        placeholder=said_in(placeholder),
        options=[
            discord.SelectOption(
                label=shortened(f"{number}. {whole(name_of_post(post))}", LISTED),
                value=f"{post.job_id}:{post.index}",
            )
            for number, post in enumerate(hidden[:MAX_CHOICES], start=1)
        ],
    )
    return ui.ActionRow(menu)


class HiddenMenu(PageItem, template=r"moderate:hidden"):
    """One of them, with its picture and what was decided."""

    async def pressed(self, interaction: Interaction) -> None:
        check(interaction, Action.RESTORE)
        await acknowledge(interaction, thinking=True, ephemeral=True)
        house = interaction.client.house
        job_id, _, index = self.item.values[0].partition(":")
        post = await find_post(interaction, JobId(job_id), int(index) if index.isdecimal() else 0)
        if post is None:
            raise Refused(GONE)
        _check_decider(interaction, post)
        if not post.is_hidden:
            raise Refused(NOT_HIDDEN)
        job, picture = await house.curator.picture_of(post)
        if job is None:
            raise Refused(GONE)
        reports, last = await house.reports.of(post.id), await house.reports.last(post.server, post.id)
        await show_privately(interaction, hidden_card(post, job, picture, reports, last))


class RestoreButton(JobButton, template=rf"{Action.RESTORE}:(?P<job>[0-9a-z]{{16}}):(?P<index>\d)"):
    """Show it again: in the gallery's channel, and wherever it was found."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        house = interaction.client.house
        post = await find_post(interaction, self.job_id, self.index)
        if post is None:
            raise Refused(GONE)
        _check_decider(interaction, post)
        if post.is_hidden and post.for_adults and not shows_all(interaction):  # it could not be hung
            raise Refused(FOR_ADULTS)
        async with house.curator.going(job=post.job_id):  # what was made from it may name it again
            is_new = await house.gallery.unhide(post.id, by=UserId(interaction.user.id))
        await show_decided(interaction, post)
        if not is_new:
            raise Refused(NOT_HIDDEN)
        await log_decision(interaction, post, Decision.SHOWN)
        await _hang(interaction, post)


async def _hang(interaction: Interaction, post: Post) -> None:
    try:
        shown = await interaction.client.house.curator.hang(post.id)
    except (discord.HTTPException, *UNREACHABLE) as error:
        log.warning("a post waits: %s", describe(error))
        shown = post
    if shown is None:
        raise Refused(GONE)
    if (link := link_of(shown)) is None:
        await tell(interaction, say("It is shown again; its message follows as soon as Discord takes it."))
    else:
        await tell(interaction, say("It is in the gallery again: {link}", link=link))


def _check_decider(interaction: Interaction, post: Post) -> None:
    """Whether this person may decide about it, and there is a gallery in which it can be shown.

    Raises:
        Refused: they may not, or there is none.
    """
    gallery_channel(interaction)
    if not may_decide(interaction, post):
        raise Refused(NOT_YOURS)


ITEMS: tuple[type[Any], ...] = (HiddenMenu, RestoreButton)
