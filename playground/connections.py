"""One websocket of the gateway, and the session it serves: what was heard, and what is sent in which form."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from aiohttp import WSMessage, WSMsgType, web

from playground.nouns import Event, Json, Snowflake, User

KEPT_EVENTS = 5000
"""How many events a session can replay."""
LONGEST_PAYLOAD = 4096


class Op(IntEnum):
    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE = 3
    VOICE_STATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class CloseCode(IntEnum):
    UNKNOWN_ERROR = 4000
    UNKNOWN_OPCODE = 4001
    DECODE_ERROR = 4002
    NOT_AUTHENTICATED = 4003
    AUTHENTICATION_FAILED = 4004
    ALREADY_AUTHENTICATED = 4005
    INVALID_SEQ = 4007
    RATE_LIMITED = 4008
    SESSION_TIMED_OUT = 4009
    INVALID_SHARD = 4010
    INVALID_API_VERSION = 4012
    INVALID_INTENTS = 4013


GUILDS, GUILD_MESSAGES, GUILD_TYPING = 1 << 0, 1 << 9, 1 << 11
DIRECT_MESSAGES, DIRECT_TYPING, MESSAGE_CONTENT = 1 << 12, 1 << 14, 1 << 15
INTENTS = {
    "MESSAGE": (GUILD_MESSAGES, DIRECT_MESSAGES),
    "TYPING": (GUILD_TYPING, DIRECT_TYPING),
    "GUILD": (GUILDS, 0),
    "CHANNEL": (GUILDS, 0),
    "THREAD": (GUILDS, 0),
}
"""By the first word of an event's name: which intent a bot needs in the server, and in direct messages."""


@dataclass(slots=True, kw_only=True)
class Session:
    """What one client has heard. It outlives its connection, so that it can be resumed."""

    id: str
    user: User
    intents: int
    shard: tuple[int, int] = (0, 1)
    heard: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    sequence: int = 0
    connection: Connection | None = None
    left_at: float | None = None

    def hear(self, name: str, data: Json) -> None:
        self.sequence += 1
        text = encode(Op.DISPATCH, data, sequence=self.sequence, name=name)
        self.heard.append((self.sequence, text))
        if self.connection is not None:
            self.connection.send(text)


class Connection:
    """One websocket; what is sent goes out in order, compressed if the client asked for it."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, *, compress: bool
    ) -> None:
        self.socket = socket
        self.transport = transport
        self.session: Session | None = None
        self.beaten = asyncio.Event()
        self.closed_with: int | None = None
        self._compressor = zlib.compressobj() if compress else None
        self._outbox: asyncio.Queue[str | tuple[int, str]] = asyncio.Queue()

    def send(self, text: str) -> None:
        self._outbox.put_nowait(text)

    def close(self, code: int, reason: str = "") -> None:
        """Close after everything sent so far."""
        if self.closed_with is None:
            self.closed_with = code
        self._outbox.put_nowait((code, reason))

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    async def write(self) -> None:
        """Send what is in the outbox until told to close."""
        while True:
            item = await self._outbox.get()
            if isinstance(item, tuple):
                code, reason = item
                await self.socket.close(code=code, message=reason.encode())
                return
            if self.socket.closed:
                return
            try:
                if self._compressor is None:
                    await self.socket.send_str(item)
                else:
                    squeezed = self._compressor.compress(item.encode())
                    await self.socket.send_bytes(squeezed + self._compressor.flush(zlib.Z_SYNC_FLUSH))
            except ConnectionError:
                return


class Closing(Exception):  # noqa: N818 - not a failure of ours: the client is told why it must go
    """The client broke the protocol."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def encode(op: Op, data: object, *, sequence: int | None = None, name: str | None = None) -> str:
    return json.dumps({"op": int(op), "d": data, "s": sequence, "t": name}, separators=(",", ":"))


def decode(message: WSMessage) -> tuple[int, object]:
    """The opcode and data of what a client sent; raises `Closing`."""
    if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
        raise Closing(CloseCode.DECODE_ERROR, "Error while decoding payload")
    if len(message.data) > LONGEST_PAYLOAD:
        raise Closing(CloseCode.DECODE_ERROR, "Payload too large")
    try:
        payload = json.loads(message.data)
        return int(payload["op"]), payload.get("d")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Closing(CloseCode.DECODE_ERROR, "Error while decoding payload") from None


def shard_of(guild: Snowflake, shards: int) -> int:
    """Which of a bot's shards hears what happens in a server; shard 0 hears its direct messages."""
    return (guild >> 22) % shards


def wanted(session: Session, event: Event, guild: Snowflake) -> bool:
    """Whether the session asked to hear such events, and is the shard of the bot that does.

    `guild` is where an event belongs that does not say so itself.
    """
    if not session.user.bot:
        return True
    number, shards = session.shard
    guild = Snowflake(int(event.data.get("guild_id") or guild))
    if number != (0 if event.direct else shard_of(guild, shards)):
        return False
    needed = INTENTS.get(event.name.split("_", 1)[0])
    if needed is None:
        return event.name != "PRESENCE_UPDATE"
    intent = needed[event.direct]
    return not intent or bool(session.intents & intent)


def seen_by(session: Session, event: Event) -> Json:
    """The event's data; what others say in the server is blank for a bot without that intent."""
    if not session.user.bot or event.direct or session.intents & MESSAGE_CONTENT:
        return event.data
    if event.name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
        return event.data
    mine = str(session.user.id)
    if event.data["author"]["id"] == mine or any(user["id"] == mine for user in event.data["mentions"]):
        return event.data
    return {**event.data, "content": "", "embeds": [], "attachments": [], "components": []}
