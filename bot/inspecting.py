"""What a picture's file says about how it was made, as a card, and as a command to be typed. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from bot.card import Card, Tone
from bot.markdown import literal, shortened
from bot.options import NOTHING, Typed
from bot.recipe import command_line
from generation.metadata import Settings
from generation.model import ModelInfo
from generation.request import SEEDS, InvalidRequest
from generation.samplers import find_sampler
from generation.sentence import altered, joined, say
from generation.shelf import Shelf

MAX_SHOWN = 600
"""Characters of a prompt on the card; longer ones come as a file."""


def inspected_card(settings: Settings) -> Card:
    """Everything that was read, shown as it is: nothing in it formats or calls anybody."""
    lines: list[str] = [say("### What its file says")]
    tool = say("a tool that I do not know") if settings.tool is None else f"**{settings.tool}**"
    if settings.prompt:
        lines.append(say("**Prompt** {prompt}", prompt=literal(shortened(settings.prompt, MAX_SHOWN))))
    if settings.negative_prompt:
        negative = literal(shortened(settings.negative_prompt, MAX_SHOWN))
        lines.append(say("**Negative prompt** {negative}", negative=negative))
    for name, value in _numbers(settings):
        lines.append(joined(" ", (joined("", ("**", name, "**")), altered(value, _shown))))
    lines.append(say("-# Written by {tool}; nobody can tell whether a file says the truth.", tool=tool))
    return Card(tone=Tone.DONE, text=tuple(lines))


def _shown(value: str) -> str:
    return value if re.fullmatch(r"[0-9.x]+", value) else literal(value)


def _numbers(settings: Settings) -> list[tuple[str, str]]:
    """All but the prompts, by what people call it; what the file does not say is left out."""
    model = settings.model
    if settings.model_hash:
        model = settings.model_hash if model is None else f"{model} ({settings.model_hash})"
    told: list[tuple[str, object]] = [
        (say("Model"), model),
        (say("Size"), settings.size),
        (say("Steps"), settings.steps),
        (say("Guidance"), settings.guidance),
        (say("Sampler"), settings.sampler),
        (say("Seed"), settings.seed),
        (say("Clip skip"), settings.clip_skip if settings.clip_skip != 1 else None),
        (say("Strength"), settings.strength),
        (say("Mask blur"), settings.mask_blur),
        (say("Second pass"), _times(settings.hires_upscale, settings.hires_upscaler)),
        (say("Made larger"), _times(settings.upscale_by, settings.upscaler)),
        (say("Variation seed"), settings.variation_seed),
        (say("Variation strength"), settings.variation_strength),
    ]
    return [
        (name, altered(_text(value), partial(shortened, limit=200)))
        for name, value in told
        if value not in (None, "")
    ]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else str(value)


def _times(factor: float | None, by: str | None) -> str | None:
    if factor is None:
        return by
    return f"{factor:g}" if by is None else say("by {upscaler}, {factor:g} times", upscaler=by, factor=factor)


def as_text(settings: Settings) -> str | None:
    """All of it as a text file, if the card does not show all; else None."""
    if max(len(settings.prompt), len(settings.negative_prompt)) <= MAX_SHOWN:
        return None
    told = [("Prompt", settings.prompt), ("Negative prompt", settings.negative_prompt), *_numbers(settings)]
    return "\n\n".join(f"{name}:\n{value}" for name, value in told if value) + "\n"


def command_for(settings: Settings, shelf: Shelf) -> str:
    """The /imagine that draws it, or something like it, here.

    Raises:
        InvalidRequest: there is none; the message says why.
    """
    named = shelf.find(settings.model or "")
    model = named or shelf.default
    if settings.request is not None and named is not None:
        line = command_line(replace(settings.request, model=named.source), shelf)
        if line is not None:
            return line
    line = command_line(typed_from(settings, model).request(shelf), shelf)
    assert line is not None, "what was typed can be typed again"
    return line


def typed_from(settings: Settings, model: ModelInfo) -> Typed:
    """What one types to have it, or something like it, drawn by this model.

    Raises:
        InvalidRequest: it says no prompt.
    """
    if not settings.prompt:
        raise InvalidRequest(say("It says no prompt."))
    sampler = find_sampler(settings.sampler or "")
    return Typed(
        prompt=settings.prompt,
        negative_prompt=settings.negative_prompt or NOTHING,
        model=model.name,
        size=None if settings.size is None else str(settings.size),
        steps=settings.steps,
        guidance=settings.guidance,
        sampler=sampler.name if sampler is not None and sampler.name in model.samplers else None,
        seed=settings.seed if settings.seed is not None and settings.seed < SEEDS else None,
        clip_skip=settings.clip_skip,
    )
