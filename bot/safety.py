"""What is wanted with flagged pictures where somebody asks, and what the owner decided about that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from generation.checkers import on_disk
from generation.model import Family
from generation.safety import Safety
from generation.sentence import say
from generation.shelf import Shelf

if TYPE_CHECKING:
    from bot.house import Interaction

MEANINGS = {
    Safety.OFF: say("nothing is checked"),
    Safety.SPOILER: say("hidden behind a spoiler"),
    Safety.HOLD: say("held until a moderator lets it pass"),
    Safety.REFUSE: say("neither shown nor kept"),
}
"""What happens to a flagged picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerSafety:
    """What the owner of the bot decided."""

    default: Safety = Safety.OFF
    """In servers that have decided nothing."""
    direct: Safety = Safety.OFF
    """In direct messages, and in servers where the bot is no member; never HOLD: nobody moderates there."""
    checker: str
    """A folder, or a name on Hugging Face."""
    may_fetch: bool = False
    """It may be fetched from there."""


def is_server_of_ours(interaction: Interaction) -> bool:
    """Whether the bot is a member of this server, and not only a command that somebody brought along."""
    return interaction.guild_id is not None and interaction.client.get_guild(interaction.guild_id) is not None


def warning(safety: Safety, owner: OwnerSafety, shelf: Shelf) -> str | None:
    """What people should know when pictures are to be checked and there is no checker yet, or None. Reads a
    few names of files.
    """
    drawn = [model for model in shelf.models if model.family is not Family.NOISE]
    if safety is Safety.OFF or all(on_disk(owner.checker, model) is not None for model in drawn):
        return None
    if owner.may_fetch:
        return say(
            "The safety checker is fetched first, when somebody draws; until it is here, every picture that "
            "cannot be checked is {treated}.",
            treated=MEANINGS[safety],
        )
    return say(
        "Not all of my models have a safety checker, so every picture that cannot be checked is {treated}. "
        "Whoever runs me can change that: docs/safety.md says how.",
        treated=MEANINGS[safety],
    )


def is_missing(checker: str) -> bool:
    """Whether this is the path of a folder, and there is none."""
    is_path = checker.startswith((".", "~", "/", "\\")) or checker.count("/") > 1 or "\\" in checker
    return is_path and not Path(checker).expanduser().is_dir()
