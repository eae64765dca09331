"""What people choose from, as Discord shows it: each choice is called what it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from discord.app_commands import Choice

from bot.options import MAX_CHOICES
from generation.sentence import say

NO_CHOICE = say("That is none of the choices.")
"""To who has sent something else, as a client can."""


def choices(names: Iterable[str]) -> list[Choice[str]]:
    """These, as many as Discord shows."""
    return [Choice(name=name, value=name) for name in islice(names, MAX_CHOICES)]


def holding(typed: str, names: Iterable[str]) -> list[str]:
    """The names in which all the typed words occur."""
    words = typed.casefold().split()
    return [name for name in names if all(word in name.casefold() for word in words)]
