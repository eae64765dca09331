"""The Discord client: what it listens to, its commands and its buttons."""

from __future__ import annotations

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

    async def setup_hook(self) -> None:
        commands = await self.tree.sync(guild=self._guild)
        log.info("registered %s", ", ".join(f"/{command.name}" for command in commands))

    async def on_ready(self) -> None:
        log.info("at your service")
