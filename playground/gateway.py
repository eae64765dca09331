"""The websocket gateway: sessions that hear events, for the bot and for people alike."""

from __future__ import annotations

import asyncio
import json
import secrets
import zlib
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from aiohttp import WSMessage, WSMsgType, web

from playground.nouns import Event, Json, Snowflake, User
from playground.world import World

KEPT_EVENTS = 5000
"""How many events a session can replay."""
RESUMABLE_SECONDS = 30 * 60.0
SENDS_PER_MINUTE = 120
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
}
"""By the first word of an event's name: which intent a bot needs in the server, and in direct messages."""


@dataclass(slots=True, kw_only=True)
class Session:
    """What one client has heard. It outlives its connection, so that it can be resumed."""

    id: str
    user: User
    intents: int
    heard: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))
    sequence: int = 0
    connection: Connection | None = None
    left_at: float | None = None

    def hear(self, name: str, data: Json) -> None:
        self.sequence += 1
        text = _encode(Op.DISPATCH, data, sequence=self.sequence, name=name)
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


class Gateway:
    """Every session there is. `url` is where clients connect; `heartbeat` is in seconds."""

    def __init__(self, world: World, *, heartbeat: float = 41.25) -> None:
        self.world = world
        self.heartbeat = heartbeat
        self.url = "ws://127.0.0.1/"
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        self.bot_online = asyncio.Event()
        world.listeners.append(self.tell)

    def tell(self, event: Event) -> None:
        """Let every session hear an event that is meant for its user and that it wants."""
        for session in self._sessions.values():
            if session.user.id in event.audience and _wanted(session, event):
                session.hear(event.name, _seen_by(session, event))

    def online(self, user: Snowflake) -> bool:
        return any(s.user.id == user and s.connection is not None for s in self._sessions.values())

    # Levers

    def drop(self, *, people: bool = False, code: int = CloseCode.UNKNOWN_ERROR) -> int:
        """Close the bot's connections (or those of people), with a close code; how many they were."""
        chosen = self._chosen(people)
        for connection in chosen:
            connection.close(code, "dropped")
        return len(chosen)

    def cut(self, *, people: bool = False) -> int:
        """End connections without a word, as a pulled cable does."""
        chosen = self._chosen(people)
        for connection in chosen:
            connection.cut()
        return len(chosen)

    def ask_to_reconnect(self, *, people: bool = False) -> int:
        chosen = self._chosen(people)
        for connection in chosen:
            connection.send(_encode(Op.RECONNECT, None))
        return len(chosen)

    def invalidate(self, *, people: bool = False, resumable: bool = False) -> int:
        """End sessions: the clients must identify anew, unless `resumable`."""
        chosen = self._chosen(people)
        for connection in chosen:
            if connection.session is not None and not resumable:
                self._sessions.pop(connection.session.id, None)
                connection.session.connection = None
            connection.send(_encode(Op.INVALID_SESSION, resumable))
        return len(chosen)

    def close_all(self) -> None:
        for connection in tuple(self._connections):
            connection.close(1001, "the playground ends")

    def _chosen(self, people: bool) -> list[Connection]:
        return [c for c in self._connections if c.session is not None and c.session.user.bot != people]

    # Connections

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET / with an upgrade: one client, from HELLO to the end."""
        socket = web.WebSocketResponse(max_msg_size=2**20, autoclose=True)
        await socket.prepare(request)
        compress = request.query.get("compress") == "zlib-stream"
        connection = Connection(socket, request.transport, compress=compress)
        self._connections.add(connection)
        writer = asyncio.create_task(connection.write())
        watchdog = asyncio.create_task(self._watch(connection))
        try:
            if request.query.get("v", "10") not in ("9", "10"):
                raise Closing(CloseCode.INVALID_API_VERSION, "Invalid API version")
            connection.send(_encode(Op.HELLO, {"heartbeat_interval": int(self.heartbeat * 1000)}))
            await self._converse(connection)
        except Closing as closing:
            connection.close(closing.code, closing.reason)
        finally:
            watchdog.cancel()
            connection.close(socket.close_code or 1006)
            await asyncio.gather(writer, watchdog, return_exceptions=True)
            self._leave(connection)
        return socket

    async def _watch(self, connection: Connection) -> None:
        """Close a connection whose client has stopped its heartbeat."""
        while True:
            connection.beaten.clear()
            try:
                await asyncio.wait_for(connection.beaten.wait(), self.heartbeat * 1.5)
            except TimeoutError:
                connection.close(CloseCode.SESSION_TIMED_OUT, "Session timed out")
                return

    async def _converse(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        sent: deque[float] = deque()
        async for message in connection.socket:
            sent.append(loop.time())
            while sent[0] < loop.time() - 60:
                sent.popleft()
            if len(sent) > SENDS_PER_MINUTE:
                raise Closing(CloseCode.RATE_LIMITED, "You are being rate limited")
            self._hear(connection, *_decode(message))

    def _hear(self, connection: Connection, op: int, data: object) -> None:
        fields = data if isinstance(data, dict) else {}
        if op == Op.HEARTBEAT:
            connection.beaten.set()
            connection.send(_encode(Op.HEARTBEAT_ACK, None))
        elif op == Op.IDENTIFY:
            self._identify(connection, fields)
        elif op == Op.RESUME:
            self._resume(connection, fields)
        elif op not in tuple(Op):
            raise Closing(CloseCode.UNKNOWN_OPCODE, "Unknown opcode")
        elif connection.session is None:
            raise Closing(CloseCode.NOT_AUTHENTICATED, "Not authenticated")
        elif op == Op.REQUEST_MEMBERS:
            self._send_members(connection.session, fields)
        elif op not in (Op.PRESENCE, Op.VOICE_STATE):
            raise Closing(CloseCode.UNKNOWN_OPCODE, "Unknown opcode")

    def _identify(self, connection: Connection, fields: Json) -> None:
        if connection.session is not None:
            raise Closing(CloseCode.ALREADY_AUTHENTICATED, "Already authenticated")
        user = self._user(fields)
        intents = fields.get("intents", 0)
        if user.bot and (not isinstance(intents, int) or not 0 <= intents < 1 << 53):
            raise Closing(CloseCode.INVALID_INTENTS, "Invalid intents")
        shard = fields.get("shard", [0, 1])
        numbers = isinstance(shard, list) and len(shard) == 2 and all(isinstance(n, int) for n in shard)
        if not (numbers and 0 <= shard[0] < shard[1]):
            raise Closing(CloseCode.INVALID_SHARD, "Invalid shard")
        self._forget_old()
        session = Session(id=secrets.token_hex(16), user=user, intents=intents if user.bot else 0)
        was_online = self.online(user.id)
        self._sessions[session.id] = session
        session.connection, connection.session = connection, session
        ready = self._ready(session)
        if "shard" in fields:
            ready["shard"] = shard
        session.hear("READY", ready)
        mine = (int(self.world.guild.id) >> 22) % shard[1] == shard[0]
        if user.bot and mine and intents & GUILDS:
            session.hear("GUILD_CREATE", self.world.wire.whole_guild(user, self.presences()))
        if not was_online:
            self._tell_presence(user)

    def _resume(self, connection: Connection, fields: Json) -> None:
        if connection.session is not None:
            raise Closing(CloseCode.ALREADY_AUTHENTICATED, "Already authenticated")
        user = self._user(fields)
        session = self._sessions.get(str(fields.get("session_id")))
        last = fields.get("seq")
        if session is None or session.user.id != user.id:
            connection.send(_encode(Op.INVALID_SESSION, False))
            return
        if not isinstance(last, int) or last > session.sequence:
            raise Closing(CloseCode.INVALID_SEQ, "Invalid seq")
        missed = [text for sequence, text in session.heard if sequence > last]
        if len(missed) < session.sequence - last:
            del self._sessions[session.id]
            connection.send(_encode(Op.INVALID_SESSION, False))
            return
        if session.connection is not None:
            session.connection.session = None
            session.connection.close(CloseCode.UNKNOWN_ERROR, "resumed elsewhere")
        session.connection, connection.session = connection, session
        for text in missed:
            connection.send(text)
        session.hear("RESUMED", {"_trace": []})
        self._tell_presence(user)

    def _leave(self, connection: Connection) -> None:
        self._connections.discard(connection)
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        session.left_at = self.world.clock.now()
        if connection.closed_with in (1000, 1001, CloseCode.SESSION_TIMED_OUT):
            self._sessions.pop(session.id, None)
        if not self.online(session.user.id):
            self._tell_presence(session.user)

    def _forget_old(self) -> None:
        limit = self.world.clock.now() - RESUMABLE_SECONDS
        for old in [s for s in self._sessions.values() if s.connection is None and (s.left_at or 0) < limit]:
            del self._sessions[old.id]

    def _user(self, fields: Json) -> User:
        user = self.world.user_by_token(str(fields.get("token", "")).removeprefix("Bot "))
        if user is None:
            raise Closing(CloseCode.AUTHENTICATION_FAILED, "Authentication failed")
        return user

    # What is told

    def _ready(self, session: Session) -> Json:
        world, user = self.world, session.user
        ready: Json = {
            "v": 10,
            "user": world.wire.me(user),
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "session_type": "normal",
            "relationships": [],
            "private_channels": [],
        }
        if user.bot:
            application = world.wire.application()
            ready["application"] = {"id": application["id"], "flags": application["flags"]}
            ready["guilds"] = [{"id": str(world.guild.id), "unavailable": True}]
        else:
            ready["guilds"] = [world.wire.whole_guild(user, self.presences())]
            ready["users"] = [world.wire.user(other) for other in world.users.values()]
            ready["private_channels"] = [
                world.wire.channel(channel, user)
                for channel in world.channels.values()
                if channel.direct and user.id in channel.recipients
            ]
        return ready

    def presences(self) -> list[Json]:
        return [_presence(user, True) for user in self.world.users.values() if self.online(user.id)]

    def _tell_presence(self, user: User) -> None:
        if user.bot:
            (self.bot_online.set if self.online(user.id) else self.bot_online.clear)()
        data = _presence(user, self.online(user.id)) | {"guild_id": str(self.world.guild.id)}
        self.world.tell("PRESENCE_UPDATE", data, frozenset(person.id for person in self.world.people))

    def _send_members(self, session: Session, fields: Json) -> None:
        world = self.world
        asked = fields.get("user_ids")
        ids = [str(user) for user in (asked if isinstance(asked, list) else [asked])] if asked else None
        query = str(fields.get("query") or "").lower()
        found = [
            user
            for user in world.users.values()
            if (str(user.id) in ids if ids is not None else user.username.startswith(query))
        ]
        chunk: Json = {
            "guild_id": str(world.guild.id),
            "members": [world.wire.member(user) for user in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [i for i in ids or () if not i.isdigit() or Snowflake(int(i)) not in world.users],
        }
        if fields.get("presences"):
            chunk["presences"] = self.presences()
        if "nonce" in fields:
            chunk["nonce"] = fields["nonce"]
        session.hear("GUILD_MEMBERS_CHUNK", chunk)


def _wanted(session: Session, event: Event) -> bool:
    if not session.user.bot:
        return True
    needed = INTENTS.get(event.name.split("_", 1)[0])
    if needed is None:
        return event.name != "PRESENCE_UPDATE"
    intent = needed[event.direct]
    return not intent or bool(session.intents & intent)


def _seen_by(session: Session, event: Event) -> Json:
    """The event's data; what others say in the server is blank for a bot without that intent."""
    if not session.user.bot or event.direct or session.intents & MESSAGE_CONTENT:
        return event.data
    if event.name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
        return event.data
    mine = str(session.user.id)
    if event.data["author"]["id"] == mine or any(user["id"] == mine for user in event.data["mentions"]):
        return event.data
    return {**event.data, "content": "", "embeds": [], "attachments": [], "components": []}


def _presence(user: User, online: bool) -> Json:
    status = "online" if online else "offline"
    return {"user": {"id": str(user.id)}, "status": status, "activities": [], "client_status": {}}


def _encode(op: Op, data: object, *, sequence: int | None = None, name: str | None = None) -> str:
    return json.dumps({"op": int(op), "d": data, "s": sequence, "t": name}, separators=(",", ":"))


def _decode(message: WSMessage) -> tuple[int, object]:
    if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
        raise Closing(CloseCode.DECODE_ERROR, "Error while decoding payload")
    if len(message.data) > LONGEST_PAYLOAD:
        raise Closing(CloseCode.DECODE_ERROR, "Payload too large")
    try:
        payload = json.loads(message.data)
        return int(payload["op"]), payload.get("d")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Closing(CloseCode.DECODE_ERROR, "Error while decoding payload") from None
