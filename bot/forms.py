"""Forms that buttons and menus open. A custom_id says what one needs, so that it outlives every restart."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import discord
from discord import ui

from bot.card import Entry
from bot.language import language_of
from bot.limits import Refused
from bot.markdown import shortened
from bot.messages import NO_MENTIONS
from bot.refusals import UNREACHABLE
from generation.request import MAX_PROMPT
from generation.sentence import say
from storage.errors import DatabaseUnusable

if TYPE_CHECKING:
    from bot.house import Interaction

LOOK_PATIENCE = 1.5
"""Seconds. A form must be the first answer to a press, and Discord waits three for that."""

MAX_TITLE, MAX_LABEL, MAX_HELP, MAX_TYPED = 45, 45, 100, 4000
"""Characters that Discord takes in a form."""

KEPT_IN_MIND = 80
"""Characters that nobody minds typing again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A field for text; its name is told again with what was typed."""

    name: str
    label: str
    value: str = ""
    help: str | None = None
    long: bool = False
    """A prompt."""
    required: bool = True
    most: int = 40
    """Characters, unless it is long."""

    @property
    def room(self) -> int:
        """Characters that may be typed: no more than a prompt may have, unless more stands in it already."""
        if not self.long:
            return self.most
        # Some count a character as two that is one for us, as most emoji.
        is_longer = len(self.value.encode("utf-16-le", "surrogatepass")) // 2 > MAX_PROMPT
        return MAX_TYPED if is_longer else MAX_PROMPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A field to choose one of several; the first is chosen already. Their values are told as texts are."""

    name: str
    label: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A field for one file."""

    name: str
    label: str
    help: str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What came back, by the names of the fields."""

    custom_id: str
    """Of the form."""
    texts: Mapping[str, str]
    files: Mapping[str, discord.Attachment]


async def at_hand(looking: Awaitable[T]) -> T:
    """What a form is made of, if it is known soon enough for the form to open.

    Raises:
        Refused: it is not.
    """
    try:
        async with asyncio.timeout(LOOK_PATIENCE):
            return await looking
    except (TimeoutError, DatabaseUnusable):
        raise Refused(say("I could not look that up quickly enough; please try again in a moment.")) from None


async def open_form(
    interaction: Interaction, custom_id: str, title: str, fields: Sequence[Text | File | Choice]
) -> None:
    """Show a form to whoever pressed; it must be the first answer to that."""
    said = language_of(interaction)
    form = ui.Modal(title=shortened(said(title), MAX_TITLE), custom_id=custom_id)
    for field in fields:
        part: ui.Item[Any]
        if isinstance(field, Text):
            part = ui.TextInput(
                custom_id=field.name,
                style=discord.TextStyle.paragraph if field.long else discord.TextStyle.short,
                default=field.value[:MAX_TYPED] or None,
                required=field.required,
                max_length=field.room,
            )
        elif isinstance(field, Choice):
            options = [
                discord.SelectOption(label=said(entry.label), value=entry.value, default=not number)
                for number, entry in enumerate(field.entries)
            ]
            part = ui.Select(custom_id=field.name, options=options)
        else:
            part = ui.FileUpload(custom_id=field.name, required=field.required, max_values=1)
            part.min_values = int(field.required)
        help_ = None if isinstance(field, Choice) else field.help
        description = None if help_ is None else shortened(said(help_), MAX_HELP)
        label = shortened(said(field.label), MAX_LABEL)
        form.add_item(ui.Label(text=label, description=description, component=part))
    form.stop()  # the client must not keep it: what comes back is known by its custom_id
    await interaction.response.send_modal(form)


def filled_in(interaction: Interaction) -> Filled:
    """What somebody sent with a form.

    discord.py would only tell it to the form that was sent, which a restart forgets.
    """
    data: Mapping[str, Any] = interaction.data or {}
    sent = data.get("resolved", {}).get("attachments", {})
    texts: dict[str, str] = {}
    files: dict[str, discord.Attachment] = {}
    for part in _parts(data.get("components", ())):
        if isinstance(part.get("value"), str):
            texts[part["custom_id"]] = part["value"]
        for number in part.get("values", ()):
            if number in sent:
                files[part["custom_id"]] = discord.Attachment(data=sent[number], state=interaction._state)
            elif isinstance(number, str):
                texts[part["custom_id"]] = number
    return Filled(custom_id=data.get("custom_id", ""), texts=texts, files=files)


def _parts(components: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for component in components:
        if "custom_id" in component:
            yield component
        yield from _parts(component.get("components", ()))
        if "component" in component:
            yield from _parts((component["component"],))


async def give_back(interaction: Interaction, filled: Filled) -> None:
    """Return to the person what they typed into a form that led to nothing."""
    typed = "\n\n".join(f"{name}:\n{text}" for name, text in filled.texts.items() if text.strip())
    if len(typed) > KEPT_IN_MIND:
        file = discord.File(io.BytesIO(typed.encode(errors="replace")), filename="what-you-typed.txt")
        with suppress(discord.HTTPException, *UNREACHABLE):
            await interaction.followup.send(file=file, ephemeral=True, allowed_mentions=NO_MENTIONS)
