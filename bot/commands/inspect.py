"""/inspect, and what a right click on a message offers: the settings of its pictures, and JPEG files."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import app_commands, ui

from bot import bringing
from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.bringing import PICTURE
from bot.inspecting import as_text, command_for, inspected_card
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import whole
from bot.messages import MAX_TEXT, NO_MENTIONS, layout
from bot.preferring import layers, pinned
from generation import canvas, metadata
from generation.image import as_jpeg
from generation.request import InvalidRequest
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_PICTURES = 4
"""Of one message; as many as a request draws."""


@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
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


@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def _show_settings(interaction: Interaction, message: discord.Message) -> None:
    files = _files(message)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    for file in files:
        await _show(interaction, await _fetched(file))


@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def _send_as_jpeg(interaction: Interaction, message: discord.Message) -> None:
    files = _files(message)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    for file in files:
        data = await _fetched(file)
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


async def jpeg_of(png: bytes) -> bytes:
    """A PNG file of anybody's as JPEG: opened with care first, and one at a time, as each may be large.

    Raises:
        InvalidRequest: it is no picture that I take.
    """

    def make() -> bytes:
        canvas.open_picture(png)
        return as_jpeg(png)

    return await bringing.one_by_one(make)


Media = discord.Attachment | discord.UnfurledMediaItem


def _files(message: discord.Message) -> list[Media]:
    """The pictures that were uploaded with a message, wherever they stand in it.

    Raises:
        Refused: there are none.
    """
    files = list(_uploaded(message))[:MAX_PICTURES]
    if not files:
        raise Refused(say("There is no picture in that message."))
    return files


def _uploaded(message: discord.Message) -> Iterator[Media]:
    attached = [each for each in message.attachments if _shows(each)]
    yield from attached
    known = {attachment.id for attachment in attached}

    def walk(parts: Any) -> Iterator[Media]:
        for part in parts:
            if isinstance(part, discord.MediaGalleryComponent):
                # Not what somebody merely links to: its address may be anything.
                media = (item.media for item in part.items)
                yield from (
                    each for each in media if each.attachment_id not in {None, *known} and _shows(each)
                )
            yield from walk(getattr(part, "children", ()))

    yield from walk(message.components)


def _shows(media: Media) -> bool:
    """Whether it is a picture, as far as Discord says, which need not of what stands in a gallery."""
    unsaid = "" if isinstance(media, discord.Attachment) else "image/"
    return (media.content_type or unsaid).startswith("image/")


async def _fetched(file: Media) -> bytes:
    if isinstance(file, discord.Attachment):
        bringing.check_attachment(file, PICTURE)
        return await bringing.fetched(file, PICTURE)
    try:
        async with asyncio.timeout(bringing.FETCH_SECONDS):
            return await file.read()
    except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError):
        raise Refused(
            say("I could not fetch the {what} from Discord; please try again.", what=PICTURE)
        ) from None


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
