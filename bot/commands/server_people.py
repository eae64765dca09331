"""/server channels and /server people: where pictures may be asked for, and who may not ask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.commands.choices import ChannelOf
from bot.governing import added, change
from bot.limits import Refused
from bot.reporting import MAX_BLOCKED
from generation.sentence import say
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_CHANNELS = 100


Where = app_commands.Transform[
    app_commands.AppCommandChannel,
    ChannelOf(
        discord.ChannelType.text,
        discord.ChannelType.news,
        discord.ChannelType.forum,
        discord.ChannelType.voice,
        discord.ChannelType.stage_voice,
    ),
]
"""A channel in which people may ask; threads and posts go with theirs."""


class ChannelCommands(app_commands.Group):
    """The channels in which pictures may be asked for."""

    def __init__(self) -> None:
        super().__init__(name="channels", description="Where pictures may be asked for")

    @app_commands.command(name="allow", description="Let people ask in a channel; elsewhere they cannot then")
    @app_commands.describe(channel="With its threads and posts")
    async def allow(self, interaction: Interaction, channel: Where) -> None:
        def edit(was: ServerSettings) -> ServerSettings:
            if len(was.channels) >= MAX_CHANNELS:
                raise Refused(say("There are {most} channels already; remove one first.", most=MAX_CHANNELS))
            return replace(was, channels=added(was.channels, channel.id))

        await change(interaction, edit, "channels")

    @app_commands.command(name="remove", description="Stop people from asking in a channel")
    @app_commands.describe(channel="One of those that are allowed")
    async def remove(self, interaction: Interaction, channel: Where) -> None:
        def edit(was: ServerSettings) -> ServerSettings:
            if channel.id not in was.channels:
                raise Refused(say("{channel} is none of them.", channel=f"<#{channel.id}>"))
            if was.channels == (channel.id,):
                raise Refused(
                    say("That is the only one. `/server channels everywhere` lets people ask everywhere.")
                )
            return replace(was, channels=tuple(each for each in was.channels if each != channel.id))

        await change(interaction, edit, "channels")

    @app_commands.command(name="everywhere", description="Let people ask in all channels")
    async def everywhere(self, interaction: Interaction) -> None:
        await change(interaction, lambda was: replace(was, channels=()), "channels")


class PeopleCommands(app_commands.Group):
    """The people who may not ask for pictures."""

    def __init__(self) -> None:
        super().__init__(name="people", description="Who may not ask for pictures")

    @app_commands.command(name="block", description="Stop somebody from asking for pictures in this server")
    @app_commands.describe(person="What they have asked for already is drawn still")
    async def block(self, interaction: Interaction, person: discord.User) -> None:
        def edit(was: ServerSettings) -> ServerSettings:
            if person.id == interaction.user.id:
                raise Refused(say("That is you."))
            if len(was.blocked) >= MAX_BLOCKED:
                raise Refused(say("{most:,} people are blocked already.", most=MAX_BLOCKED))
            return replace(was, blocked=added(was.blocked, person.id))

        await change(interaction, edit, "blocked")

    @app_commands.command(name="unblock", description="Let somebody ask for pictures again")
    @app_commands.describe(person="One of those who are blocked")
    async def unblock(self, interaction: Interaction, person: discord.User) -> None:
        def edit(was: ServerSettings) -> ServerSettings:
            if person.id not in was.blocked:
                raise Refused(say("{person} is not blocked.", person=f"<@{person.id}>"))
            return replace(was, blocked=tuple(each for each in was.blocked if each != person.id))

        await change(interaction, edit, "blocked")
