"""/prefer: what a person wants where they leave an option of a drawing command out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from discord import app_commands

from bot.acknowledgement import acknowledge
from bot.allowances import allowance_here
from bot.apologies import tell
from bot.commands.places import EVERYWHERE
from bot.commands.preferences import CLEARED, cleared, set_command, wanted_values
from bot.markdown import literal, shortened
from bot.options import code
from bot.policy import shelf_here
from bot.preferring import layers, model_here, told, unfit
from bot.styles import find_style
from generation.job import UserId
from generation.preferences import Preferences
from generation.sentence import joined, say

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_SHOWN = 300
"""Characters of one preference."""
MAX_MISFITS = 5
"""Of what models cannot take."""


class PreferCommands(app_commands.Group):
    """The group. What one of them raises is told to the person who used it."""

    def __init__(self, *, choose_model: bool) -> None:
        super().__init__(
            name="prefer",
            description="What I take where you leave an option out",
            **EVERYWHERE,
        )
        self.add_command(
            set_command(
                _decide,
                description="Change what you prefer; what you leave out stays",
                aspect="The shape of your pictures; not together with a size",
                choose_model=choose_model,
            )
        )

    @app_commands.command(name="show", description="What you prefer")
    async def show(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        await _tell_all(interaction)

    @app_commands.command(name="clear", description="Take back what you prefer, or one thing of it")
    @app_commands.describe(what="Which option; everything if you do not say")
    @app_commands.choices(what=CLEARED)
    async def clear(self, interaction: Interaction, what: str | None = None) -> None:
        names = cleared(what)
        await acknowledge(interaction, thinking=True, ephemeral=True)
        person = UserId(interaction.user.id)
        await interaction.client.house.people.prefer(person, **dict.fromkeys(names))
        await _tell_all(interaction)


async def _decide(interaction: Interaction, typed: Mapping[str, Any], style: str | None) -> None:
    """Change what a person prefers."""
    changes = wanted_values(interaction, typed)
    Preferences(**changes)  # what can never be is refused at once
    await acknowledge(interaction, thinking=True, ephemeral=True)
    if style is not None:
        changes["style"] = (await find_style(interaction, style)).name
    if changes:
        await interaction.client.house.people.prefer(UserId(interaction.user.id), **changes)
    await _tell_all(interaction)


async def _tell_all(interaction: Interaction) -> None:
    house = interaction.client.house
    preferences = house.people.of(UserId(interaction.user.id)).preferences
    if not preferences:
        nothing = say(
            "You prefer nothing in particular: where you leave an option out, I take what suits the model. "
            "`/prefer set` changes that."
        )
        await tell(interaction, nothing)
        return
    lines: list[str] = [say("Where you leave an option out, I take:")]
    lines += [
        say("**{option}** {value}", option=code(name), value=literal(shortened(value, MAX_SHOWN)))
        for name, value in told(preferences)
    ]
    if preferences.model is not None and house.shelf.find(preferences.model) is None:
        model = model_here(None, layers(interaction), shelf_here(interaction))
        gone = say("-# I do not have that model any more, and draw with {model}.", model=code(model.name))
        lines.append(gone)
    lines += _misfits(interaction, preferences)
    lines.append(say("-# `/prefer clear` takes it back; a style is left out for once with `style: none`."))
    await tell(interaction, joined("\n", lines))


def _misfits(interaction: Interaction, preferences: Preferences) -> Sequence[str]:
    """What each model leaves aside, the preferred one first."""
    house = interaction.client.house
    first = model_here(None, layers(interaction), shelf_here(interaction))
    others = () if preferences.model is not None else house.shelf.models
    misfits = [
        say(
            "-# With {model}, {option} is left aside. {reason}",
            model=code(model.name),
            option=code(aside.name),
            reason=aside.reason,
        )
        for model in dict.fromkeys((first, *others))
        for aside in unfit(preferences, model, allowance_here(interaction).limits)
    ]
    return misfits[:MAX_MISFITS]
