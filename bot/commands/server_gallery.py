"""/server gallery and /server board: where what people share is shown, and when the best of a week is."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot.boards import weekday_of
from bot.card import Card, Tone
from bot.commands.choices import NO_CHOICE, ChannelOf
from bot.commands.server_web import FOR_ADULTS
from bot.gallerycards import decision_line
from bot.governing import acknowledged, change, newest_only, try_channel
from bot.language import language_of
from bot.limits import Refused
from bot.messages import NO_MENTIONS, layout
from bot.rulebook import WEEKDAYS
from bot.shared import is_adult
from generation.sentence import say
from storage.boards import week_of
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction

OFF = 0
MAX_DECISIONS = 15
"""Of those that /server reports lists."""
_DAYS = [
    *(Choice(name=name, value=day) for day, name in WEEKDAYS.items()),
    Choice(name=say("never"), value=OFF),
]

_HELLO = say("What people share from now on will be shown here.")


Where = app_commands.Transform[
    app_commands.AppCommandChannel, ChannelOf(discord.ChannelType.text, discord.ChannelType.forum)
]


def gallery_command() -> app_commands.Command[app_commands.Group, ..., None]:
    """The command, for the group /server."""
    return app_commands.Command(
        name="gallery", description="Where people can share pictures", callback=_gallery
    )


@app_commands.describe(channel="A text channel or a forum; without one nothing can be shared any more")
async def _gallery(interaction: Interaction, channel: Where | None = None) -> None:
    place = None if channel is None else channel.id
    server = await acknowledged(interaction)
    is_new = place != interaction.client.house.servers.readable(server).gallery_channel
    if channel is not None and channel.type is discord.ChannelType.forum:
        _check_forum(interaction, channel.id)
    elif place is not None and is_new:
        await try_channel(interaction, place, _HELLO)

    def edit(was: ServerSettings) -> ServerSettings:
        return replace(was, gallery_channel=place)

    await change(interaction, edit, "gallery_channel", notes=_notes(interaction, place))


def _check_forum(interaction: Interaction, channel: int) -> None:
    """Nothing is said in a forum to try it: that would be a post.

    Raises:
        Refused: we may not post there.
    """
    guild = interaction.guild
    forum = None if guild is None else guild.get_channel(channel)
    if guild is None or forum is None:
        raise Refused(_may_not(channel))
    held = forum.permissions_for(guild.me)
    if not (held.view_channel and held.send_messages and held.attach_files):
        raise Refused(_may_not(channel))


def _may_not(channel: int) -> str:
    return say(
        "I may not post in {channel}; let me see it, create posts, write and attach files there. "
        "Nothing has changed.",
        channel=f"<#{channel}>",
    )


def _notes(interaction: Interaction, place: int | None) -> list[str]:
    settings = interaction.client.house.servers.readable(interaction.guild_id or 0)
    if place is None:
        return [say("-# What was shared before stays where it is, and is not found any more.")]
    notes: list[str] = [
        say("-# Results have a *Share* button from now on; `/gallery` finds what was shared.")
    ]
    guild = interaction.guild
    if settings.web_gallery and guild is not None and is_adult(guild.get_channel(place)):
        notes.append(FOR_ADULTS)
    if settings.channels and place not in settings.channels:
        notes.append(
            say(
                "-# People may not ask for pictures there, so *Remix* does not work in it; "
                "`/server channels allow` changes that."
            )
        )
    return notes


def board_command() -> app_commands.Command[app_commands.Group, ..., None]:
    """The command, for the group /server."""
    return app_commands.Command(
        name="board", description="When the best of the week is posted into the gallery", callback=_board
    )


@app_commands.describe(weekday="That of the week before, from Monday to Sunday by UTC; or never")
@app_commands.choices(weekday=_DAYS)
async def _board(interaction: Interaction, weekday: int) -> None:
    if weekday not in (*WEEKDAYS, OFF):
        raise Refused(NO_CHOICE)
    server = await acknowledged(interaction)
    house, day = interaction.client.house, weekday or None
    now = time.time()
    if day is not None and weekday_of(now) > day:
        # Else the one of this week would come at once, on a day that nobody has named.
        await house.boards.no_board(server, week_of(now) - 1)
    notes = []
    if day is not None and house.servers.readable(server).gallery_channel is None:
        notes = [say("-# There is no gallery yet; `/server gallery` makes a channel one.")]
    await change(interaction, lambda was: replace(was, board=day), "board", notes=notes)


def reports_command() -> app_commands.Command[app_commands.Group, ..., None]:
    """The command, for the group /server."""
    return app_commands.Command(
        name="reports", description="What moderators decided about shared pictures", callback=_reports
    )


async def _reports(interaction: Interaction) -> None:
    server = await acknowledged(interaction)
    decided = await interaction.client.house.reports.decided(server, MAX_DECISIONS + 1)
    if not decided:
        raise Refused(say("Nothing has been decided yet."))
    lines = tuple(map(decision_line, decided[:MAX_DECISIONS]))
    small = (newest_only(MAX_DECISIONS),) if len(decided) > MAX_DECISIONS else ()
    view = layout(Card(tone=Tone.DONE, text=lines, small=small), language_of(interaction))
    await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)
