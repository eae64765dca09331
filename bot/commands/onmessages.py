"""What a right click on a message offers besides its settings: Remix this, and Upscale."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot import bringing
from bot.acknowledgement import acknowledge
from bot.answering import known_job, open_edit
from bot.buttons import make_larger, show_privately
from bot.card import Action, Button, Card, Tone
from bot.commands.places import everywhere
from bot.commands.upscale import enlarge_brought
from bot.forms import at_hand, open_form
from bot.limits import Refused
from bot.policy import shelf_here
from bot.remixing import remix
from bot.uploaded import Media, fetched, job_of, pictures_in
from generation import metadata
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

SETTINGS_PATIENCE = 2.0
"""Seconds to fetch a file and read it: a form must be there within three."""


def drawing_menus() -> list[app_commands.ContextMenu]:
    """What can be drawn from a message."""
    return [
        app_commands.ContextMenu(name="Remix this", callback=_remix),
        app_commands.ContextMenu(name="Upscale", callback=_upscale),
    ]


@everywhere
async def _remix(interaction: Interaction, message: discord.Message) -> None:
    ours = job_of(message, interaction.client.user)
    if ours is not None:
        await open_edit(interaction, ours[0])
        return
    settings = await _settings_in(message)
    rest, shown = remix(settings, shelf_here(interaction))
    await open_form(interaction, rest.custom_id, say("Remix"), shown)


async def _settings_in(message: discord.Message) -> metadata.Settings:
    """What the first of its pictures says that says something.

    Raises:
        Refused: none does, or not soon enough for a form.
    """
    *first, last = pictures_in(message)
    try:
        async with asyncio.timeout(SETTINGS_PATIENCE):
            for file in first:
                with suppress(metadata.UnreadablePicture):
                    return await _read(file)
            return await _read(last)
    except metadata.UnreadablePicture as reason:
        raise Refused(reason.sentence) from None
    except TimeoutError:
        raise Refused(
            say("I could not read that file quickly enough; please try again, or use `/inspect` with it.")
        ) from None


async def _read(file: Media) -> metadata.Settings:
    return await bringing.one_by_one(partial(metadata.read, await fetched(file)))


@everywhere
async def _upscale(interaction: Interaction, message: discord.Message) -> None:
    ours = job_of(message, interaction.client.user)
    if ours is None:
        file = pictures_in(message)[0]
        # What only this person sees stays so.
        private = True if message.flags.ephemeral else None
        await enlarge_brought(interaction, partial(fetched, file), private=private)
        return
    job_id, index = ours
    job = await at_hand(known_job(interaction, job_id))
    if index is None and job.request.count > 1:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        numbers = range(job.request.count)
        await show_privately(
            interaction,
            Card(
                tone=Tone.DONE,
                text=(say("Which of them shall I make larger?"),),
                further=tuple(
                    Button(
                        action=Action.UPSCALE,
                        job=job_id,
                        index=number,
                        label=say("Picture {number}", number=number + 1),
                    )
                    for number in numbers
                ),
            ),
        )
        return
    await make_larger(interaction, job_id, index or 0)
