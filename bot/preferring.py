"""What is filled in where an option was left out: the person's own defaults, before those of the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.allowances import allowance_here
from bot.limits import Limits
from bot.options import ASPECTS, NOTHING, Typed, aspect_size
from bot.policy import rules_here, shelf_here
from generation.job import UserId
from generation.model import ModelInfo
from generation.preferences import Preferences
from generation.request import OWN_SAMPLER, Size
from generation.samplers import sampler_reason
from generation.sentence import say
from generation.shelf import Shelf

if TYPE_CHECKING:
    from bot.house import Interaction


class Preferred(str):
    """The name of a style that nobody typed: if there is none of that name any more, one does without."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aside:
    """A preference that a model cannot take, and why not."""

    name: str
    """That of the option."""
    reason: str
    """A sentence for the person."""


def preferred(
    interaction: Interaction, typed: Typed, style: str | None, *, shaped: bool = True
) -> tuple[Typed, str | None]:
    """What was typed and the style that was named, with what is preferred here where they say nothing.

    Args:
        shaped: the picture may have any shape; False: it has that of another one unless a size was typed.
    """
    house, shelf = interaction.client.house, shelf_here(interaction)
    typed, style = filled(
        typed, style, layers(interaction), shelf, allowance_here(interaction).limits, shaped=shaped
    )
    if typed.model is None and shelf.default is not house.shelf.default:
        typed = replace(typed, model=shelf.default.name)
    return typed, style


def layers(interaction: Interaction) -> Sequence[Preferences]:
    """The preferences that hold here, the nearest first."""
    own = interaction.client.house.people.of(UserId(interaction.user.id)).preferences
    return own, rules_here(interaction).settings.defaults


def model_here(name: str | None, preferences: Sequence[Preferences], shelf: Shelf) -> ModelInfo:
    """The model of this name, or else the first that is preferred and there, or else the default."""
    names = [name, *(each.model for each in preferences)]
    found = (shelf.find(name) for name in names if name is not None)
    return next((model for model in found if model is not None), shelf.default)


def filled(
    typed: Typed,
    style: str | None,
    preferences: Sequence[Preferences],
    shelf: Shelf,
    limits: Limits,
    *,
    shaped: bool = True,
) -> tuple[Typed, str | None]:
    """What was typed and the style that was named, with what is preferred, the nearest first.

    What the model cannot take is left aside, for this request. A model that was named and is not there is
    refused by whoever makes the request.
    """
    model = model_here(typed.model, preferences, shelf)
    if typed.model is None and model is not shelf.default:
        typed = replace(typed, model=model.name)
    named = style
    for each in preferences:
        if named is None and each.style is not None:
            style = named = Preferred(each.style)
        typed = _with(typed, each, model, limits, shaped=shaped)
    if style is not None and not isinstance(style, Preferred) and style.strip().casefold() == NOTHING:
        style = None
    return typed, style


def _with(typed: Typed, wanted: Preferences, model: ModelInfo, limits: Limits, *, shaped: bool) -> Typed:
    aside = {each.name for each in unfit(wanted, model, limits, sampler=typed.sampler, steps=typed.steps)}
    free = [name for name in OPTIONS if getattr(typed, name) is None and name not in aside]
    if not shaped or typed.aspect is not None or typed.size is not None:
        free = [name for name in free if name not in SHAPES]
    changes = {name: getattr(wanted, name) for name in free}
    if isinstance(size := changes.get("size"), Size):
        changes["size"] = str(size)
    if changes.get("negative_prompt") == "":
        changes["negative_prompt"] = NOTHING
    return replace(typed, **{name: value for name, value in changes.items() if value is not None})


SHAPES = ("aspect", "size")
OPTIONS = ("aspect", "size", "steps", "guidance", "sampler", "negative_prompt", "count")
"""What a preference may fill in besides the model and the style."""


def unfit(
    wanted: Preferences,
    model: ModelInfo,
    limits: Limits,
    *,
    sampler: str | None = None,
    steps: int | None = None,
) -> list[Aside]:
    """What of this the model cannot take, or the owner does not allow.

    Args:
        sampler, steps: those that were typed, with which the others have to go.
    """
    found = []
    if (reason := _shape_reason(wanted, model, limits)) is not None:
        found.append(Aside(name="size" if wanted.aspect is None else "aspect", reason=reason))
    if wanted.sampler is not None and (reason := _sampler_reason(wanted.sampler, steps, model)) is not None:
        found.append(Aside(name="sampler", reason=reason))
    elif sampler is None:
        sampler = wanted.sampler
    if wanted.steps is not None and (
        reason := _steps_reason(wanted.steps, sampler or model.defaults.sampler, limits)
    ):
        found.append(Aside(name="steps", reason=reason))
    if wanted.negative_prompt and not model.takes_negative:
        found.append(
            Aside(name="negative_prompt", reason=say("{model} takes no negative prompt.", model=model.name))
        )
    return found


def _shape_reason(wanted: Preferences, model: ModelInfo, limits: Limits) -> str | None:
    size = wanted.size
    if wanted.aspect is not None:
        if wanted.aspect not in ASPECTS:
            return say("I do not know the aspect {aspect} any more.", aspect=wanted.aspect)
        size = aspect_size(wanted.aspect, model)
    if size is None:
        return None
    if size.pixels > limits.pixels:
        return say("{size} is larger than I may draw here.", size=size)
    return model.size_reason(size)


def _sampler_reason(sampler: str, steps: int | None, model: ModelInfo) -> str | None:
    if sampler not in model.samplers:
        return say("{model} does not draw with {sampler}.", model=model.name, sampler=sampler)
    return None if steps is None else sampler_reason(sampler, steps)


def _steps_reason(steps: int, sampler: str, limits: Limits) -> str | None:
    if steps > limits.steps:
        return say("{steps} steps are more than I may take here.", steps=steps)
    return None if sampler == OWN_SAMPLER else sampler_reason(sampler, steps)


def pinned(preferences: Sequence[Preferences], line: str) -> str:
    """A command line that draws the same whatever is preferred: what it leaves out is said, too."""
    said = {"style": NOTHING, "negative_prompt": NOTHING, "count": "1"}
    left_out = [name for name in said if f" {name}:" not in line]
    wanted = [name for name in left_out if any(getattr(each, name) for each in preferences)]
    return " ".join([line, *(f"{name}:{said[name]}" for name in wanted)])


def told(wanted: Preferences) -> list[tuple[str, str]]:
    """What is preferred, as pairs of the option's name and its value as people write it."""
    plain = wanted.plain()
    if plain.get("negative_prompt") == "":
        plain["negative_prompt"] = NOTHING
    return [(name, f"{value:g}" if isinstance(value, float) else str(value)) for name, value in plain.items()]
