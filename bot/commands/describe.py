"""/describe: what is to be seen in a picture, as words to draw from; where the owner has a captioner."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands

from bot import bringing
from bot.acknowledgement import acknowledge
from bot.bringing import PICTURE
from bot.buttons import show_privately
from bot.card import Card, Tone
from bot.commands.places import everywhere
from bot.limits import Refused
from bot.markdown import literal, shortened
from bot.policy import check_asker
from generation import canvas
from generation.backends.questions import CannotDescribe
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

LARGEST = 1024
"""Pixels along the longer edge of what is looked at; captioners see a few hundred."""
MAX_SHOWN = 1500


def describe_command() -> app_commands.Command[Any, ..., None]:
    """The command."""
    return app_commands.Command(
        name="describe",
        description="Tell you what is to be seen in a picture, as words to draw from",
        callback=_describe,
    )


@everywhere
@app_commands.describe(image="The picture")
async def _describe(interaction: Interaction, image: discord.Attachment) -> None:
    """Tell what is to be seen in a picture."""
    check_asker(interaction)
    bringing.check_attachment(image, PICTURE)
    asked = interaction.client.house.describe
    if asked is None:  # the command is from an earlier run
        raise Refused(say("Nothing here describes pictures any more."))
    await acknowledge(interaction, thinking=True, ephemeral=True)
    data = await bringing.fetched(image, PICTURE)
    try:
        text = await asked(await bringing.one_by_one(partial(_smaller, data)))
    except CannotDescribe as reason:
        raise Refused(reason.sentence) from None
    if not text:
        raise Refused(say("I have no words for that picture."))
    words = shortened(text, MAX_SHOWN)
    line = "/imagine prompt:" + words.replace("```", "'''")
    await show_privately(
        interaction,
        Card(
            tone=Tone.DONE,
            text=(
                say("**I see** {words}", words=literal(words)),
                say("To draw something like it, copy this line:"),
                f"```\n{line}\n```",
            ),
        ),
    )


def _smaller(data: bytes) -> bytes:
    image = canvas.open_picture(data)
    image.thumbnail((LARGEST, LARGEST))
    digest, files = bringing.as_file(canvas.opaque(image))
    return files[digest]
