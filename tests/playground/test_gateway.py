"""The gateway: how sessions begin, are dropped, resumed and ended, with discord.py and by hand."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord
import pytest

from playground import Person, Playground
from playground.nouns import Json
from playground.person import PersonError
from tests.playground.bots import Bot, person, running

Socket = aiohttp.ClientWebSocketResponse
PATIENCE = 60.0


@asynccontextmanager
async def connected(playground: Playground, query: str = "?v=10&encoding=json") -> AsyncIterator[Socket]:
    """A bare websocket, whose session may be resumed afterwards."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(playground.gateway.url + query) as socket,
    ):
        yield socket
        await socket.close(code=4000)


async def send(socket: Socket, op: int, data: object) -> None:
    await socket.send_json({"op": op, "d": data})


async def hear(socket: Socket, op: int) -> Any:
    """The data of the next payload with this opcode."""
    while True:
        payload = await socket.receive_json(timeout=PATIENCE)
        if payload["op"] == op:
            return payload["d"]


async def close_code(socket: Socket) -> int | None:
    while (await socket.receive(timeout=PATIENCE)).type is aiohttp.WSMsgType.TEXT:
        pass
    return socket.close_code


def identity(playground: Playground, **fields: object) -> dict[str, object]:
    return {"token": playground.bot_token, "intents": 1, "properties": {}, **fields}


@pytest.mark.parametrize("how", ["drop", "cut"])
async def test_a_dropped_bot_resumes_and_misses_nothing(
    playground: Playground, bot: Bot, anna: Person, how: str
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()

    @bot.event
    async def on_message(message: discord.Message) -> None:
        heard.put_nowait(message.channel.name if isinstance(message.channel, discord.TextChannel) else "")

    async with running(bot, playground):
        assert (playground.gateway.drop() if how == "drop" else playground.gateway.cut()) == 1
        await anna.say("while you were away")
        assert await asyncio.wait_for(heard.get(), PATIENCE) == "pictures"
        await asyncio.wait_for(bot.resumed.wait(), PATIENCE)
    assert heard.empty()


async def test_a_bot_asked_to_reconnect_resumes(playground: Playground, bot: Bot) -> None:
    async with running(bot, playground):
        assert playground.gateway.ask_to_reconnect() == 1
        await asyncio.wait_for(bot.resumed.wait(), PATIENCE)


async def test_a_bot_whose_session_is_gone_identifies_anew(playground: Playground, anna: Person) -> None:
    bot = Bot()
    ready = asyncio.Event()

    @bot.tree.command()
    async def hello(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("hello")

    @bot.event
    async def on_socket_event_type(name: str) -> None:
        if name == "READY":
            ready.set()

    async with running(bot, playground):
        ready.clear()
        assert playground.gateway.invalidate() == 1
        await asyncio.wait_for(ready.wait(), PATIENCE)
        message = await anna.answer(await anna.command("hello"))
    assert message["content"] == "hello"
    assert not bot.resumed.is_set()


async def test_the_wrong_token_is_refused(playground: Playground, bot: Bot) -> None:
    playground_token = playground.bot_token
    with pytest.raises(discord.LoginFailure, match="Improper token"):
        async with running(bot, playground, token=playground_token[:-1]):
            pass


async def test_a_person_hears_who_is_online(playground: Playground, bot: Bot, anna: Person) -> None:
    def presences() -> list[str]:
        return [
            data["status"]
            for name, data in anna.events
            if name == "PRESENCE_UPDATE" and data["user"]["id"] == anna.bot["id"]
        ]

    async with running(bot, playground):
        await anna.until(lambda: presences() == ["online"])
        async with person(playground, "Bruno") as bruno:
            assert {p["user"]["id"] for p in bruno.guild["presences"]} >= {anna.bot["id"], anna.id}
    await anna.until(lambda: presences() == ["online", "offline"])


async def test_a_persons_ready_has_all_that_a_client_shows(playground: Playground, anna: Person) -> None:
    direct = await anna.direct_messages()
    async with person(playground, "Anna") as again:
        ready = again.ready
    assert ready["user"]["id"] == anna.id
    assert {user["username"] for user in ready["users"]} == {"anna", "bruno", "mina", "Atelier"}
    assert [channel["id"] for channel in ready["private_channels"]] == [direct]
    guild, other = ready["guilds"]
    assert {role["name"] for role in guild["roles"]} == {"@everyone", "Regular", "Atelier", "Moderator"}
    assert [len(each["members"]) for each in (guild, other)] == [4, 3]


async def test_all_of_a_persons_clients_hear_the_same(playground: Playground, bot: Bot, anna: Person) -> None:
    @bot.tree.command()
    async def whisper(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("psst", ephemeral=True)

    async with running(bot, playground), person(playground, "Anna") as phone:
        said = await anna.answer(await anna.command("whisper"))
        heard = await phone.message(lambda message: message["content"] == "psst")
        assert heard == said
    assert all(str(message.id) != heard["id"] for message in bot.cached_messages)


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (2, {"token": "wrong", "intents": 0, "properties": {}}, 4004),
        (99, None, 4001),
        (3, {}, 4003),
        (6, {"token": "wrong", "session_id": "", "seq": 1}, 4004),
    ],
)
async def test_what_breaks_the_protocol_closes_the_connection(
    playground: Playground, op: int, data: object, code: int
) -> None:
    async with connected(playground) as socket:
        await send(socket, op, data)
        assert await close_code(socket) == code


async def test_more_ways_to_be_closed_and_who_is_closed_waits_for_nothing(
    playground: Playground, anna: Person
) -> None:
    async with connected(playground) as socket:
        await socket.send_str("no json")
        assert await close_code(socket) == 4002
    async with connected(playground) as socket:
        await socket.send_str(json.dumps({"op": 1, "d": "x" * 5000}))
        assert await close_code(socket) == 4002
    async with connected(playground) as socket:
        for _ in range(2):
            await send(socket, 2, identity(playground))
        assert await close_code(socket) == 4005
    async with connected(playground) as socket:
        await send(socket, 2, identity(playground, shard=[2, 2]))
        assert await close_code(socket) == 4010
    async with connected(playground) as socket:
        await send(socket, 2, identity(playground, intents="all"))
        assert await close_code(socket) == 4013
    async with connected(playground, "?v=8") as socket:
        assert await close_code(socket) == 4012
    async with connected(playground) as socket:
        for _ in range(121):
            await send(socket, 1, None)
        assert await close_code(socket) == 4008
    assert playground.gateway.drop(people=True)
    with pytest.raises(PersonError, match="was closed"):
        await anna.until(lambda: None)
    button = {"type": 2, "custom_id": "go", "label": "Go"}
    card: Json = {"id": "1", "channel_id": anna.channel_id, "flags": 0, "components": [button]}
    with pytest.raises(PersonError, match="was closed"):
        await anna.press(card, "Go")


async def test_a_resume_replays_and_an_unknown_session_is_invalid(
    playground: Playground, anna: Person
) -> None:
    async with connected(playground) as socket:
        await send(socket, 2, identity(playground, intents=1 << 9))
        ready = await hear(socket, 0)
    for text in ("one", "two"):
        await anna.say(text)
    resume = {"token": playground.bot_token, "session_id": ready["session_id"], "seq": 1}
    async with connected(playground) as socket:
        await send(socket, 6, {**resume, "seq": 99})
        assert await close_code(socket) == 4007
    async with connected(playground) as socket:
        await send(socket, 6, resume)
        heard = [await socket.receive_json(timeout=PATIENCE) for _ in range(4)]
    assert [payload["t"] for payload in heard] == [None, "MESSAGE_CREATE", "MESSAGE_CREATE", "RESUMED"]
    assert [payload["s"] for payload in heard[1:]] == [2, 3, 4]
    async with connected(playground) as socket:
        await send(socket, 6, {**resume, "session_id": "unknown"})
        assert await hear(socket, 9) is False


async def test_a_bot_without_the_intent_reads_no_content(playground: Playground, anna: Person) -> None:
    async with connected(playground) as blind, connected(playground) as seeing:
        await send(blind, 2, identity(playground, intents=1 << 9))
        await send(seeing, 2, identity(playground, intents=(1 << 9) | (1 << 15)))
        for socket in (blind, seeing):
            await hear(socket, 0)
        await anna.say("secret")
        assert (await hear(blind, 0))["content"] == ""
        assert (await hear(seeing, 0))["content"] == "secret"
        await anna.say(f"<@{anna.bot['id']}> for you")
        assert "for you" in (await hear(blind, 0))["content"]


async def test_zlib_streams_are_one_stream(playground: Playground) -> None:
    decompress = zlib.decompressobj().decompress
    async with connected(playground, "?v=10&encoding=json&compress=zlib-stream") as socket:
        assert json.loads(decompress(await socket.receive_bytes(timeout=PATIENCE)))["op"] == 10
        await send(socket, 2, identity(playground))
        names = [json.loads(decompress(await socket.receive_bytes(timeout=PATIENCE)))["t"] for _ in range(2)]
    assert names == ["READY", "GUILD_CREATE"]


async def test_a_silent_client_is_closed() -> None:
    async with Playground(heartbeat=0.1) as playground, connected(playground) as socket:
        assert (await hear(socket, 10)) == {"heartbeat_interval": 100}
        assert await close_code(socket) == 4009


async def test_members_are_sent_when_asked_for(playground: Playground, anna: Person) -> None:
    async with connected(playground) as socket:
        await send(socket, 2, identity(playground, intents=0))
        await hear(socket, 0)
        ask = {"guild_id": str(playground.world.guild.id), "query": "an", "limit": 0, "nonce": "1"}
        await send(socket, 8, ask)
        chunk = await hear(socket, 0)
        await send(socket, 8, {**ask, "user_ids": [anna.id, "5"]})
        chosen = await hear(socket, 0)
    assert [member["user"]["username"] for member in chunk["members"]] == ["anna"]
    assert [member["user"]["username"] for member in chosen["members"]] == ["anna"]
    assert (chosen["not_found"], chosen["nonce"]) == (["5"], "1")


async def test_a_sharded_bot_asks_where_to_connect(playground: Playground, anna: Person) -> None:
    class Sharded(discord.AutoShardedClient):
        async def setup_hook(self) -> None:
            await discord.app_commands.CommandTree(self).sync()

    bot = Sharded(intents=discord.Intents.default())
    async with running(bot, playground):
        assert list(bot.shards) == [0]
        assert [guild.name for guild in bot.guilds] == ["The Studio"]


async def test_each_shard_hears_its_own_part_only(playground: Playground, anna: Person) -> None:
    async with connected(playground) as first, connected(playground) as second:
        heard: list[list[str]] = [[], []]
        for number, socket in enumerate((first, second)):
            intents = 1 | 1 << 9 | 1 << 12 | 1 << 15
            await send(socket, 2, identity(playground, shard=[number, 2], intents=intents))
            await hear(socket, 0)
        mine = (playground.world.guild.id >> 22) % 2
        await hear((first, second)[mine], 0)  # GUILD_CREATE
        await anna.say("in the server")
        world = playground.world
        direct = await anna.request("POST", "/users/@me/channels", {"recipient_id": str(world.bot.id)})
        await anna.request("POST", f"/channels/{direct['id']}/messages", {"content": "between us"})
        for number, socket in enumerate((first, second)):
            playground.gateway.ask_to_reconnect()
            while (payload := await socket.receive_json(timeout=PATIENCE))["op"] != 7:
                if payload["t"] == "MESSAGE_CREATE":
                    heard[number].append(payload["d"]["content"])
    expected: list[list[str]] = [[], []]
    expected[mine].append("in the server")
    expected[0].append("between us")
    assert heard == expected
