"""Share: the form that a result's button opens, what becomes of it, and taking a picture out again."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import discord

from bot.acknowledgement import acknowledge
from bot.apologies import describe, tell
from bot.banned import banned
from bot.buttons import JobButton
from bot.card import Action, Button, Card, Entry, Tone, custom_id
from bot.cards import can_be_shared
from bot.forms import Choice, Filled, Text, at_hand, open_form
from bot.gallerycards import link_of
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import literal, shortened
from bot.may import REFUSALS, check, may_moderate_in
from bot.messages import NO_MENTIONS, layout
from bot.orders import GONE
from bot.policy import Rules, rules_here, standing
from bot.refusals import UNREACHABLE
from bot.reporting import log_decision
from bot.shared import check_sharer, find_post, gallery_channel, is_adult, post_here, shows_all
from generation.image import PictureGone
from generation.job import Job, JobId, UserId
from generation.request import InvalidRequest
from generation.sentence import Sentence, joined, say
from storage.decisions import Decision
from storage.posts import Post
from storage.postwords import MAX_TAGS, MAX_TITLE, read_tags

if TYPE_CHECKING:
    from bot.house import Interaction

log = logging.getLogger(__name__)

TITLE, TAGS, PICTURE = "title", "tags", "picture"
"""Names of fields; they stand in forms that people have open."""
MAX_TYPED_TAGS = 400
"""Characters."""


class ShareButton(JobButton, template=r"share:(?P<job>[0-9a-z]{16})(?::(?P<index>\d))?"):
    """Ask under which title and tags a picture of one's own shall be shown to the server."""

    async def pressed(self, interaction: Interaction) -> None:
        await open_share(interaction, self.job_id, self.custom_id.count(":") == 1, self.index)


async def open_share(interaction: Interaction, job_id: JobId, whole: bool = True, index: int = 0) -> None:
    """Ask what is to be said of a picture, and which of several it is.

    Args:
        whole: the button is that of all pictures of a job.
    """
    check_sharer(interaction)
    job = await at_hand(_job(interaction, job_id))
    several = whole and job.request.count > 1
    if not several and (post := await at_hand(find_post(interaction, job_id, index))) is not None:
        raise Refused(_already(post))
    fields: list[Text | Choice] = [
        Text(
            name=TITLE,
            label=say("Title"),
            help=say("May stay empty; the prompt is shown anyway"),
            required=False,
            most=MAX_TITLE,
        ),
        Text(
            name=TAGS,
            label=say("Tags"),
            help=say("By which it is found, with commas between them; {most} at the most", most=MAX_TAGS),
            required=False,
            most=MAX_TYPED_TAGS,
        ),
    ]
    if several:
        numbers = range(job.request.count)
        entries = tuple(Entry(str(each), say("Picture {number}", number=each + 1)) for each in numbers)
        fields.insert(0, Choice(name=PICTURE, label=say("Which of them"), entries=entries))
    await open_form(
        interaction,
        custom_id(Action.SHARE, job_id, None if several else index),
        say("Show it to the server"),
        tuple(fields),
    )


async def _job(interaction: Interaction, job_id: JobId) -> Job:
    job = await interaction.client.house.jobs.outlined(job_id)
    if job is None:
        raise Refused(GONE)
    check(interaction, Action.SHARE, job)
    if job.private:
        raise Refused(say("This picture is private, so it cannot be shared."))
    if not can_be_shared(job):
        raise Refused(say("This picture cannot be shared."))
    return job


def _already(post: Post) -> Sentence:
    if post.is_hidden:
        return say("Moderators took this picture out of the gallery, so it cannot be shared again.")
    if (link := link_of(post)) is None:
        return say("It is shared already; its message follows soon.")
    return say("It is shared already: {link}", link=link)


async def share(interaction: Interaction, filled: Filled, job_id: JobId, index: int) -> None:
    """Show a picture to the server, as somebody filled in.

    Raises:
        Refused, InvalidRequest: it may not be; nothing is shared.
    """
    house, server = interaction.client.house, interaction.guild_id
    channel = check_sharer(interaction)
    chosen = filled.texts.get(PICTURE, str(index))
    index = int(chosen) if chosen.isdecimal() and len(chosen) == 1 else index
    title, tags = filled.texts.get(TITLE, ""), read_tags(filled.texts.get(TAGS, ""))
    await acknowledge(interaction, thinking=True, ephemeral=True)
    job = await _job(interaction, job_id)
    rules = rules_here(interaction)
    await _check_place(interaction, channel, job)
    reason = await asyncio.to_thread(_words_reason, interaction, rules, job, (title, *tags))
    if reason is not None:
        raise Refused(reason)
    assert server is not None, "there is a gallery"
    adults = shows_all(interaction)
    try:
        post, is_new = await house.gallery.share(
            job_id,
            index,
            server=server,
            by=UserId(interaction.user.id),
            title=title,
            tags=tags,
            channel=channel,
            adults=adults,
        )
    except PictureGone as gone:
        raise Refused(gone.sentence) from None
    if not is_new and post.message_id is not None:
        raise Refused(_already(post))
    try:
        shown = await house.curator.hang(post.id, fresh=is_new)
    except (discord.HTTPException, *UNREACHABLE) as error:
        log.warning("a post waits: %s", describe(error))
        house.curator.wake()
        await tell(interaction, say("It is shared; its message follows as soon as Discord takes it."))
        return
    if shown is None:
        raise InvalidRequest(say("This picture is not there any more, so it cannot be shared."))
    if shown.is_hidden or (link := link_of(shown)) is None:
        raise Refused(_already(shown))
    told: list[str] = [say("It is in the gallery: {link}. *More…* under it takes it out again.", link=link)]
    if (address := house.gallery_address) is not None and rules.settings.web_gallery and not adults:
        told.append(
            say("-# Whoever has the address sees it on the web, too: {address}", address=address(server))
        )
    await tell(interaction, joined("\n", told))


def _words_reason(
    interaction: Interaction, rules: Rules, job: Job, typed: tuple[str, ...]
) -> Sentence | None:
    """Why the server does not want these words shown, or None. Slow for long lists."""
    shelf = interaction.client.house.shelf
    reason = rules.words_reason(job.request, shelf.loras, shelf.by_source(job.request.model))
    if reason is not None or not rules.settings.words:
        return reason
    list_ = banned(rules.settings.words)
    for text in typed:
        if (word := list_.find(text)) is not None:
            shown = f"“{literal(shortened(word, 80))}”"
            return say("This server does not want {word} in titles and tags, in any spelling.", word=shown)
    return None


async def _check_place(interaction: Interaction, channel: int, job: Job) -> None:
    """What only adults see stays where only they see it.

    Raises:
        Refused: the gallery is not such a place.
    """
    guild = interaction.guild
    if guild is None or is_adult(guild.get_channel(channel)):
        return
    house = interaction.client.house
    model = house.shelf.by_source(job.request.model)
    settings = house.servers.of(guild.id)
    children, adults = Rules(settings=settings, age_restricted=False), Rules(settings=settings)
    if model is not None and adults.allows(model) and not children.allows(model):
        raise Refused(
            say("It was drawn with a model for age-restricted channels, and the gallery is not one.")
        )
    delivery = await house.deliveries.get(job.id)
    if delivery is None:
        return
    place = guild.get_channel_or_thread(delivery.address.channel_id)
    if place is not None and standing(place)[1]:
        raise Refused(say("It was asked for in an age-restricted channel, and the gallery is not one."))


# Unshare --------------------------------------------------------------------------------------------------


def check_keeper_of(interaction: Interaction, post: Post) -> None:
    """Whether this person may take a post out of the gallery: who shared it, and moderators of its channel.

    Raises:
        Refused: they may not.
    """
    channel = post.channel_id or gallery_channel(interaction)
    if interaction.user.id != post.person and not may_moderate_in(interaction, channel):
        raise Refused(REFUSALS[Action.UNSHARE])


async def ask_to_take_out(interaction: Interaction, post: Post) -> None:
    """Ask once more: its likes go with it. For an interaction that was acknowledged."""
    check_keeper_of(interaction, post)
    card = Card(
        tone=Tone.WAITING,
        text=(say("Take it out of the gallery? Its likes go, too."),),
        buttons=(Button(action=Action.UNSHARE, job=post.job_id, index=post.index, label=say("Take it out")),),
    )
    view = layout(card, language_of(interaction))
    await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)


class UnshareButton(JobButton, template=r"unshare:(?P<job>[0-9a-z]{16}):(?P<index>\d)"):
    """Take a picture out of the gallery."""

    async def pressed(self, interaction: Interaction) -> None:
        await acknowledge(interaction)
        house = interaction.client.house
        post = await post_here(interaction, self.job_id, self.index, hidden=True)
        check_keeper_of(interaction, post)
        if post.is_hidden:
            raise Refused(say("Moderators have hidden it already."))
        by = UserId(interaction.user.id)
        moderator = None if by == post.person else by
        async with house.curator.going(job=post.job_id):
            await house.gallery.unshare(post.id, by=moderator)
        card = Card(tone=Tone.CANCELLED, text=(say("It is not in the gallery any more."),))
        try:
            await interaction.edit_original_response(
                view=layout(card, language_of(interaction)), allowed_mentions=NO_MENTIONS
            )
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.info("a post is taken out, but that was not shown: %s", describe(error))
        if moderator is not None:
            await log_decision(interaction, post, Decision.REMOVED)


ITEMS = (ShareButton, UnshareButton)
