"""The Discord client: what it listens to, its commands and its buttons."""

from __future__ import annotations

import asyncio
import logging

import discord
from discord import app_commands

from bot.apologies import apologise
from bot.buttons import BUTTONS
from bot.commands.imagine import imagine
from bot.house import House
from bot.messages import NO_MENTIONS

log = logging.getLogger(__name__)


class Tree(app_commands.CommandTree["Atelier"]):
    """All commands. What one of them raises is told to the person who used it."""

    async def on_error(
        self, interaction: discord.Interaction[Atelier], error: app_commands.AppCommandError, /
    ) -> None:
        await apologise(interaction, error)


class Atelier(discord.Client):
    """The bot as Discord sees it. `house` is set before it connects to the gateway."""

    house: House

    def __init__(self, *, guild_id: int | None = None) -> None:
        # Voice is not our business either; without this the client warns at each start that it cannot speak.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        # Interactions need no intent; guilds tells channels apart. Messages and members are not our business.
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=NO_MENTIONS,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
        )
        self._guild = None if guild_id is None else discord.Object(guild_id)
        self.tree = Tree(self)
        self.tree.add_command(imagine, guild=self._guild)
        self.add_dynamic_items(*BUTTONS)
        self.connected = asyncio.Event()
        """Set when the gateway has taken us; from then on interactions arrive."""

    async def on_connect(self) -> None:
        self.connected.set()

    async def register(self) -> None:
        """Tell Discord which commands there are. Called once they can be answered.

        Raises:
            discord.HTTPException: Discord does not take them.
        """
        commands = await self.tree.sync(guild=self._guild)
        if self._guild is not None:
            await self.tree.sync()  # there are none for everywhere: what an earlier run left there goes
        log.info("at your service: %s", ", ".join(f"/{command.name}" for command in commands))
