"""The pictures of a message, whoever sent it, and which request of ours a message is about."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import Any

import discord

from bot import bringing
from bot.bringing import PICTURE
from bot.limits import Refused
from bot.messages import first_button
from bot.refusals import UNREACHABLE
from generation.job import JobId
from generation.sentence import say

MAX_PICTURES = 4
"""Of one message that are looked at for one press; as many as a request draws."""

_OURS = re.compile(r"[a-z]+:(?P<job>[0-9a-z]{16})(?::(?P<index>\d))?")


def job_of(message: discord.Message, me: discord.ClientUser | None) -> tuple[JobId, int | None] | None:
    """The request that a message of ours is about, and which of its pictures if it is one; else None."""
    if me is None or message.author.id != me.id:
        return None
    known = first_button(message.components) or _first_menu(message.components) or ""
    if (match := _OURS.fullmatch(known)) is None:
        return None
    return JobId(match["job"]), None if match["index"] is None else int(match["index"])


def _first_menu(parts: Sequence[discord.Component]) -> str | None:
    """The custom id of the first menu: the card that asks how to go on from a picture has nothing else."""
    rows = (part.children for part in parts if isinstance(part, discord.ActionRow))
    menus = (child for row in rows for child in row if isinstance(child, discord.SelectMenu))
    return next((menu.custom_id for menu in menus), None)


Media = discord.Attachment | discord.UnfurledMediaItem


def pictures_in(message: discord.Message) -> list[Media]:
    """The pictures that were uploaded with a message, wherever they stand in it.

    Raises:
        Refused: there are none.
    """
    files = list(_uploaded(message))
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


async def fetched(file: Media) -> bytes:
    """The file of a picture in a message.

    Raises:
        Refused: it cannot be had, or is none.
    """
    if isinstance(file, discord.Attachment):
        bringing.check_attachment(file, PICTURE)
        return await bringing.fetched(file, PICTURE)
    try:
        async with asyncio.timeout(bringing.FETCH_SECONDS):
            return await file.read()
    except (discord.DiscordException, *UNREACHABLE):
        raise Refused(
            say("I could not fetch the {what} from Discord; please try again.", what=PICTURE)
        ) from None
