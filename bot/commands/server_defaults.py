"""/server defaults: what is taken in a server where somebody leaves an option out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from discord import app_commands

from bot.commands.preferences import CLEARED, cleared, set_command, wanted_values
from bot.governing import acknowledged, change
from bot.styles import find_style
from generation.preferences import Preferences
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction


class DefaultCommands(app_commands.Group):
    """The defaults."""

    def __init__(self, *, choose_model: bool) -> None:
        super().__init__(name="defaults", description="What I take where people leave an option out")
        self.add_command(
            set_command(
                _decide,
                description="Change the defaults here; what you leave out stays",
                aspect="The shape of pictures; not together with a size",
                choose_model=choose_model,
            )
        )

    @app_commands.command(name="clear", description="Take a default back, or all of them")
    @app_commands.describe(what="Which option; everything if you do not say")
    @app_commands.choices(what=CLEARED)
    async def clear(self, interaction: Interaction, what: str | None = None) -> None:
        names = cleared(what)

        def edit(was: ServerSettings) -> ServerSettings:
            return replace(was, defaults=replace(was.defaults, **dict.fromkeys(names)))

        await change(interaction, edit, "defaults")


async def _decide(interaction: Interaction, typed: Mapping[str, Any], style: str | None) -> None:
    """Change what is taken in a server."""
    await acknowledged(interaction)
    values = wanted_values(interaction, typed)
    if style is not None:
        values["style"] = (await find_style(interaction, style)).name
    wanted = Preferences(**values)
    await change(interaction, lambda was: replace(was, defaults=wanted.over(was.defaults)), "defaults")
