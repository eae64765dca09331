"""/server: how the bot is in one server, decided by who manages it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot.apologies import tell
from bot.card import Card, Tone
from bot.commands.choices import NO_CHOICE, ChannelOf
from bot.commands.places import IN_SERVERS
from bot.commands.server_defaults import DefaultCommands
from bot.commands.server_gallery import board_command, gallery_command, reports_command
from bot.commands.server_models import ModelCommands
from bot.commands.server_people import ChannelCommands, PeopleCommands
from bot.commands.server_web import web_command
from bot.commands.server_words import WordCommands
from bot.governing import acknowledged, change, is_open, newest_only, try_channel
from bot.language import language_of, languages
from bot.limits import Refused
from bot.messages import NO_MENTIONS, layout
from bot.options import MAX_CHOICES
from bot.policy import safety_here
from bot.rulebook import LANGUAGES, OWNERS, TITLES, by_whom, change_line, days, setting_line, size_of
from bot.safety import MEANINGS, warning
from generation.safety import Safety
from generation.sentence import joined, say

if TYPE_CHECKING:
    from bot.house import Interaction

LEAST_DAYS, MOST_DAYS = 1, 3650
LEAST_ROOM, MOST_ROOM = 0.1, 10_000
"""GB, of a thousand million bytes."""
MAX_CHANGES = 15
"""Of those that /server changes lists."""
ASKERS = "asker"
SAME = "same"
OWNER = "owner"

OPEN = say(
    "⚠️ Everybody in this server can see that channel, and with it what waits there, behind spoilers. "
    "Choose one that only moderators see."
)
_POLICIES = [
    Choice(name=joined(": ", (safety.value, meaning)), value=safety.value)
    for safety, meaning in MEANINGS.items()
]


Where = app_commands.Transform[
    app_commands.AppCommandChannel,
    ChannelOf(discord.ChannelType.text, discord.ChannelType.private_thread),
]
"""A channel in which people write."""


class ServerCommands(app_commands.Group):
    """The group. What one of them raises is told to the person who used it."""

    def __init__(self, *, choose_model: bool = True) -> None:
        super().__init__(
            name="server",
            description="How I am in this server",
            default_permissions=discord.Permissions(manage_guild=True),
            **IN_SERVERS,
        )
        self.add_command(ChannelCommands())
        self.add_command(ModelCommands())
        self.add_command(DefaultCommands(choose_model=choose_model))
        self.add_command(WordCommands())
        self.add_command(PeopleCommands())
        self.add_command(gallery_command())
        self.add_command(board_command())
        self.add_command(reports_command())
        self.add_command(web_command())

    @app_commands.command(name="show", description="All that is decided for this server, and by whom")
    async def show(self, interaction: Interaction) -> None:
        server = await acknowledged(interaction)
        house = interaction.client.house
        settings, last = house.servers.readable(server), await house.servers.last_changes(server)
        lines: list[str] = [say("### Settings of this server")]
        for name in TITLES:
            line = setting_line(name, settings, house.safety, house.shelf)
            lines.append(joined(" · ", (line, by_whom(last[name]))) if name in last else line)
            if name == "moderators_channel":
                lines += _notes_on_moderators(interaction, settings.moderators_channel)
        unread = house.servers.unreadable_reason(server)
        notes = [] if unread is not None else await _notes_on_safety(interaction)
        small = tuple(notes) if unread is None else (unread,)
        card = Card(tone=Tone.DONE, text=tuple(lines), small=small)
        await interaction.followup.send(
            view=layout(card, language_of(interaction)), ephemeral=True, allowed_mentions=NO_MENTIONS
        )

    @app_commands.command(name="changes", description="Who changed which of these settings when")
    async def changes(self, interaction: Interaction) -> None:
        server = await acknowledged(interaction)
        changes = await interaction.client.house.servers.changes(server, MAX_CHANGES + 1)
        if not changes:
            raise Refused(say("Nobody has changed anything yet."))
        lines = tuple(joined(" · ", (change_line(each), by_whom(each))) for each in changes[:MAX_CHANGES])
        small = (newest_only(MAX_CHANGES),) if len(changes) > MAX_CHANGES else ()
        view = layout(Card(tone=Tone.DONE, text=lines, small=small), language_of(interaction))
        await interaction.followup.send(view=view, ephemeral=True, allowed_mentions=NO_MENTIONS)

    @app_commands.command(name="safety", description="What becomes of pictures that a safety checker flags")
    @app_commands.describe(
        flagged="What becomes of them; pictures asked for from now on",
        elsewhere="The least that becomes of them in channels that are not age-restricted",
    )
    @app_commands.choices(
        flagged=[*_POLICIES, Choice(name=OWNERS, value=OWNER)],
        elsewhere=[*_POLICIES[1:], Choice(name=say("the same as in the others"), value=SAME)],
    )
    async def safety(
        self, interaction: Interaction, flagged: str | None = None, elsewhere: str | None = None
    ) -> None:
        wanted: dict[str, Any] = {}
        for name, typed, none in (("safety", flagged, OWNER), ("open_safety", elsewhere, SAME)):
            if typed is not None:
                if typed not in (*Safety, none):
                    raise Refused(NO_CHOICE)
                wanted[name] = None if typed == none else Safety(typed)
        if not wanted:
            raise Refused(say("Say what becomes of them: `flagged`, `elsewhere`, or both."))
        await change(interaction, lambda was: replace(was, **wanted), "safety", "open_safety")
        if notes := await _notes_on_safety(interaction):
            await tell(interaction, joined("\n", [say("-# {note}", note=note) for note in notes]))

    @app_commands.command(name="moderators", description="Where pictures that wait for a moderator are shown")
    @app_commands.describe(channel="A channel that only moderators see; without one, /moderate shows them")
    async def moderators(self, interaction: Interaction, channel: Where | None = None) -> None:
        place = None if channel is None else channel.id
        server = await acknowledged(interaction)
        if place is not None:
            hello = say("Pictures that wait for a moderator will be shown here.")
            await try_channel(interaction, place, hello)
        notes = _notes_on_moderators(interaction, place)
        await change(
            interaction, lambda was: replace(was, moderators_channel=place), "moderators_channel", notes=notes
        )
        await interaction.client.house.desk.lay_out(server)

    @app_commands.command(name="log", description="Where each change of these settings is told")
    @app_commands.describe(channel="A channel; without one, /server changes lists them")
    async def log(self, interaction: Interaction, channel: Where | None = None) -> None:
        place = None if channel is None else channel.id
        await acknowledged(interaction)
        if place is not None:
            await try_channel(interaction, place, say("Changes of my settings will be told here."))
        await change(interaction, lambda was: replace(was, log_channel=place), "log_channel")

    @app_commands.command(name="spoilers", description="Whether all pictures are hidden behind spoilers")
    @app_commands.describe(always="Pictures asked for from now on")
    async def spoilers(self, interaction: Interaction, always: bool) -> None:
        await change(interaction, lambda was: replace(was, spoilers=always), "spoilers")

    @app_commands.command(name="language", description="The language of cards that everybody sees")
    @app_commands.describe(language="What only one person sees is in theirs")
    async def language(self, interaction: Interaction, language: str) -> None:
        named = {name.casefold(): code for code, name in LANGUAGES.items()}
        language = named.get(language.casefold(), language)
        if language not in (*languages(), ASKERS):
            raise Refused(NO_CHOICE)
        chosen = None if language == ASKERS else language
        await change(interaction, lambda was: replace(was, language=chosen), "language")

    @language.autocomplete("language")
    async def _languages(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        told = {code: LANGUAGES.get(code, code) for code in languages()}
        told[ASKERS] = language_of(interaction)(say("that of who asks"))
        wanted = typed.casefold()
        found = [code for code, name in told.items() if wanted in name.casefold() or code.startswith(typed)]
        return [Choice(name=told[code], value=code) for code in found[:MAX_CHOICES]]

    @app_commands.command(name="retention", description="For how long I keep pictures, and how many")
    @app_commands.describe(
        days="Days, 1 to 3650; without them, until somebody deletes them",
        gigabytes="GB that they may take before the oldest go, 0.1 to 10000; without it, any number",
    )
    async def retention(
        self, interaction: Interaction, days: int | None = None, gigabytes: float | None = None
    ) -> None:
        if days is not None and not LEAST_DAYS <= days <= MOST_DAYS:
            raise Refused(
                say(
                    "I cannot keep pictures for {days} days; choose {least} to {most}.",
                    days=days,
                    least=LEAST_DAYS,
                    most=MOST_DAYS,
                )
            )
        if gigabytes is not None and not LEAST_ROOM <= gigabytes <= MOST_ROOM:
            raise Refused(
                say(
                    "I cannot keep pictures in {room:g} GB; choose {least:g} to {most:,}.",
                    room=gigabytes,
                    least=LEAST_ROOM,
                    most=MOST_ROOM,
                )
            )
        room = None if gigabytes is None else round(gigabytes * 1000)
        notes = [] if days is None else [_forgotten_soon(days)]
        if room is not None:
            notes.append(_forgotten_beyond(room))
        await change(
            interaction,
            lambda was: replace(was, retention=days, room=room),
            "retention",
            "room",
            notes=notes,
        )


def _forgotten_soon(number: int) -> str:
    return say(
        "-# What is older than {days} goes within the next hours, and does not come back; it leaves "
        "galleries, too. Other messages keep what they show, and their buttons have nothing to go on from.",
        days=days(number),
    )


def _forgotten_beyond(room: int) -> str:
    return say(
        "-# Whenever pictures take more than {size}, the oldest go within hours, and do not come back; they "
        "leave galleries, too. Other messages keep what they show, and their buttons have nothing to go on "
        "from.",
        size=size_of(room),
    )


def _notes_on_moderators(interaction: Interaction, channel: int | None) -> list[str]:
    return [OPEN] if channel is not None and is_open(interaction, channel) else []


async def _notes_on_safety(interaction: Interaction) -> list[str]:
    """What should be known of the check as it is here, for small print."""
    house, safety = interaction.client.house, safety_here(interaction)
    notes: list[str] = []
    if safety.hides:
        notes.append(say("There are no previews while pictures are drawn, since those are not checked."))
    problem = await asyncio.to_thread(warning, safety, house.safety, house.shelf)
    return notes if problem is None else [*notes, problem]
