"""/prefer: what a person wants where they leave an option of a drawing command out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from discord import app_commands
from discord.app_commands import Choice

from bot.acknowledgement import acknowledge
from bot.allowances import allowance_here
from bot.apologies import tell
from bot.commands.drawing import OPTIONS, Drawing
from bot.markdown import literal, shortened
from bot.options import ASPECTS, NOTHING, code, parse_model, parse_sampler
from bot.policy import shelf_here
from bot.preferring import layers, model_here, told, unfit
from bot.styles import find_style
from generation.job import UserId
from generation.preferences import Preferences
from generation.request import InvalidRequest, Size
from generation.sentence import joined, say

if TYPE_CHECKING:
    from bot.house import Interaction

MAX_SHOWN = 300
"""Characters of one preference."""
MAX_MISFITS = 5
"""Of what models cannot take."""
EVERYTHING = "everything"
NAMES = ("model", "style", "aspect", "size", "steps", "guidance", "sampler", "negative_prompt", "count")


class PreferCommands(app_commands.Group):
    """The group. What one of them raises is told to the person who used it."""

    def __init__(self, *, choose_model: bool) -> None:
        super().__init__(
            name="prefer",
            description="What I take where you leave an option out",
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
        )
        self.add_command(
            Drawing(
                _set,
                name="set",
                description="Change what you prefer; what you leave out stays",
                choose_model=choose_model,
                take_looks=False,
            )
        )

    @app_commands.command(name="show", description="What you prefer")
    async def show(self, interaction: Interaction) -> None:
        await acknowledge(interaction, thinking=True, ephemeral=True)
        await _tell_all(interaction)

    @app_commands.command(name="clear", description="Take back what you prefer, or one thing of it")
    @app_commands.describe(what="Which option; everything if you do not say")
    @app_commands.choices(what=[Choice(name=name, value=name) for name in (EVERYTHING, *NAMES)])
    async def clear(self, interaction: Interaction, what: str | None = None) -> None:
        if what not in (None, EVERYTHING, *NAMES):
            raise InvalidRequest(say("That is none of the choices."))
        await acknowledge(interaction, thinking=True, ephemeral=True)
        names = [what] if what in NAMES else NAMES
        person = UserId(interaction.user.id)
        await interaction.client.house.people.prefer(person, **dict.fromkeys(names))
        await _tell_all(interaction)


@app_commands.describe(
    aspect="The shape of your pictures; not together with a size",
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
    """Change what a person prefers."""
    changes = wanted_values(
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
    Preferences(**changes)  # what can never be is refused at once
    await acknowledge(interaction, thinking=True, ephemeral=True)
    if style is not None:
        changes["style"] = (await find_style(interaction, style)).name
    if changes:
        await interaction.client.house.people.prefer(UserId(interaction.user.id), **changes)
    await _tell_all(interaction)


def wanted_values(
    interaction: Interaction,
    *,
    model: str | None,
    aspect: str | None,
    size: str | None,
    steps: int | None,
    guidance: float | None,
    sampler: str | None,
    negative_prompt: str | None,
    count: int | None,
) -> dict[str, Any]:
    """What was typed as preferences, without what was left out.

    Raises:
        InvalidRequest: it cannot be.
    """
    if aspect is not None and aspect not in ASPECTS:
        raise InvalidRequest(say("That is none of the choices."))
    wanted: dict[str, Any] = {
        "model": None if model is None else parse_model(model, interaction.client.house.shelf).name,
        "aspect": aspect,
        "size": None if size is None else Size.parse(size),
        "steps": steps,
        "guidance": guidance,
        "sampler": None if sampler is None else parse_sampler(sampler),
        "negative_prompt": _negative(negative_prompt),
        "count": count,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _negative(typed: str | None) -> str | None:
    return "" if typed is not None and typed.strip().casefold() == NOTHING else typed


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
