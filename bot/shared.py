"""What is shared where somebody is: whether there is a gallery, who may see it, and one of its posts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import discord

from bot.apologies import describe
from bot.limits import Refused
from bot.policy import rules_here
from bot.refusals import UNREACHABLE
from bot.safety import is_server_of_ours
from generation.job import JobId
from generation.sentence import say
from storage.gallery import GONE
from storage.posts import Post

if TYPE_CHECKING:
    from bot.house import Interaction

log = logging.getLogger(__name__)

NO_GALLERY = say(
    "This server has no gallery. Whoever manages it can choose a channel for one with `/server gallery`."
)


def gallery_channel(interaction: Interaction) -> int:
    """The channel in which shared pictures are shown here.

    Raises:
        Refused: there is none.
    """
    if interaction.guild_id is None or not is_server_of_ours(interaction):
        raise Refused(say("There are galleries in servers only."))
    channel = interaction.client.house.servers.of(interaction.guild_id).gallery_channel
    if channel is None:
        raise Refused(NO_GALLERY)
    return channel


def has_gallery(interaction: Interaction) -> bool:
    """Whether pictures can be shared where somebody is."""
    return interaction.client.house.servers.has_gallery(interaction.guild_id)


def check_visitor(interaction: Interaction) -> int:
    """The server, in whose gallery this person may look from where they are.

    Raises:
        Refused: they may not, or there is none.
    """
    channel = gallery_channel(interaction)
    assert interaction.guild_id is not None, "there is a gallery"
    found = None if interaction.guild is None else interaction.guild.get_channel(channel)
    if found is None:
        raise Refused(
            say(
                "The channel of this server's gallery is not there any more, or I may not see it. "
                "Whoever manages the server can choose another with `/server gallery`."
            )
        )
    _check_sees(interaction, found)
    if is_adult(found) and not rules_here(interaction).age_restricted:
        raise Refused(
            say(
                "The gallery is age-restricted; ask again in {channel}.",
                channel=f"<#{channel}>",
            )
        )
    return interaction.guild_id


def check_sharer(interaction: Interaction) -> int:
    """The channel of the gallery, into which this person may have the bot post.

    Raises:
        Refused: they may not, or there is none.
    """
    channel = gallery_channel(interaction)
    check_member(interaction)
    found = None if interaction.guild is None else interaction.guild.get_channel(channel)
    if found is not None:
        _check_sees(interaction, found)
    return channel


def _check_sees(interaction: Interaction, gallery: discord.abc.GuildChannel) -> None:
    member = interaction.user
    if gallery.id != interaction.channel_id and not (
        isinstance(member, discord.Member) and gallery.permissions_for(member).view_channel
    ):
        raise Refused(say("You cannot see the channel in which this server's gallery is."))


def is_visitor(interaction: Interaction) -> bool:
    """Whether this person may look into the gallery from where they are."""
    try:
        check_visitor(interaction)
    except Refused:
        return False
    return True


def shows_all(interaction: Interaction) -> bool:
    """Whether this server's gallery is where only adults see it, so that it shows what only they may see."""
    guild = interaction.guild
    return guild is not None and is_adult(guild.get_channel(gallery_channel(interaction)))


def is_adult(channel: object) -> bool:
    """Whether only adults see it."""
    return bool(getattr(channel, "nsfw", False))


def check_member(interaction: Interaction) -> None:
    """Whether this person may take part: share, like, save.

    Raises:
        Refused: the server has decided against it.
    """
    if interaction.user.id in rules_here(interaction).settings.blocked:
        raise Refused(
            say("Whoever manages this server has decided that you cannot take part in its gallery.")
        )


async def post_here(interaction: Interaction, job_id: JobId, index: int, *, hidden: bool = False) -> Post:
    """The picture as it is shared in this server.

    Args:
        hidden: also if moderators took it out of sight.

    Raises:
        Refused: it is not, or not any more; or its card was shown to this person alone, who may not look into
            the gallery any more.
    """
    post = await find_post(interaction, job_id, index)
    if post is None or (post.is_hidden and not hidden):
        await _remove_left_over(interaction)
        raise Refused(GONE)
    is_private = interaction.message is not None and interaction.message.flags.ephemeral
    if is_private and post.person != interaction.user.id:  # what is one's own can be taken out nevertheless
        check_visitor(interaction)
    return post


async def find_post(interaction: Interaction, job_id: JobId, index: int) -> Post | None:
    """The same, also if moderators took it out of sight; None if it is not shared here."""
    posts = await interaction.client.house.gallery.of_job(job_id)
    return next((post for post in posts if post.index == index and post.server == interaction.guild_id), None)


async def _remove_left_over(interaction: Interaction) -> None:
    """Remove the message of a post that is gone, if it still stands: it shows what shall not be seen."""
    message = interaction.message
    if message is None or message.flags.ephemeral or message.author != interaction.client.user:
        return
    try:
        await message.delete()
    except (discord.HTTPException, *UNREACHABLE) as error:
        log.info("a message of a post that is gone stays: %s", describe(error))
