"""What people choose from, as Discord shows it: each choice is called what it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import discord
from discord import app_commands
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


class ChannelOf(app_commands.Transformer):
    """A channel of one of these types, as it was chosen: it need not be one that we see already."""

    def __init__(self, *types: discord.ChannelType) -> None:
        self._types = list(types)

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        return self._types

    async def transform(self, interaction: discord.Interaction, value: Any, /) -> Any:
        return value
