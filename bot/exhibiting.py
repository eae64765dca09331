"""Posts and messages of a gallery in Discord: a message in a text channel, a post in a forum."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import discord
from discord.utils import DISCORD_EPOCH

from bot.apologies import describe
from bot.card import Card
from bot.gallerycards import name_of_post
from bot.language import Language
from bot.markdown import whole
from bot.messages import NO_MENTIONS, files, first_button, layout
from bot.refusals import is_final
from storage.gallery import Message
from storage.posts import Post

log = logging.getLogger(__name__)

_ARCHIVED = 50083
_EARLIER = 100
"""Posts of a forum in which one of ours is looked for."""
MOST_SINCE = 1000
"""Messages of a channel in which it is."""
CLOCKS_DIFFER = 60.0
"""Seconds by which Discord's clock may be behind ours."""
NAMELESS = "…"
"""What a post of a forum is called when its picture is gone."""
MAX_FORUM_TAGS = 5
"""That Discord takes of one post."""


async def place_of(client: discord.Client, channel_id: int) -> Any:
    """The channel. Where it is not known yet, as after a start, Discord is asked what it is.

    Raises:
        discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError: Discord does not say.
    """
    return client.get_channel(channel_id) or await client.fetch_channel(channel_id)


class CannotLook(Exception):  # noqa: N818 - it is an answer
    """We may write in a channel, but not read what stands there."""


async def new_post(channel: Any, post: Post, card: Card, language: Language, time: int) -> Message:
    """Show a post where the gallery is.

    Args:
        time: how often it was shown before and taken down: Discord may not tell the two apart otherwise.

    Raises:
        discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError: Discord did not take it.
    """
    view, attachments = layout(card, language), files(card, language)
    if isinstance(channel, discord.ForumChannel):
        made = await channel.create_thread(
            name=whole(name_of_post(post)),
            view=view,
            files=attachments,
            applied_tags=forum_tags(channel, post),
            allowed_mentions=NO_MENTIONS,
        )
        return Message(channel_id=made.thread.id, message_id=made.message.id)
    message = await channel.send(
        view=view,
        files=attachments,
        allowed_mentions=NO_MENTIONS,
        nonce=f"post-{post.id}" if time == 0 else f"{time}-{post.id}",
    )
    return Message(channel_id=message.channel.id, message_id=message.id)


def forum_tags(forum: discord.ForumChannel, post: Post) -> list[discord.ForumTag]:
    """Those of the forum that are called like the post's; one of them, whichever, where one is required."""
    wanted = set(post.tags)
    found = [tag for tag in forum.available_tags if tag.name.casefold() in wanted and not tag.moderated]
    if not found and forum.flags.require_tag:
        found = [tag for tag in forum.available_tags if not tag.moderated][:1]
    return found[:MAX_FORUM_TAGS]


async def message_since(
    client: discord.Client, channel: Any, mark: str, since: float, going: Collection[int] = ()
) -> Message | None:
    """Our own message with this first button, if it was posted there since then.

    Of a forum, what is archived is not looked at.

    Args:
        since: seconds since the epoch.
        going: the ids of those that are to be taken down.

    Raises:
        CannotLook, discord.Forbidden: we may not look there.
        discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError: it cannot be told now.
    """
    if isinstance(channel, discord.abc.GuildChannel) and not _may_read(channel):
        raise CannotLook  # asked, Discord would say that there are no messages
    begin = datetime.fromtimestamp(max(since - CLOCKS_DIFFER, DISCORD_EPOCH / 1000), UTC)
    async for message in _since(channel, begin):
        is_ours = message.author == client.user and message.created_at >= begin and message.id not in going
        if is_ours and first_button(message.components) == mark:
            return Message(channel_id=message.channel.id, message_id=message.id)
    return None


async def edit_message(client: discord.Client, message: Any, **changes: Any) -> None:
    """Edit a message of a post or of a board, also where its thread has been archived.

    Raises:
        discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError: Discord did not take it.
    """
    try:
        await message.edit(**changes, allowed_mentions=NO_MENTIONS)
    except discord.HTTPException as error:
        if error.code != _ARCHIVED:
            raise
        await client.http.edit_channel(message.channel.id, archived=False)
        await message.edit(**changes, allowed_mentions=NO_MENTIONS)


def _may_read(channel: discord.abc.GuildChannel) -> bool:
    me = channel.guild.me  # None while our roles are not known
    return me is None or channel.permissions_for(me).read_message_history


async def _since(channel: Any, begin: datetime) -> AsyncIterator[discord.Message]:
    if not isinstance(channel, discord.ForumChannel):
        async for message in channel.history(limit=MOST_SINCE, after=begin, oldest_first=True):
            yield message
        return
    # A post of a forum is a thread whose first message has its id.
    threads = sorted(await channel.guild.active_threads(), key=lambda thread: thread.id, reverse=True)
    for thread in [each for each in threads if each.parent_id == channel.id][:_EARLIER]:
        try:
            yield await thread.fetch_message(thread.id)
        except discord.NotFound:
            continue


async def _empty_thread(
    client: discord.Client, channel: discord.PartialMessageable, message: Message
) -> None:
    """Without "manage threads" what others wrote in a forum's post stays. What it shows and its name go."""
    with suppress(discord.Forbidden):  # moderators have locked it
        await client.http.edit_channel(message.channel_id, name=NAMELESS, archived=False)
    await channel.get_partial_message(message.message_id).delete()
    with suppress(discord.Forbidden):
        await client.http.edit_channel(message.channel_id, archived=True)


async def delete_message(client: discord.Client, message: Message) -> None:
    """Delete the message of a post, and the forum's post that it began.

    Raises:
        discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError: it may work later. Where it never
            will, nothing is raised.
    """
    channel = client.get_partial_messageable(message.channel_id)
    try:
        if message.channel_id == message.message_id:
            try:
                await client.http.delete_channel(message.channel_id)
            except discord.Forbidden:
                await _empty_thread(client, channel, message)
        else:
            await channel.get_partial_message(message.message_id).delete()
    except discord.HTTPException as error:
        if not is_final(error, 0):
            raise
        log.info("a message of the gallery is gone already, or stays: %s", describe(error))
