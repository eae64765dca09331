"""What guides a picture besides its words and its seed: each part of a request is valid from birth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from generation.sentence import say
from generation.size import MAX_STEPS, SEEDS, Digest, InvalidRequest, Seed, Size

MAX_BLUR = 64
"""Pixels."""
LEAST_UPSCALE, MAX_UPSCALE = 1.1, 8.0
MAX_ADAPTERS, MAX_CONTROLS = 6, 3
"""In one request: each is read, or run, in every step."""
MAX_ADAPTER_WEIGHT, MAX_CONTROL_WEIGHT = 4.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A picture that another one grows from, as A1111's image to image and inpainting do."""

    picture: Digest
    """A PNG file in RGB; it has the size that is asked for."""
    strength: float = 0.75
    """How far it is undone before it is drawn again: of all steps the last `strength` are taken."""
    mask: Digest | None = None
    """A grey PNG file of that size: what is white is drawn anew, the rest stays as it is. None: all is."""
    blur: int = 4
    """Pixels over which, inside the mask, the new passes into the old."""
    enlarged: bool = False
    """It was made larger for this: a second, larger pass over a picture that was there already."""

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise InvalidRequest(
                say(
                    "A strength of {strength:g} is not possible; choose more than 0, up to 1.",
                    strength=self.strength,
                )
            )
        if not 0 <= self.blur <= MAX_BLUR:
            raise InvalidRequest(
                say(
                    "A mask blur of {blur} is not possible; choose 0 to {most} pixels.",
                    blur=self.blur,
                    most=MAX_BLUR,
                )
            )

    @property
    def files(self) -> tuple[Digest, ...]:
        return (self.picture,) if self.mask is None else (self.picture, self.mask)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A second seed whose noise is mixed into the first one's, as A1111's variation seed does."""

    seed: Seed
    """Picture k has the seed s + k, while the request's own seed is the same for all."""
    strength: float
    """0: the picture of the request's seed; 1: that of this seed."""

    def __post_init__(self) -> None:
        if not 0 <= self.seed < SEEDS:
            raise InvalidRequest(
                say(
                    "The variation seed {seed} is out of range; choose 0 to {last}.",
                    seed=self.seed,
                    last=SEEDS - 1,
                )
            )
        if not 0 <= self.strength <= 1:
            raise InvalidRequest(
                say(
                    "A variation strength of {strength:g} is not possible; choose 0 to 1.",
                    strength=self.strength,
                )
            )


class Enlarger(StrEnum):
    """What makes a picture larger before it is drawn again."""

    PIXELS = "pixels"
    """It is decoded, scaled with Lanczos, and encoded."""
    LATENTS = "latents"
    """Its latents are scaled bilinearly; quicker, and blurred if little of it is drawn again."""
    UPSCALER = "upscaler"
    """It is decoded, enlarged by a model that was trained for that, and encoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hires:
    """A second pass of the model over the picture in a larger size, as A1111's hires fix."""

    size: Size
    steps: int
    strength: float = 0.5
    """Of these steps the last `strength` are taken."""
    enlarger: Enlarger = Enlarger.PIXELS
    upscaler: str | None = None
    """The name of that model's file in the owner's folder, without the ending."""

    def __post_init__(self) -> None:
        if (self.upscaler is None) is (self.enlarger is Enlarger.UPSCALER):
            raise ValueError("an upscaler has a name, and the other ways have none")
        if not 0 < self.strength <= 1:
            raise InvalidRequest(
                say(
                    "A strength of {strength:g} for the second pass is not possible; "
                    "choose more than 0, up to 1.",
                    strength=self.strength,
                )
            )
        if not 1 <= self.steps <= MAX_STEPS:
            raise InvalidRequest(
                say("{steps} steps are not possible; choose 1 to {most}.", steps=self.steps, most=MAX_STEPS)
            )
        if not self.steps_taken:
            raise InvalidRequest(
                say(
                    "With a strength of {strength:g} no step of {steps} is left for the second pass; "
                    "choose a greater strength or more steps.",
                    strength=self.strength,
                    steps=self.steps,
                )
            )

    @property
    def steps_taken(self) -> int:
        return int(self.steps * self.strength)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upscale:
    """A picture that is made larger and not drawn again, as A1111's extras do it."""

    picture: Digest
    """A PNG file in RGB or RGBA."""
    upscaler: str
    """The name of its file in the owner's folder, without the ending."""
    factor: float
    """How many times as large it is to be."""
    size: Size
    """What it will be; the picture's own edges need not be multiples of anything."""
    brought: bool = False
    """Somebody brought it, so what the request says besides is not how it was made."""

    def __post_init__(self) -> None:
        if not LEAST_UPSCALE <= self.factor <= MAX_UPSCALE:
            raise InvalidRequest(
                say(
                    "{factor:g} times as large is not possible; choose {least:g} to {most:g}.",
                    factor=self.factor,
                    least=LEAST_UPSCALE,
                    most=MAX_UPSCALE,
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A LoRA that changes how the model draws."""

    name: str
    """Of its file in the owner's folder, without the ending."""
    weight: float = 1.0
    """0: as without it. A negative one draws away from what it learned."""

    def __post_init__(self) -> None:
        if not -MAX_ADAPTER_WEIGHT <= self.weight <= MAX_ADAPTER_WEIGHT:
            raise InvalidRequest(
                say(
                    "A weight of {weight:g} for the LoRA is not possible; choose {least:g} to {most:g}.",
                    weight=self.weight,
                    least=-MAX_ADAPTER_WEIGHT,
                    most=MAX_ADAPTER_WEIGHT,
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A picture whose outlines, depth or pose the new one is to have, by way of a ControlNet."""

    model: str
    """The name of the ControlNet as the owner's folder has it."""
    picture: Digest
    """A PNG file in RGB in the size that is asked for; `preprocessor` makes the control picture of it."""
    preprocessor: str | None = None
    """What finds the outlines, say, in the picture; None: it is a control picture already."""
    weight: float = 1.0
    start: float = 0.0
    """From which share of the steps on, and up to which, it steers."""
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= MAX_CONTROL_WEIGHT:
            raise InvalidRequest(
                say(
                    "A weight of {weight:g} for the control is not possible; choose 0 to {most:g}.",
                    weight=self.weight,
                    most=MAX_CONTROL_WEIGHT,
                )
            )
        if not 0 <= self.start < self.end <= 1:
            raise InvalidRequest(
                say(
                    "A control from {start:g} to {end:g} of the steps is not possible; "
                    "both are 0 to 1, and it must begin before it ends.",
                    start=self.start,
                    end=self.end,
                )
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A picture whose style and subject the new one is to have, by way of an IP-Adapter."""

    picture: Digest
    """A PNG file in RGB."""
    weight: float = 0.6

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise InvalidRequest(
                say(
                    "A weight of {weight:g} for the style picture is not possible; "
                    "choose more than 0, up to 1.",
                    weight=self.weight,
                )
            )
