"""Real discord.py clients in a playground, for every test that needs one."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import discord
import yarl
from discord import app_commands, ui

from playground import Person, Playground


class Bot(discord.Client):
    """A client with a command tree that is registered at login; tests add what they need."""

    def __init__(self, *, intents: discord.Intents | None = None) -> None:
        super().__init__(intents=intents or discord.Intents.default())
        self.tree = app_commands.CommandTree(self)
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.resumed = asyncio.Event()

        @self.tree.error
        async def keep(interaction: discord.Interaction, error: app_commands.AppCommandError) -> None:
            self.errors.put_nowait(getattr(error, "original", error))

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def on_resumed(self) -> None:
        self.resumed.set()


class Press(ui.Button[Any]):
    """A button that does what it is given when it is pressed."""

    def __init__(self, label: str, do: Callable[[discord.Interaction], Awaitable[object]]) -> None:
        super().__init__(label=label, custom_id=label.lower())
        self.do = do

    async def callback(self, interaction: discord.Interaction) -> None:
        await self.do(interaction)


def view_of(*items: ui.Item[Any]) -> ui.View:
    view = ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    return view


@contextmanager
def pointed_at(playground: Playground) -> Iterator[None]:
    """Let discord.py talk to this playground: its addresses are global to the process."""
    base, gateway = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    discord.http.Route.BASE = playground.api
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(playground.gateway.url)
    try:
        yield
    finally:
        discord.http.Route.BASE = base
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway


@asynccontextmanager
async def running(
    bot: discord.Client, playground: Playground, *, token: str | None = None
) -> AsyncIterator[None]:
    """The bot, logged in and ready to be asked."""
    with pointed_at(playground):
        try:
            await bot.login(token or playground.bot_token)
            online = asyncio.create_task(heard_ready(bot))
            task = asyncio.create_task(bot.connect())
            try:
                await asyncio.wait({task, online}, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    task.result()
                yield
            finally:
                online.cancel()
                await bot.close()
                await asyncio.gather(task, online, return_exceptions=True)
        finally:
            await bot.close()


async def heard_ready(bot: discord.Client) -> None:
    """Wait for the gateway's READY; interactions are served from then on."""
    heard = asyncio.Event()
    dispatch = bot.dispatch

    def listen(event: str, /, *arguments: object, **named: object) -> None:
        if event == "socket_event_type" and arguments == ("GUILD_CREATE",):
            asyncio.get_running_loop().call_soon(heard.set)
        dispatch(event, *arguments, **named)

    bot.dispatch = listen  # type: ignore[method-assign]
    await heard.wait()


def person(playground: Playground, name: str = "Anna", *, channel: str | None = None) -> Person:
    """One of the playground's people, at their client: `async with person(playground) as anna:`"""
    user = next(user for user in playground.world.people if user.name == name)
    place = None
    if channel is not None:
        place = next(str(c.id) for c in playground.world.channels.values() if c.name == channel)
    return Person(api=playground.api, gateway=playground.gateway.url, token=user.token, channel_id=place)


def png(width: int = 2, height: int = 2, *, padding: int = 0) -> bytes:
    """A small grey PNG; `padding` bytes of a private chunk make it as large as a test needs."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\x00" + b"\x80" * width) * height)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", rows)]
    if padding:
        chunks.append(chunk(b"paDd", bytes(padding)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + chunk(b"IEND", b"")
