"""/inspect, and what a right click on a message offers: the settings of its pictures, and JPEG files."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui

from bot import bringing
from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.bringing import PICTURE
from bot.commands.places import everywhere
from bot.inspecting import as_text, command_for, inspected_card
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import whole
from bot.messages import MAX_TEXT, NO_MENTIONS, layout
from bot.preferring import layers, pinned
from bot.uploaded import MAX_PICTURES, fetched, pictures_in
from generation import canvas, metadata
from generation.image import as_jpeg
from generation.request import InvalidRequest
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction


@everywhere
@app_commands.describe(image="A picture of A1111, Forge, ComfyUI, InvokeAI, SwarmUI, NovelAI or mine")
async def inspect(interaction: Interaction, image: discord.Attachment) -> None:
    """Show you the settings that are inside a picture's file."""
    bringing.check_attachment(image, PICTURE)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    await _show(interaction, await bringing.fetched(image, PICTURE))


def message_menus() -> list[app_commands.ContextMenu]:
    """What can be done with a message that shows pictures."""
    return [
        app_commands.ContextMenu(name="Show settings", callback=_show_settings),
        app_commands.ContextMenu(name="Send as JPEG", callback=_send_as_jpeg),
    ]


@everywhere
async def _show_settings(interaction: Interaction, message: discord.Message) -> None:
    files = pictures_in(message)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    for file in files[:MAX_PICTURES]:
        await _show(interaction, await fetched(file))
    await _tell_left_out(interaction, len(files))


@everywhere
async def _send_as_jpeg(interaction: Interaction, message: discord.Message) -> None:
    files = pictures_in(message)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    for file in files[:MAX_PICTURES]:
        data = await fetched(file)
        if not data.startswith(b"\x89PNG"):
            raise Refused(say("That is no PNG file; only those have something to gain by that."))
        jpeg = await jpeg_of(data)
        if len(jpeg) > interaction.filesize_limit:
            raise Refused(say("Its JPEG file is larger than Discord takes here."))
        await interaction.followup.send(
            language_of(interaction)(say("With its settings inside; what was transparent is white.")),
            file=discord.File(io.BytesIO(jpeg), filename="picture.jpg"),
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )
    await _tell_left_out(interaction, len(files))


async def _tell_left_out(interaction: Interaction, number: int) -> None:
    if number > MAX_PICTURES:
        said = say(
            "Those are the first {most} of its {number} pictures; I take no more at once.",
            most=MAX_PICTURES,
            number=number,
        )
        await tell(interaction, said)


async def jpeg_of(png: bytes) -> bytes:
    """A PNG file of anybody's as JPEG: opened with care first, and one at a time, as each may be large.

    Raises:
        InvalidRequest: it is no picture that I take.
    """

    def make() -> bytes:
        canvas.open_picture(png)
        return as_jpeg(png)

    return await bringing.one_by_one(make)


async def _show(interaction: Interaction, data: bytes) -> None:
    """Tell this person alone what a file says."""
    try:
        settings = await bringing.one_by_one(partial(metadata.read, data))
    except metadata.UnreadablePicture as reason:
        await tell(interaction, reason.sentence)
        return
    said_in = language_of(interaction)
    view, files = layout(inspected_card(settings), said_in), []
    try:
        line = command_for(settings, interaction.client.house.shelf)
    except InvalidRequest as reason:
        said = said_in(say("There is no `/imagine` line for it here. {reason}", reason=reason.sentence))
    else:
        line = whole(pinned(layers(interaction), line))
        fenced = line.replace("```", "`\u200b`\u200b`")
        said = f"{said_in(say('To draw something like it, copy this line:'))}\n```\n{fenced}\n```"
        if view.content_length() + len(said) > MAX_TEXT:
            said = said_in(say("To draw something like it, copy the line in imagine.txt:"))
            files.append(("imagine.txt", line))
    view.add_item(ui.TextDisplay(said))
    if (text := as_text(settings)) is not None:
        files.append(("settings.txt", text))
    for name, _ in files:
        view.add_item(ui.File(f"attachment://{name}"))
    await interaction.followup.send(
        view=view,
        files=[discord.File(io.BytesIO(whole(text).encode()), filename=name) for name, text in files],
        ephemeral=True,
        allowed_mentions=NO_MENTIONS,
    )
