"""/words: which words were learned beside the models, and which models take them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from discord import app_commands

from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.options import code
from generation.embeddings import Learned
from generation.shelf import Shelf

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_LISTED = 600
"""Characters of names in one list; a message takes 2000."""
MAX_GROUPS = 3


@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def words(interaction: Interaction) -> None:
    """Say which words were learned."""
    await acknowledge(interaction, thinking=True, ephemeral=True)
    shelf = interaction.client.house.shelf
    await asyncio.to_thread(shelf.embeddings.refresh)
    await tell(interaction, told(shelf))


def told(shelf: Shelf) -> str:
    """The words of each model, and those that none of them takes, in a message."""
    lines = []
    kinds = list(dict.fromkeys(model.text_widths for model in shelf.models))
    for widths in kinds:
        if learned := list(shelf.embeddings.fitting(widths).values()):
            names = [model.name for model in shelf.models if model.text_widths == widths]
            who = ", ".join(code(name) for name in names[:MAX_GROUPS])
            who += f" and {len(names) - MAX_GROUPS} more" if len(names) > MAX_GROUPS else ""
            lines.append(f"{who}: {_listed(learned)}")
    left = len(lines) - MAX_GROUPS
    others = [each for each in shelf.embeddings.known if each.problem is None and each.widths not in kinds]
    lines = lines[:MAX_GROUPS] + ([f"and so for {left} more kinds of models"] if left > 0 else [])
    if lines:
        lines.insert(0, "These words were learned beside the models; write them into a prompt like others.")
    else:
        lines.append("No words were learned beside the models; the owner can put some into a folder.")
    if others:
        lines.append(f"-# For models that are not here: {_listed(others)}")
    return "\n".join(lines)


def _listed(learned: Sequence[Learned]) -> str:
    """The names, as many as fit."""
    names: list[str] = []
    for each in sorted(learned, key=lambda each: each.word.casefold()):
        if sum(len(name) + 2 for name in names) + len(each.word) > MAX_LISTED:
            break
        names.append(code(each.word))
    left = len(learned) - len(names)
    return ", ".join(names) + (f" and {left:,} more" if left else "")
