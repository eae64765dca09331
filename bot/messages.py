"""Cards as Discord's widgets: a Card becomes a layout with buttons, and files to send along."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import discord
from discord import ui

from bot.card import Action, Attached, Card, Tone
from bot.cards import MAX_ALT
from bot.language import Language
from bot.markdown import shortened
from bot.preferring import pinned
from bot.recipe import command_line
from generation.image import SmallerFile, fitted
from generation.job import UserId
from generation.preferences import Preferences
from generation.request import GenerationRequest
from generation.sentence import say
from generation.shelf import Shelf

MAX_REQUEST = 25 * 2**20 - 2**16
"""Bytes of all the files of one request; Discord takes 25 MiB with what else is in it."""

MAX_TEXT = 4000
"""Characters in all the texts of one message with a layout."""

MAX_LABEL, MAX_ENTRY, MAX_PLACEHOLDER = 80, 100, 150
"""Characters on a button, in a line of a menu, and in its place while nothing is chosen."""

ROOM = 400
"""Of these, what is left for who adds a line or two to a card."""
LEFT_OUT = say("… and more, for which a message has no room.")

NO_MENTIONS = discord.AllowedMentions.none()

COLOURS = {
    Tone.WAITING: discord.Colour(0x8A8F98),
    Tone.WORKING: discord.Colour(0x4F7CFF),
    Tone.DONE: discord.Colour(0x3BA55D),
    Tone.FAILED: discord.Colour(0xD83C3E),
    Tone.CANCELLED: discord.Colour(0x8A8F98),
}
STYLES = {
    Action.REROLL: (discord.ButtonStyle.primary, "🎲"),
    Action.SETTINGS: (discord.ButtonStyle.secondary, "🔎"),
    Action.CANCEL: (discord.ButtonStyle.secondary, "❌"),
    Action.TAKE_BACK: (discord.ButtonStyle.secondary, "❌"),
    Action.DELETE: (discord.ButtonStyle.secondary, "🗑️"),
    Action.VARY: (discord.ButtonStyle.secondary, "🌱"),
    Action.DIFFER: (discord.ButtonStyle.secondary, "🌿"),
    Action.UPSCALE: (discord.ButtonStyle.secondary, "🔍"),
    Action.CONTROL: (discord.ButtonStyle.secondary, "📐"),
    Action.EDIT: (discord.ButtonStyle.secondary, "✏️"),
    Action.INPAINT: (discord.ButtonStyle.secondary, "🖌️"),
    Action.REVIEW: (discord.ButtonStyle.secondary, "👁️"),
    Action.APPROVE: (discord.ButtonStyle.success, "✅"),
    Action.REJECT: (discord.ButtonStyle.danger, "🚫"),
    Action.SHARE: (discord.ButtonStyle.secondary, "🖼️"),
    Action.UNSHARE: (discord.ButtonStyle.danger, "🗑️"),
    Action.LIKE: (discord.ButtonStyle.secondary, "❤️"),
    Action.USE: (discord.ButtonStyle.primary, "📋"),
    Action.REPORT: (discord.ButtonStyle.secondary, "🚩"),
    Action.HIDE: (discord.ButtonStyle.danger, "🚫"),
    Action.KEEP: (discord.ButtonStyle.success, "✅"),
    Action.BLOCK: (discord.ButtonStyle.danger, "⛔"),
    Action.RESTORE: (discord.ButtonStyle.secondary, "↩️"),
}


def fits(card: Card, file_limit: int) -> bool:
    """Whether Discord takes the card's files, of which one may have `file_limit` bytes, as they are."""
    return all(len(picture.data) <= _share(card, file_limit) for picture in card.pictures)


_PRESS = ThreadPoolExecutor(1, thread_name_prefix="shrinking")


async def fitting(card: Card, file_limit: int) -> Card:
    """The card as :func:`shrunk` makes it, on a thread that does one at a time.

    A large picture takes ten seconds. On the threads that all share, a few of them would keep others from
    their acknowledgements.
    """
    if fits(card, file_limit):
        return card
    return await asyncio.get_running_loop().run_in_executor(_PRESS, shrunk, card, file_limit)


def shrunk(card: Card, file_limit: int) -> Card:
    """The card with smaller files of its pictures and a line that says so. Slow: not for the event loop."""
    pictures: list[Attached] = []
    smaller: list[SmallerFile] = []
    for picture in card.pictures:
        if len(picture.data) <= _share(card, file_limit):
            pictures.append(picture)
        elif (file := fitted(picture.data, _share(card, file_limit))) is not None:
            name = picture.name.removesuffix(".png") + ".webp"
            pictures.append(replace(picture, name=name, data=file.data))
            smaller.append(file)
    notes = []
    if smaller and all(file.lossless for file in smaller):
        notes.append(say("too large for Discord as PNG, so sent as WebP, with every pixel the same"))
    elif smaller:
        notes.append(say("too large for Discord as PNG, so sent as WebP, with a little less quality"))
    if lost := len(card.pictures) - len(pictures):
        notes.append(
            say(
                "{lost} of {number} too large for Discord; choose a smaller size",
                lost=lost,
                number=len(card.pictures),
            )
        )
    return replace(card, pictures=tuple(pictures), small=(*card.small, *notes))


def _share(card: Card, file_limit: int) -> int:
    """Bytes that each of the card's files may have."""
    return min(file_limit, MAX_REQUEST // max(1, len(card.pictures)))


def layout(card: Card, language: Language) -> ui.LayoutView:
    """The card's widgets, for who reads that language; :func:`files` are sent along with them."""
    text, small = _fitting(card, language)
    body: ui.Container[ui.LayoutView] = ui.Container(accent_colour=COLOURS[card.tone])
    body.add_item(ui.TextDisplay("\n".join(text)))
    if card.pictures:
        gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
        for picture in card.pictures:
            media = f"attachment://{picture.name}"
            gallery.add_item(media=media, description=_alt(picture, language), spoiler=picture.spoiler)
        body.add_item(gallery)
    if small:
        body.add_item(ui.TextDisplay("\n".join(f"-# {line}" for line in small)))
    view = ui.LayoutView(timeout=None).add_item(body)
    for buttons in filter(None, (card.buttons, card.further)):
        row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
        for button in buttons:
            style, emoji = STYLES[button.action]
            label = shortened(language(button.label), MAX_LABEL)
            row.add_item(ui.Button(style=style, emoji=emoji, label=label, custom_id=button.custom_id))
        view.add_item(row)
    if card.menu is not None:
        options = [
            discord.SelectOption(label=shortened(language(entry.label), MAX_ENTRY), value=entry.value)
            for entry in card.menu.entries
        ]
        placeholder = shortened(language(card.menu.placeholder), MAX_PLACEHOLDER)
        menu: ui.Select[ui.LayoutView] = ui.Select(
            custom_id=card.menu.custom_id, placeholder=placeholder, options=options
        )
        view.add_item(ui.ActionRow(menu))
    # The client dispatches by custom_id (see buttons.py) and must not keep a view for each message it sent.
    view.stop()
    return view


def _fitting(card: Card, language: Language) -> tuple[list[str], list[str]]:
    """The card's text and small print, without the last lines if Discord would not take them all."""
    text, small = list(map(language, card.text)), list(map(language, card.small))
    more = language(LEFT_OUT)
    while sum(map(len, (*text, *small))) + 4 * len(small) + len(text) > MAX_TEXT - ROOM:
        left_out = small if len(small) > 1 or text == [more] else text
        if left_out[-1] == more:
            left_out.pop()
        left_out[-1] = more
    return text, small


def files(card: Card, language: Language) -> list[discord.File]:
    """The card's pictures as new file objects: one that was sent cannot be sent again."""
    return [
        discord.File(io.BytesIO(picture.data), filename=picture.name, description=_alt(picture, language))
        for picture in card.pictures
    ]


def _alt(picture: Attached, language: Language) -> str:
    return shortened(language(picture.alt), MAX_ALT)


def mentions(card: Card) -> discord.AllowedMentions:
    """Whom this card may call: one person at the most, whatever stands in its prompt."""
    return NO_MENTIONS if card.mention is None else calls(card.mention)


def calls(person: UserId) -> discord.AllowedMentions:
    """A message that may call this one person."""
    return discord.AllowedMentions(
        everyone=False, roles=False, replied_user=False, users=[discord.Object(person)]
    )


def first_button(parts: Sequence[discord.Component]) -> str | None:
    """The custom id of the first button of a message with these components: by that a card is known.

    Not by any button: a card that waits for a moderator has most of those that the finished one has.
    """
    rows = (part.children for part in parts if isinstance(part, discord.ActionRow))
    buttons = (child for row in rows for child in row if isinstance(child, discord.Button))
    return next((button.custom_id for button in buttons), None)


def with_command_line(
    card: Card,
    request: GenerationRequest,
    shelf: Shelf,
    language: Language,
    preferences: Sequence[Preferences] = (),
) -> tuple[ui.LayoutView, list[discord.File]]:
    """A card and, to be copied, the command that draws the same; as a file if it is too long to show.

    Args:
        preferences: of who is to copy it.
    """
    line = command_line(request, shelf)
    if line is not None:
        line = pinned(preferences, line)
    if line is None:
        gone = say("No command alone draws the same again, but Reroll draws another in the same way.")
        if request.upscale is not None:
            gone = say("No command alone makes the same again: bring its picture to `/upscale`.")
        elif shelf.by_source(request.model) is None:
            gone = say("I do not have its model any more, so no command draws the same again.")
        return layout(card, language).add_item(ui.TextDisplay(language(gone))), []
    fenced = line.replace("```", "`\u200b`\u200b`")
    block = f"{language(say('To draw the same again, copy this line:'))}\n```\n{fenced}\n```"
    view = layout(card, language)
    if view.content_length() + len(block) <= MAX_TEXT:
        return view.add_item(ui.TextDisplay(block)), []
    view.add_item(ui.TextDisplay(language(say("To draw the same again, copy the line in this file:"))))
    view.add_item(ui.File("attachment://imagine.txt"))
    return view, [discord.File(io.BytesIO(line.encode()), filename="imagine.txt")]
