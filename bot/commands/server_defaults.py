"""/server defaults: what is taken in a server where somebody leaves an option out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from discord import app_commands
from discord.app_commands import Choice

from bot.commands.drawing import OPTIONS, Drawing
from bot.commands.prefer import EVERYTHING, NAMES, wanted_values
from bot.governing import acknowledged, change
from bot.limits import Refused
from bot.options import ASPECTS
from bot.styles import find_style
from generation.preferences import Preferences
from generation.sentence import say
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction


class DefaultCommands(app_commands.Group):
    """The defaults."""

    def __init__(self, *, choose_model: bool) -> None:
        super().__init__(name="defaults", description="What I take where people leave an option out")
        self.add_command(
            Drawing(
                _set,
                name="set",
                description="Change the defaults here; what you leave out stays",
                choose_model=choose_model,
                take_looks=False,
            )
        )

    @app_commands.command(name="clear", description="Take a default back, or all of them")
    @app_commands.describe(what="Which option; everything if you do not say")
    @app_commands.choices(what=[Choice(name=name, value=name) for name in (EVERYTHING, *NAMES)])
    async def clear(self, interaction: Interaction, what: str | None = None) -> None:
        if what not in (None, EVERYTHING, *NAMES):
            raise Refused(say("That is none of the choices."))
        names = [what] if what in NAMES else NAMES

        def edit(was: ServerSettings) -> ServerSettings:
            return replace(was, defaults=replace(was.defaults, **dict.fromkeys(names)))

        await change(interaction, edit, "defaults")


@app_commands.describe(
    aspect="The shape of pictures; not together with a size",
    **{name: told for name, told in OPTIONS.items() if name in NAMES},
)
@app_commands.choices(aspect=[Choice(name=name, value=name) for name in ASPECTS])
async def _set(
    interaction: Interaction,
    model: str | None = None,
    style: str | None = None,
    aspect: str | None = None,
    size: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    negative_prompt: str | None = None,
    count: int | None = None,
) -> None:
    """Change what is taken in a server."""
    await acknowledged(interaction)
    values = wanted_values(
        interaction,
        model=model,
        aspect=aspect,
        size=size,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        negative_prompt=negative_prompt,
        count=count,
    )
    if style is not None:
        values["style"] = (await find_style(interaction, style)).name
    wanted = Preferences(**values)
    await change(interaction, lambda was: replace(was, defaults=wanted.over(was.defaults)), "defaults")
