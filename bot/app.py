"""The Discord client: what it listens to, its commands and its buttons."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import discord
from discord import app_commands

from bot.apologies import apologise, describe
from bot.buttons import ITEMS
from bot.commands.about import help_, history, stats
from bot.commands.admin import AdminCommands
from bot.commands.control import control
from bot.commands.describe import describe_command
from bot.commands.drawing import Drawing
from bot.commands.gallery import GalleryCommands
from bot.commands.imagine import imagine
from bot.commands.img2img import img2img
from bot.commands.inspect import inspect, message_menus
from bot.commands.lineage import lineage
from bot.commands.moderate import moderate_command
from bot.commands.onmessages import drawing_menus
from bot.commands.prefer import PreferCommands
from bot.commands.privacy import ITEMS as PRIVACY_ITEMS
from bot.commands.privacy import PrivacyCommands
from bot.commands.queue import queue
from bot.commands.server import ServerCommands
from bot.commands.server_limits import limits_command
from bot.commands.settings import settings
from bot.commands.starting import inpaint, outpaint
from bot.commands.styles import StyleCommands
from bot.commands.upscale import upscale
from bot.commands.words import words
from bot.eras import note_channel, note_server
from bot.formanswers import answer_form, is_form
from bot.history import ITEMS as HISTORY_ITEMS
from bot.house import House
from bot.language import Translator, languages
from bot.leafing import ITEMS as PAGE_ITEMS
from bot.messages import NO_MENTIONS
from bot.postbuttons import ITEMS as POST_ITEMS
from bot.refusals import UNREACHABLE
from bot.reporting import ITEMS as REPORT_ITEMS
from bot.restoring import ITEMS as RESTORE_ITEMS
from bot.reviewing import ITEMS as REVIEW_ITEMS
from bot.settings import SettingsError
from bot.shared import is_adult
from bot.sharing import ITEMS as SHARE_ITEMS

log = logging.getLogger(__name__)

COMMANDS: Mapping[str, tuple[Callable[..., Any], str]] = {
    "imagine": (imagine, "Draw a picture from words"),
    "img2img": (img2img, "Draw a picture from a picture and words"),
    "inpaint": (inpaint, "Draw part of a picture anew"),
    "outpaint": (outpaint, "Draw what is around a picture"),
    "control": (control, "Draw something with the outlines, lines or depth of a picture"),
    "upscale": (upscale, "Make a picture larger"),
    "inspect": (inspect, "Show you the settings that are inside a picture's file"),
}

ANSWERS: Mapping[str, tuple[Callable[..., Any], str]] = {
    "words": (words, "The extra words that the models have learned"),
    "history": (history, "What you asked me for, with its buttons"),
    "settings": (settings, "How I treat you: whether I ping you, and what is private"),
    "stats": (stats, "How much I drew for you, and in this server"),
    "help": (help_, "What I can do here"),
    "lineage": (lineage, "What a picture comes from, and what came of it"),
    "queue": (queue, "What is drawn, what waits, and what you have left today"),
}
"""Commands that only tell something, or keep it."""


class Tree(app_commands.CommandTree["Atelier"]):
    """All commands. What one of them raises is told to the person who used it."""

    async def on_error(
        self, interaction: discord.Interaction[Atelier], error: app_commands.AppCommandError, /
    ) -> None:
        await apologise(interaction, error)


class Atelier(discord.Client):
    """The bot as Discord sees it. `house` is set before it connects to the gateway."""

    house: House

    def __init__(
        self,
        *,
        guild_id: int | None = None,
        choose_model: bool = False,
        take_looks: bool = False,
        describes: bool = False,
    ) -> None:
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
        for name, (callback, description) in COMMANDS.items():
            command = Drawing(
                callback,
                name=name,
                description=description,
                choose_model=choose_model,
                take_looks=take_looks,
            )
            self.tree.add_command(command, guild=self._guild)
        if describes:
            self.tree.add_command(describe_command(), guild=self._guild)
        for menu in (*message_menus(), *drawing_menus()):
            self.tree.add_command(menu, guild=self._guild)
        self.tree.add_command(StyleCommands(), guild=self._guild)
        self.tree.add_command(PrivacyCommands(), guild=self._guild)
        self.tree.add_command(PreferCommands(choose_model=choose_model), guild=self._guild)
        server = ServerCommands(choose_model=choose_model)
        server.add_command(limits_command())
        self.tree.add_command(server, guild=self._guild)
        self.tree.add_command(moderate_command(), guild=self._guild)
        self.tree.add_command(AdminCommands(), guild=self._guild)
        self.tree.add_command(GalleryCommands(), guild=self._guild)
        for name, (callback, description) in ANSWERS.items():
            answer: app_commands.Command[Any, ..., None] = app_commands.Command(
                name=name, description=description, callback=callback
            )
            self.tree.add_command(answer, guild=self._guild)
        self.add_dynamic_items(*ITEMS, *REVIEW_ITEMS, *HISTORY_ITEMS, *PRIVACY_ITEMS)
        self.add_dynamic_items(*POST_ITEMS, *SHARE_ITEMS, *REPORT_ITEMS, *PAGE_ITEMS, *RESTORE_ITEMS)
        self._mentions: Mapping[str, str] = {}
        self.leafing = asyncio.Semaphore(1)
        """Held by whoever has a picture in memory for a page of /history: there may be hundreds at once."""
        self.connected = asyncio.Event()
        """Set when the gateway has taken us; from then on interactions arrive."""

    async def setup_hook(self) -> None:
        await asyncio.to_thread(languages)  # files: they are read before anybody waits
        await self.tree.set_translator(Translator())

    async def on_interaction(self, interaction: discord.Interaction[Atelier]) -> None:
        if is_form(interaction):  # the client's own dispatch knows only forms that this process has sent
            await answer_form(interaction)

    async def on_connect(self) -> None:
        self.connected.set()

    async def on_guild_available(self, guild: discord.Guild) -> None:
        await note_server(self.house.eras, guild)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await note_server(self.house.eras, guild)  # it may have invited us before

    async def on_guild_channel_update(
        self, before: discord.abc.GuildChannel, after: discord.abc.GuildChannel
    ) -> None:
        if is_adult(before) != is_adult(after):
            await note_channel(self.house.eras, after)

    async def register(self) -> None:
        """Tell Discord which commands there are, and remove them where an earlier run had registered them.

        Called once they can be answered, and the servers of the bot are known.

        Raises:
            SettingsError: Discord takes no commands for the server that GUILD_ID names.
            discord.HTTPException: Discord does not take them.
        """
        try:
            commands = await self.tree.sync(guild=self._guild)
        except (discord.Forbidden, discord.NotFound) as error:
            if self._guild is None:
                raise
            raise SettingsError(
                f"GUILD_ID is {self._guild.id}, and Discord takes no commands for that server: it answered "
                f"{error.status}. Copy the server's id again, and invite the bot there."
            ) from error
        self._mentions = _mentions(commands)
        log.info("at your service: %s", ", ".join(map(_called, commands)))
        if self._guild is not None:
            await self.tree.sync()  # there are none for everywhere
        names = {command.name for command in commands}
        for guild in list(self.guilds):
            if self._guild is None or guild.id != self._guild.id:
                await self._remove_commands(guild, names)

    def mention_of(self, name: str) -> str:
        """A command as text that can be clicked on, once Discord has told its id."""
        return self._mentions.get(name, f"`/{name}`")

    async def _remove_commands(self, guild: discord.Guild, names: set[str]) -> None:
        """Remove the commands of these names that one server has beside those of everywhere, if it can be."""
        try:
            for command in await self.tree.fetch_commands(guild=guild):
                if command.name in names:
                    await command.delete()
                    log.info("removed /%s, which an earlier run had registered in one server", command.name)
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.info("could not look for commands of an earlier run: %s", describe(error))


def _called(command: app_commands.AppCommand) -> str:
    """As people see it: a slash command, or an entry of a message's menu."""
    return f"/{command.name}" if command.type is discord.AppCommandType.chat_input else command.name


def _mentions(commands: Sequence[app_commands.AppCommand]) -> Mapping[str, str]:
    """What Discord shows as clickable, by the names of commands and of those within them."""
    typed = [command for command in commands if command.type is discord.AppCommandType.chat_input]
    within = {
        option.qualified_name: option.mention
        for command in typed
        for option in command.options
        if isinstance(option, app_commands.AppCommandGroup)
    }
    return {command.name: command.mention for command in typed} | within
