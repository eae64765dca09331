"""What /prefer and /server defaults have in common: the options that can be decided for later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from discord import app_commands

from bot.commands.choices import NO_CHOICE, choices
from bot.commands.drawing import OPTIONS, Drawing
from bot.options import ASPECTS, NOTHING, parse_model, parse_sampler
from generation.request import InvalidRequest, Size

if TYPE_CHECKING:
    from bot.house import Interaction

EVERYTHING = "everything"
NAMES = ("model", "style", "aspect", "size", "steps", "guidance", "sampler", "negative_prompt", "count")
CLEARED = choices((EVERYTHING, *NAMES))

Decide = Callable[["Interaction", Mapping[str, Any], str | None], Awaitable[None]]


def set_command(decide: Decide, *, description: str, aspect: str, choose_model: bool) -> Drawing:
    """The command `set` of a group.

    Args:
        decide: has what was typed taken from now on. The style, which may be None, stands apart: whether
            there is one of that name must be looked up.
        aspect: what people are told about that option.
    """

    @app_commands.describe(aspect=aspect, **{name: told for name, told in OPTIONS.items() if name in NAMES})
    @app_commands.choices(aspect=choices(ASPECTS))
    async def set_(
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
        """Decide what is taken where somebody leaves an option out."""
        typed = {
            "model": model,
            "aspect": aspect,
            "size": size,
            "steps": steps,
            "guidance": guidance,
            "sampler": sampler,
            "negative_prompt": negative_prompt,
            "count": count,
        }
        await decide(interaction, typed, style)

    return Drawing(set_, name="set", description=description, choose_model=choose_model, take_looks=False)


def wanted_values(interaction: Interaction, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed as preferences, without what was left out.

    Raises:
        InvalidRequest: it cannot be.
    """
    wanted = {name: value for name, value in typed.items() if value is not None}
    if wanted.get("aspect") not in (None, *ASPECTS):
        raise InvalidRequest(NO_CHOICE)
    if "model" in wanted:
        wanted["model"] = parse_model(wanted["model"], interaction.client.house.shelf).name
    if "size" in wanted:
        wanted["size"] = Size.parse(wanted["size"])
    if "sampler" in wanted:
        wanted["sampler"] = parse_sampler(wanted["sampler"])
    if wanted.get("negative_prompt", "").strip().casefold() == NOTHING:
        wanted["negative_prompt"] = ""
    return wanted


def cleared(what: str | None) -> tuple[str, ...]:
    """The names of what is to be taken back.

    Raises:
        InvalidRequest: there is no such option.
    """
    if what not in (None, EVERYTHING, *NAMES):
        raise InvalidRequest(NO_CHOICE)
    return NAMES if what in (None, EVERYTHING) else (what,)
