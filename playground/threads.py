"""Threads of channels and posts of forums: begun, written in, archived, locked and deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from playground.errors import missing_permissions, thread_archived, thread_locked
from playground.nouns import Channel, ChannelKind, Json, Snowflake, User
from playground.permissions import Permission

if TYPE_CHECKING:
    from playground.world import World


def begin(
    world: World,
    author: User,
    parent: Channel,
    name: str,
    kind: ChannelKind = ChannelKind.THREAD,
    *,
    number: Snowflake | None = None,
) -> Channel:
    """A new thread in a channel; of a forum, the post whose first message has its id.

    Args:
        number: its id: that of the message of the channel from which it is begun.
    """
    thread = Channel(
        id=number or world.mint(),
        kind=kind,
        members=(author.id,) if kind is ChannelKind.PRIVATE_THREAD else (),
        name=name,
        guild=parent.guild,
        parent=parent.id,
        owner=author.id,
    )
    return put(world, thread, fresh=True)


def put(world: World, thread: Channel, *, fresh: bool = False) -> Channel:
    """Keep a new or changed thread, and tell it to those who may see it."""
    old = world.channels.get(thread.id)
    if old is None or old.archived != thread.archived:
        thread = replace(thread, archive_changed_at=world.clock.now())
    world.put_channel(thread)
    name = "THREAD_CREATE" if fresh else "THREAD_UPDATE"
    world.tell(name, world.wire.thread(thread), world.audience(thread))
    return thread


def add(world: World, thread: Channel, member: User) -> None:
    """Let somebody into a private thread, who hears of it as of a new one."""
    if thread.kind is ChannelKind.PRIVATE_THREAD and member.id not in thread.members:
        thread = replace(thread, members=(*thread.members, member.id))
        world.put_channel(thread)
        world.tell("THREAD_CREATE", world.wire.thread(thread), frozenset({member.id}))


def change(world: World, user: User, thread: Channel, *, name: str, archived: bool, locked: bool) -> Channel:
    """What its owner and moderators may do; to lock it, or to open what is locked, only moderators."""
    moderates = bool(world.permissions(user, thread) & Permission.MANAGE_THREADS)
    if not moderates and (user.id != thread.owner or thread.locked or locked):
        raise missing_permissions()
    return put(world, replace(thread, name=name, archived=archived, locked=locked))


def remove(world: World, thread: Channel) -> None:
    """Delete a thread with all that is in it."""
    audience = world.audience(thread)
    world.drop_channel(thread)
    gone: Json = {
        "id": str(thread.id),
        "guild_id": str(thread.guild),
        "parent_id": str(thread.parent),
        "type": int(thread.kind),
    }
    world.tell("THREAD_DELETE", gone, audience)


def active(world: World, user: User, guild: Snowflake) -> list[Channel]:
    """Those of a server that are not archived, as far as somebody may see them."""
    return [
        thread
        for thread in world.channels.values()
        if thread.thread and thread.guild == guild and not thread.archived and world.may_see(user, thread)
    ]


def check_unlocked(world: World, author: User, channel: Channel) -> None:
    """Raise if this is a thread that moderators have locked, and the author is none of them."""
    if channel.locked and not world.permissions(author, channel) & Permission.MANAGE_THREADS:
        raise thread_locked()


def check_open(world: World, author: User, channel: Channel) -> None:
    """Raise where nothing but a new message is possible, which opens an archived thread, or not even that."""
    check_unlocked(world, author, channel)
    if channel.archived:
        raise thread_archived()


def opened(world: World, author: User, channel: Channel) -> Channel:
    """The channel, ready to be written in: an archived thread comes back by that, unless it is locked."""
    check_unlocked(world, author, channel)
    return put(world, replace(channel, archived=False)) if channel.archived else channel
