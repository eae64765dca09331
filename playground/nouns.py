"""What a chat is made of: people, roles, channels, messages, commands and interactions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any, NewType

Json = dict[str, Any]
"""One JSON object as it crosses the wire."""

Snowflake = NewType("Snowflake", int)
"""An id that also says when its thing was made; see `playground.clock`."""


def is_snowflake(value: object) -> bool:
    """Whether this is an id as the wire writes it: up to 20 of the digits 0 to 9."""
    return isinstance(value, str | int) and re.fullmatch(r"[0-9]{1,20}", str(value)) is not None


def is_nonce(value: object) -> bool:
    """Whether a client may mark what it sends with this: a number, or up to 25 characters."""
    return isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) <= 25


class ChannelKind(IntEnum):
    TEXT = 0
    DIRECT = 1
    GROUP = 3
    """A conversation of more than two."""
    THREAD = 11
    PRIVATE_THREAD = 12
    """Seen by its members, and by who manages threads."""
    FORUM = 15


class MessageKind(IntEnum):
    DEFAULT = 0
    REPLY = 19
    CHAT_COMMAND = 20
    MENU_COMMAND = 23


class MessageFlag(IntFlag):
    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    COMPONENTS_V2 = 1 << 15


NO_FLAGS = MessageFlag(0)


class CommandKind(IntEnum):
    CHAT = 1
    USER = 2
    MESSAGE = 3


class OptionKind(IntEnum):
    SUBCOMMAND = 1
    GROUP = 2
    STRING = 3
    INTEGER = 4
    BOOLEAN = 5
    USER = 6
    CHANNEL = 7
    ROLE = 8
    MENTIONABLE = 9
    NUMBER = 10
    ATTACHMENT = 11


class InteractionKind(IntEnum):
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class Place(IntEnum):
    """Where something is asked, as the `contexts` of commands name it."""

    SERVER = 0
    BOT_DM = 1
    PRIVATE = 2
    """A conversation without the bot, of two or more."""


class Install(IntEnum):
    """How the app came to where it is used, as the `integration_types` of commands name it."""

    SERVER = 0
    USER = 1


class AnswerKind(IntEnum):
    """How a bot may answer an interaction."""

    PONG = 1
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


LOCALES = frozenset(
    [
        *("ar", "bg", "cs", "da", "de", "el", "en-GB", "en-US", "es-419", "es-ES", "fi", "fr", "he", "hi"),
        *("hr", "hu", "id", "it", "ja", "ko", "lt", "nl", "no", "pl", "pt-BR", "ro", "ru", "sv-SE", "th"),
        *("tr", "uk", "vi", "zh-CN", "zh-TW"),
    ]
)
"""The languages that a client of Discord's can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or the bot, with the roles they hold in all servers.

    `installed`: whether this person has added the app to their account, and so brings it along.
    """

    id: Snowflake
    username: str
    name: str
    token: str
    bot: bool = False
    roles: tuple[Snowflake, ...] = ()
    locale: str = "en-US"
    installed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role of one server; `guild` None: of the first, in worlds of earlier playgrounds."""

    id: Snowflake
    name: str
    permissions: int
    position: int
    colour: int = 0
    hoist: bool = False
    bot: Snowflake | None = None
    guild: Snowflake | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwrite:
    """What one role or person may do differently in one channel."""

    target: Snowflake
    role: bool
    allow: int = 0
    deny: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A place to write in: of a server, or a conversation between `recipients`, who are two or more.

    A thread, or a post of a forum, has a `parent`, whose overwrites hold in it, and an `owner`, who began it.
    """

    id: Snowflake
    kind: ChannelKind
    name: str = ""
    topic: str | None = None
    position: int = 0
    overwrites: tuple[Overwrite, ...] = ()
    recipients: tuple[Snowflake, ...] = ()
    last_message: Snowflake | None = None
    guild: Snowflake | None = None
    nsfw: bool = False
    parent: Snowflake | None = None
    owner: Snowflake | None = None
    members: tuple[Snowflake, ...] = ()
    """Of a private thread; of others nobody counts them."""
    archived: bool = False
    locked: bool = False
    archive_changed_at: float = 0.0

    @property
    def direct(self) -> bool:
        """Whether it is in no server."""
        return self.kind in (ChannelKind.DIRECT, ChannelKind.GROUP)

    @property
    def thread(self) -> bool:
        return self.kind in (ChannelKind.THREAD, ChannelKind.PRIVATE_THREAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file of a message; its bytes lie in the world's folder under its id."""

    id: Snowflake
    filename: str
    size: int
    content_type: str
    description: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file as it arrived in a request; `key` is the n of its part's name `files[n]`."""

    key: int
    filename: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody said. Media are kept as `attachment://name` and resolved when shown."""

    id: Snowflake
    channel: Snowflake
    author: Snowflake
    kind: MessageKind = MessageKind.DEFAULT
    content: str = ""
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    mentions: tuple[Snowflake, ...] = ()
    mention_roles: tuple[Snowflake, ...] = ()
    mention_everyone: bool = False
    flags: MessageFlag = NO_FLAGS
    edited_at: float | None = None
    nonce: str | int | None = None
    reply_to: Snowflake | None = None
    interaction: Json | None = None
    only_to: Snowflake | None = None

    @property
    def ephemeral(self) -> bool:
        return self.only_to is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command the bot registered; `shape` is its definition as sent."""

    id: Snowflake
    version: Snowflake
    kind: CommandKind
    name: str
    guild: Snowflake | None
    shape: Json


@dataclass(slots=True, kw_only=True)
class Interaction:
    """Something a person asked of the bot, and how far the answer has come."""

    id: Snowflake
    token: str
    kind: InteractionKind
    user: Snowflake
    channel: Snowflake
    data: Json
    nonce: str | int | None
    asked_at: float
    metadata: Json
    command: Command | None = None
    source: Snowflake | None = None
    modal: Json | None = None
    answered: AnswerKind | None = None
    expired: bool = False
    original: Snowflake | None = None
    followups: list[Snowflake] = field(default_factory=list)
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something the gateway tells the sessions of those in `audience`; `direct` if not in the server."""

    name: str
    data: Json
    audience: frozenset[Snowflake]
    direct: bool = False
