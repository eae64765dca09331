"""/words: which words were learned beside the models, and which models take them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bot.acknowledgement import acknowledge
from bot.apologies import MAX_SAID, tell
from bot.commands.places import everywhere
from bot.options import code, some
from generation.embeddings import Learned
from generation.sentence import count, joined, say
from generation.shelf import Shelf

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_WORDS = 450
"""Of these, what the lists have besides names, in any language."""
MAX_GROUPS = 3


@everywhere
async def words(interaction: Interaction) -> None:
    """Say which words were learned."""
    await acknowledge(interaction, thinking=True, ephemeral=True)
    shelf = interaction.client.house.shelf
    await asyncio.to_thread(shelf.embeddings.refresh)
    await tell(interaction, told(shelf))


def told(shelf: Shelf) -> str:
    """The words of each model, and those that none of them takes, in a message."""
    kinds = list(dict.fromkeys(model.text_widths for model in shelf.models))
    fitting = {widths: list(shelf.embeddings.fitting(widths).values()) for widths in kinds}
    lists = {_whose(shelf, widths): learned for widths, learned in fitting.items() if learned}
    others = [each for each in shelf.embeddings.known if each.problem is None and each.widths not in kinds]
    shown = dict(list(lists.items())[:MAX_GROUPS])
    room = (MAX_SAID - MAX_WORDS - sum(map(len, shown))) // (len(shown) + 1)
    lines: list[str] = [joined(": ", (who, _listed(learned, room))) for who, learned in shown.items()]
    if (left := len(lists) - len(shown)) > 0:
        lines.append(
            count("and so for {number} more kind of models", "and so for {number} more kinds of models", left)
        )
    if lines:
        lines.insert(
            0, say("These words were learned beside the models; write them into a prompt like others.")
        )
    else:
        lines.append(say("No words were learned beside the models; the owner can put some into a folder."))
    if others:
        lines.append(say("-# For models that are not here: {words}", words=_listed(others, room)))
    return joined("\n", lines)


def _whose(shelf: Shelf, widths: Sequence[int]) -> str:
    names = [model.name for model in shelf.models if model.text_widths == widths]
    return some(list(map(code, names)), MAX_GROUPS)


def _listed(learned: Sequence[Learned], room: int) -> str:
    """The names, as many as there is room for."""
    names: list[str] = []
    for each in sorted(learned, key=lambda each: each.word.casefold()):
        if sum(len(name) + 2 for name in names) + len(code(each.word)) > room:
            break
        names.append(code(each.word))
    left, told = len(learned) - len(names), ", ".join(names)
    return say("{names} and {left:,} more", names=told, left=left) if left else told
