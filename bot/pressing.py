"""What all buttons and menus have in common: they outlive every restart, and tell what they raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import discord

from bot.apologies import apologise

if TYPE_CHECKING:
    from bot.house import Interaction

Widget = TypeVar("Widget", bound=discord.ui.Button[Any] | discord.ui.Select[Any])


class Pressable(discord.ui.DynamicItem[Widget], template=r"(?!)"):
    """A button or menu; its custom_id says all that it needs. What it raises is told to the person."""

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]
        try:
            self.admit(interaction)
            await self.pressed(interaction)
        except Exception as error:  # noqa: BLE001 - the edge: discord.py would only log it
            await apologise(interaction, error)

    def admit(self, interaction: Interaction) -> None:
        """See that this person may press it, as far as it can be told at once.

        Raises:
            Refused: they may not.
        """

    async def pressed(self, interaction: Interaction) -> None:
        """Do what it says.

        Raises:
            Refused: it cannot be done; the message is for the person.
        """
        raise NotImplementedError
