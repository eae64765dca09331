"""Who may do what where, by Discord's rules (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag

from playground.nouns import Channel, Role, Snowflake, User


class Permission(IntFlag):
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    USE_EXTERNAL_APPS = 1 << 50


EVERYTHING = (1 << 53) - 1
ORDINARY = (
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
    | Permission.USE_EXTERNAL_APPS
)
"""What @everyone may do, and what everybody may in a direct message."""
BROUGHT_ALONG = Permission.MENTION_EVERYONE | Permission.EMBED_LINKS | Permission.ATTACH_FILES
"""What an app may do where a person brought it along."""


def in_channel(
    user: User, channel: Channel, roles: Mapping[Snowflake, Role], *, everyone: Snowflake, owner: Snowflake
) -> int:
    """The permission bits of a user in a channel; none at all where they cannot be.

    `roles` are those of the channel's server, `everyone` is the id of the one that all have there, which is
    the server's own id. Of a thread, give the channel that it is in.
    """
    if channel.direct:
        return int(ORDINARY) if user.id in channel.recipients else 0
    held = in_server(user, roles, everyone=everyone, owner=owner)
    if held == EVERYTHING:
        return held
    for_everyone = [o for o in channel.overwrites if o.target == everyone]
    for_roles = [o for o in channel.overwrites if o.role and o.target in user.roles]
    for_user = [o for o in channel.overwrites if o.target == user.id]
    for group in (for_everyone, for_roles, for_user):
        denied = allowed = 0
        for overwrite in group:
            denied |= overwrite.deny
            allowed |= overwrite.allow
        held = (held & ~denied) | allowed
    return held if held & Permission.VIEW_CHANNEL else 0


def in_server(user: User, roles: Mapping[Snowflake, Role], *, everyone: Snowflake, owner: Snowflake) -> int:
    held = roles[everyone].permissions
    for role in user.roles:
        held |= roles[role].permissions if role in roles else 0  # else it is of another server
    return EVERYTHING if user.id == owner or held & Permission.ADMINISTRATOR else held


def as_said_of(channel: Channel, need: Permission) -> Permission:
    """The permission that is needed in this kind of channel: threads have one of their own for writing."""
    if channel.thread and need is Permission.SEND_MESSAGES:
        return Permission.SEND_MESSAGES_IN_THREADS
    return need
