"""The websocket gateway: sessions that hear events, for the bot and for people alike."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque

from aiohttp import web

from playground.connections import (
    GUILDS,
    CloseCode,
    Closing,
    Connection,
    Op,
    Session,
    decode,
    encode,
    seen_by,
    shard_of,
    wanted,
)
from playground.nouns import Event, Json, Snowflake, User, is_snowflake
from playground.world import World

RESUMABLE_SECONDS = 30 * 60.0
SENDS_PER_MINUTE = 120
ACK_AFTER = 0.05
"""Seconds to the answer to a heartbeat. discord.py notes when it sent one only after that: an answer in no
time at all is an interval late to it, and is logged as such."""


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
            if session.user.id in event.audience and wanted(session, event, self.world.guild.id):
                session.hear(event.name, seen_by(session, event))

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
            connection.send(encode(Op.RECONNECT, None))
        return len(chosen)

    def invalidate(self, *, people: bool = False, resumable: bool = False) -> int:
        """End sessions: the clients must identify anew, unless `resumable`."""
        chosen = self._chosen(people)
        for connection in chosen:
            if connection.session is not None and not resumable:
                self._sessions.pop(connection.session.id, None)
                connection.session.connection = None
            connection.send(encode(Op.INVALID_SESSION, resumable))
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
            connection.send(encode(Op.HELLO, {"heartbeat_interval": int(self.heartbeat * 1000)}))
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
            self._hear(connection, *decode(message))

    def _hear(self, connection: Connection, op: int, data: object) -> None:
        fields = data if isinstance(data, dict) else {}
        if op == Op.HEARTBEAT:
            connection.beaten.set()
            acknowledgement = encode(Op.HEARTBEAT_ACK, None)
            asyncio.get_running_loop().call_later(ACK_AFTER, connection.send, acknowledgement)
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
        session = Session(
            id=secrets.token_hex(16),
            user=user,
            intents=intents if user.bot else 0,
            shard=(shard[0], shard[1]),
        )
        was_online = self.online(user.id)
        self._sessions[session.id] = session
        session.connection, connection.session = connection, session
        ready = self._ready(session)
        if "shard" in fields:
            ready["shard"] = shard
        session.hear("READY", ready)
        if user.bot and ready["guilds"] and intents & GUILDS:
            whole = self.world.wire.whole_guild(self.world.guild, user, self.presences())
            session.hear("GUILD_CREATE", whole)
        if not was_online:
            self._tell_presence(user)

    def _resume(self, connection: Connection, fields: Json) -> None:
        if connection.session is not None:
            raise Closing(CloseCode.ALREADY_AUTHENTICATED, "Already authenticated")
        user = self._user(fields)
        session = self._sessions.get(str(fields.get("session_id")))
        last = fields.get("seq")
        if session is None or session.user.id != user.id:
            connection.send(encode(Op.INVALID_SESSION, False))
            return
        if not isinstance(last, int) or last > session.sequence:
            raise Closing(CloseCode.INVALID_SEQ, "Invalid seq")
        missed = [text for sequence, text in session.heard if sequence > last]
        if len(missed) < session.sequence - last:
            del self._sessions[session.id]
            connection.send(encode(Op.INVALID_SESSION, False))
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
            mine = shard_of(world.guild.id, session.shard[1]) == session.shard[0]
            ready["guilds"] = [{"id": str(world.guild.id), "unavailable": True}] if mine else []
        else:
            ready["guilds"] = [
                world.wire.whole_guild(guild, user, self.presences())
                for guild in world.guilds.values()
                if user.id not in guild.strangers
            ]
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
            "members": [world.wire.member(user, world.guild) for user in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [
                i for i in ids or () if not is_snowflake(i) or Snowflake(int(i)) not in world.users
            ],
        }
        if fields.get("presences"):
            chunk["presences"] = self.presences()
        if "nonce" in fields:
            chunk["nonce"] = fields["nonce"]
        session.hear("GUILD_MEMBERS_CHUNK", chunk)


def _presence(user: User, online: bool) -> Json:
    status = "online" if online else "offline"
    return {"user": {"id": str(user.id)}, "status": status, "activities": [], "client_status": {}}
