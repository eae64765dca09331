"""What a picture's file says about how it was made, as a card, and as a command to be typed. Pure."""

from __future__ import annotations

import re
from dataclasses import replace

from bot.card import Card, Tone
from bot.markdown import literal, shortened
from bot.options import NOTHING, Typed
from bot.recipe import command_line
from generation.metadata import Settings
from generation.request import SEEDS, InvalidRequest
from generation.samplers import find_sampler
from generation.shelf import Shelf

MAX_SHOWN = 600
"""Characters of a prompt on the card; longer ones come as a file."""


def inspected_card(settings: Settings) -> Card:
    """Everything that was read, shown as it is: nothing in it formats or calls anybody."""
    lines = ["### What its file says"]
    tool = "a tool that I do not know" if settings.tool is None else f"**{settings.tool}**"
    if settings.prompt:
        lines.append(f"**Prompt** {literal(shortened(settings.prompt, MAX_SHOWN))}")
    if settings.negative_prompt:
        lines.append(f"**Negative prompt** {literal(shortened(settings.negative_prompt, MAX_SHOWN))}")
    for name, value in _numbers(settings):
        lines.append(f"**{name}** {value if re.fullmatch(r'[0-9.x]+', value) else literal(value)}")
    lines.append(f"-# Written by {tool}; nobody can tell whether a file says the truth.")
    return Card(tone=Tone.DONE, text=tuple(lines))


def _numbers(settings: Settings) -> list[tuple[str, str]]:
    """All but the prompts, by what people call it; what the file does not say is left out."""
    model = settings.model
    if settings.model_hash is not None and settings.model_hash:
        model = settings.model_hash if model is None else f"{model} ({settings.model_hash})"
    told: list[tuple[str, object]] = [
        ("Model", model),
        ("Size", settings.size),
        ("Steps", settings.steps),
        ("Guidance", settings.guidance),
        ("Sampler", settings.sampler),
        ("Seed", settings.seed),
        ("Clip skip", settings.clip_skip if settings.clip_skip != 1 else None),
        ("Strength", settings.strength),
        ("Mask blur", settings.mask_blur),
        ("Second pass", _times(settings.hires_upscale, settings.hires_upscaler)),
        ("Made larger", _times(settings.upscale_by, settings.upscaler)),
        ("Variation seed", settings.variation_seed),
        ("Variation strength", settings.variation_strength),
    ]
    shown = [
        (name, f"{value:g}" if isinstance(value, float) else str(value)) for name, value in told if value
    ]
    return [(name, shortened(value, 200)) for name, value in shown]


def _times(factor: float | None, by: str | None) -> str | None:
    if factor is None:
        return by
    return f"{factor:g}" if by is None else f"by {by}, {factor:g} times"


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
    if not settings.prompt:
        raise InvalidRequest("It says no prompt.")
    sampler = find_sampler(settings.sampler or "")
    typed = Typed(
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
    line = command_line(typed.request(shelf), shelf)
    assert line is not None, "what was typed can be typed again"
    return line
