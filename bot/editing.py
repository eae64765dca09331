"""Edit: what a request was, to be changed in a form, and the request that comes of it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from bot.forms import Text
from bot.options import code
from generation.request import SEEDS, GenerationRequest, InvalidRequest, Seed, Size
from generation.sentence import say

PROMPT, NEGATIVE, STEPS, GUIDANCE, SEED = "prompt", "negative_prompt", "steps", "guidance", "seed"
"""The fields; their names stand in forms that people have open."""


def edit_fields(request: GenerationRequest) -> tuple[Text, ...]:
    """What can be changed, as it is."""
    return fields(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        steps=request.steps,
        guidance=request.guidance,
        seed=request.seed,
    )


def fields(
    *, prompt: str, negative_prompt: str, steps: int, guidance: float, seed: int | None
) -> tuple[Text, ...]:
    """The fields of the form with this in them."""
    return (
        Text(name=PROMPT, label=say("Prompt"), value=prompt, long=True),
        Text(
            name=NEGATIVE,
            label=say("Negative prompt"),
            help=say("What it should not show; may stay empty"),
            value=negative_prompt,
            long=True,
            required=False,
        ),
        Text(name=STEPS, label=say("Steps"), value=str(steps)),
        Text(name=GUIDANCE, label=say("Guidance"), value=f"{guidance:.15g}"),
        Text(
            name=SEED,
            label=say("Seed"),
            help=say("The same seed keeps what you do not change; empty for a new one"),
            value="" if seed is None else str(seed),
            required=False,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What somebody made of it."""

    prompt: str
    negative_prompt: str
    steps: int
    guidance: float
    seed: Seed | None
    """None: a new one."""

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> Self:
        """What was typed into the fields.

        Raises:
            InvalidRequest: it cannot be, whatever else the request says.
        """
        seed = texts.get(SEED, "").strip()
        edited = cls(
            prompt=texts.get(PROMPT, "").strip(),
            negative_prompt=texts.get(NEGATIVE, "").strip(),
            steps=_whole(texts.get(STEPS, "")),
            guidance=_number(texts.get(GUIDANCE, "")),
            seed=_seed(seed) if seed else None,
        )
        GenerationRequest(  # which says what is out of range
            prompt=edited.prompt,
            negative_prompt=edited.negative_prompt,
            model="",
            size=Size(width=512, height=512),
            steps=edited.steps,
            guidance=edited.guidance,
            sampler="",
            seed=edited.seed or Seed(0),
        )
        return edited

    def applied(self, request: GenerationRequest, new_seed: Seed) -> GenerationRequest:
        """The request with these changes; what it starts from, its LoRAs and its controls stay.

        With another seed it is no variation any more; what was only enlarged is drawn.

        Raises:
            InvalidRequest: the two do not go together, or nothing is known of what was only enlarged.
        """
        check_editable(request)
        seed = new_seed if self.seed is None else self.seed
        hires = request.hires
        if hires is not None and hires.steps == request.steps:
            hires = replace(hires, steps=self.steps)
        return replace(
            request,
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            steps=self.steps,
            guidance=self.guidance,
            seed=seed,
            hires=hires,
            variations=request.variations if seed == request.seed else (),
            upscale=None,
            chosen=None,
            template=None,
        )


def check_editable(request: GenerationRequest) -> None:
    """Whether there is anything to edit.

    Raises:
        InvalidRequest: nothing is known of how it was drawn.
    """
    if request.upscale is not None and request.upscale.brought:
        raise InvalidRequest(say("That picture was brought and made larger; how it was drawn I do not know."))


def read_strength(text: str, *, otherwise: float) -> float:
    """What was typed into a field for a strength; empty: `otherwise`.

    Raises:
        InvalidRequest: it is no number from 0 to 1.
    """
    if not text.strip():
        return otherwise
    number = _decimal(text)
    if not 0 < number <= 1:
        raise InvalidRequest(
            say("{typed} is no strength; type a number between 0 and 1, like 0.9.", typed=code(text.strip()))
        )
    return number


def _whole(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 9:
        raise InvalidRequest(
            say("{typed} is no number of steps; type a whole number like 20.", typed=code(digits))
        )
    return int(digits)


def _number(text: str) -> float:
    number = _decimal(text)
    if math.isnan(number):
        raise InvalidRequest(say("{typed} is no guidance; type a number like 7.5.", typed=code(text.strip())))
    return number


def _decimal(text: str) -> float:
    """The number, with a point or a comma in it; NaN if it is none."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return math.nan


def _seed(text: str) -> Seed:
    if not (text.isascii() and text.isdecimal()) or len(text) > 30:
        raise InvalidRequest(
            say(
                "{typed} is no seed; type a whole number from 0 to {most}, or nothing for a new one.",
                typed=code(text),
                most=SEEDS - 1,
            )
        )
    return Seed(int(text))
