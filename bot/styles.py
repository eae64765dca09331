"""The styles that hold where somebody asks: those that are saved there, then those that come along."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.options import Typed
from bot.preferring import Preferred
from generation.prompting.styles import Style, folded, shipped, shown
from generation.request import InvalidRequest
from generation.sentence import say
from storage.styles import Owner, OwnerKind

if TYPE_CHECKING:
    from bot.house import Interaction


def owner_of(interaction: Interaction) -> Owner:
    """Whose styles these are: the server's, or, where there is none, the person's own."""
    if interaction.guild_id is None:
        return Owner(kind=OwnerKind.PERSON, id=interaction.user.id)
    return Owner(kind=OwnerKind.SERVER, id=interaction.guild_id)


def own_of(interaction: Interaction) -> Owner:
    """Of the person alone; their styles hold for them wherever they are."""
    return Owner(kind=OwnerKind.PERSON, id=interaction.user.id)


async def names_here(interaction: Interaction) -> tuple[str, ...]:
    """The names of the styles that are saved here, and of one's own."""
    styles = interaction.client.house.styles
    names = {folded(name): name for name in await styles.names(own_of(interaction))}
    names |= {folded(name): name for name in await styles.names(owner_of(interaction))}
    return tuple(names[key] for key in sorted(names))


def shipped_style(name: str) -> Style | None:
    """The style of this name that came along."""
    return next((style for style in shipped() if style.key == folded(name)), None)


async def styled(interaction: Interaction, typed: Typed, style: str | None) -> Typed:
    """What was typed, with the style of the name that was typed.

    Raises:
        InvalidRequest: there is none of that name. One that is only preferred is left out then, and where it
            has no room beside what was typed.
    """
    if style is None:
        return typed
    try:
        found = await find_style(interaction, style)
        if isinstance(style, Preferred):
            found.applied(typed.prompt, typed.negative_prompt or "")
    except InvalidRequest:
        if isinstance(style, Preferred):
            return typed
        raise
    return replace(typed, style=found)


async def find_style(interaction: Interaction, name: str) -> Style:
    """The style of this name, however it was capitalised.

    Raises:
        InvalidRequest: there is none; the message is for the person.
    """
    styles = interaction.client.house.styles
    owners = (owner_of(interaction), own_of(interaction))  # of the same name, that of the server counts
    for owner in owners:
        if (kept := await styles.get(owner, name)) is not None:
            return kept
    if (along := shipped_style(name)) is not None:
        return along
    names = {folded(known): known for owner in reversed(owners) for known in await styles.names(owner)}
    names |= {style.key: style.name for style in shipped() if style.key not in names}
    near = difflib.get_close_matches(folded(name), names, n=1)
    if near:
        raise InvalidRequest(
            say(
                "I do not know the style {name}; did you mean {near}?",
                name=shown(name),
                near=shown(names[near[0]]),
            )
        )
    raise InvalidRequest(
        say(
            "I do not know the style {name}; `/styles list` shows which there are.",
            name=shown(name),
        )
    )
