"""What somebody asks for: a request is complete and valid from birth."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, NewType, Self

Seed = NewType("Seed", int)

SEEDS = 2**32
"""How many seeds there are: 0 to 4,294,967,295, the range that other tools share."""

MAX_PROMPT = 2000
"""Characters in a prompt or a negative prompt."""

MAX_STEPS = 150
MAX_GUIDANCE = 30.0
MAX_COUNT = 4
MAX_BLUR = 64
"""Pixels."""
MAX_CLIP_SKIP = 12
OWN_SAMPLER = "the model's own"
"""The sampler of a request to a model that draws with its own only."""

MIN_EDGE, MAX_EDGE = 64, 4096
"""Pixels; what one model can do is narrower, see :meth:`generation.catalogue.ModelInfo.reject_reason`."""


class InvalidRequest(ValueError):  # noqa: N818 - it is a sentence for a person, not a programming error
    """A request that cannot be; the message is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Width and height of a picture in pixels, multiples of 8 between 64 and 4096."""

    width: int
    height: int

    def __post_init__(self) -> None:
        for edge in (self.width, self.height):
            if not MIN_EDGE <= edge <= MAX_EDGE:
                raise InvalidRequest(
                    f"A size of {self} is not possible: each edge must be {MIN_EDGE} to {MAX_EDGE} pixels."
                )
            if edge % 8:
                raise InvalidRequest(f"A size of {self} is not possible: both edges must be multiples of 8.")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "512x768" (also with a star, a multiplication sign or spaces)."""
        match = re.fullmatch(r"\s*(\d{1,5})\s*[xX*×]\s*(\d{1,5})\s*", text)
        if match is None:
            shown = text[:40].replace("`", "'")
            raise InvalidRequest(f"I could not read the size `{shown}`; write it like `512x768`.")
        return cls(width=int(match[1]), height=int(match[2]))

    @classmethod
    def from_aspect(cls, ratio: tuple[int, int], *, native: int, multiple: int) -> Self:
        """The size of this aspect ratio whose area is nearest to native x native pixels."""
        across, down = ratio
        width = native * (across / down) ** 0.5
        height = native * (down / across) ** 0.5

        def snapped(edge: float) -> int:
            return max(multiple, round(edge / multiple) * multiple)

        return cls(width=snapped(width), height=snapped(height))


Digest = NewType("Digest", str)
"""Which file: the SHA-256 of its content, in hexadecimal."""


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

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise InvalidRequest(
                f"A strength of {self.strength:g} is not possible; choose more than 0, up to 1."
            )
        if not 0 <= self.blur <= MAX_BLUR:
            raise InvalidRequest(
                f"A mask blur of {self.blur} is not possible; choose 0 to {MAX_BLUR} pixels."
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
            raise InvalidRequest(f"The variation seed {self.seed} is out of range; choose 0 to {SEEDS - 1}.")
        if not 0 <= self.strength <= 1:
            raise InvalidRequest(f"A variation strength of {self.strength:g} is not possible; choose 0 to 1.")


class Enlarger(StrEnum):
    """What makes a picture larger before it is drawn again."""

    PIXELS = "pixels"
    """It is decoded, scaled with Lanczos, and encoded."""
    LATENTS = "latents"
    """Its latents are scaled bilinearly; quicker, and blurred if little of it is drawn again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hires:
    """A second pass of the model over the picture in a larger size, as A1111's hires fix."""

    size: Size
    steps: int
    strength: float = 0.5
    """Of these steps the last `strength` are taken."""
    enlarger: Enlarger = Enlarger.PIXELS

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise InvalidRequest(
                f"A strength of {self.strength:g} for the second pass is not possible; "
                "choose more than 0, up to 1."
            )
        if not 1 <= self.steps <= MAX_STEPS:
            raise InvalidRequest(f"{self.steps} steps are not possible; choose 1 to {MAX_STEPS}.")
        if not self.steps_taken:
            raise InvalidRequest(
                f"With a strength of {self.strength:g} no step of {self.steps} is left for the second pass; "
                "choose a greater strength or more steps."
            )

    @property
    def steps_taken(self) -> int:
        return int(self.steps * self.strength)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A prompt with its negative prompt."""

    prompt: str
    negative_prompt: str

    def __post_init__(self) -> None:
        if not any(char.isprintable() and not char.isspace() for char in self.prompt):
            raise InvalidRequest("The prompt is empty; say what the picture should show.")
        for name, text in (("prompt", self.prompt), ("negative prompt", self.negative_prompt)):
            if len(text) > MAX_PROMPT:
                raise InvalidRequest(
                    f"The {name} has {len(text):,} characters; I can take {MAX_PROMPT:,} at the most."
                )
            if any("\ud800" <= char <= "\udfff" for char in text):
                raise InvalidRequest(f"The {name} holds half a character; please type it anew.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """Everything that decides what a picture looks like. Change it by making another."""

    prompt: str
    """As it was typed: it may leave choices to the seed, see :mod:`generation.prompting.choices`."""
    negative_prompt: str = ""
    model: str
    size: Size
    steps: int
    guidance: float
    sampler: str
    """A name in :data:`generation.samplers.SAMPLERS`, or OWN_SAMPLER."""
    seed: Seed
    count: int = 1
    """How many pictures; picture k has the seed s + k."""
    start: Start | None = None
    """None: from nothing but noise."""
    variations: tuple[Variation, ...] = ()
    """One after the other: a variation can be varied."""
    hires: Hires | None = None
    """None: `size` is that of the finished picture."""
    clip_skip: int = 1
    """Which layer of the text encoder is read, from its end; 1 is the last. As A1111 counts."""
    chosen: tuple[Wording, ...] | None = None
    """What each picture's prompts are after the choices that these leave open; None: they leave none open."""
    template: Wording | None = None
    """Where `prompt` was chosen for one picture: the prompts that left the choices open."""
    style: str | None = None
    """The name of the style that the prompts were made with; all of it is in them."""

    def __post_init__(self) -> None:
        Wording(prompt=self.prompt, negative_prompt=self.negative_prompt)
        if not 1 <= self.steps <= MAX_STEPS:
            raise InvalidRequest(f"{self.steps} steps are not possible; choose 1 to {MAX_STEPS}.")
        if not 0 <= self.guidance <= MAX_GUIDANCE:
            raise InvalidRequest(
                f"A guidance of {self.guidance:g} is not possible; choose 0 to {MAX_GUIDANCE:g}."
            )
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidRequest(f"{self.count} pictures at once are not possible; choose 1 to {MAX_COUNT}.")
        if not 0 <= self.seed < SEEDS:
            raise InvalidRequest(f"The seed {self.seed} is out of range; choose 0 to {SEEDS - 1}.")
        if not 1 <= self.clip_skip <= MAX_CLIP_SKIP:
            raise InvalidRequest(
                f"A clip skip of {self.clip_skip} is not possible; choose 1 to {MAX_CLIP_SKIP}."
            )
        if self.chosen is not None and len(self.chosen) != self.count:
            raise ValueError(f"there are {len(self.chosen)} prompts for {self.count} pictures")
        if self.hires is not None:
            if self.start is not None:
                raise InvalidRequest("A second, larger pass is for pictures that start from words alone.")
            if self.hires.size.pixels <= self.size.pixels:
                raise InvalidRequest(f"The second pass must be larger than {self.size}.")
        if not self.first_steps:
            raise InvalidRequest(
                f"With a strength of {self.start.strength:g} none of {self.steps} steps is left; "  # type: ignore[union-attr]
                "choose a greater strength or more steps."
            )

    @property
    def first_steps(self) -> int:
        """The steps of the first pass: fewer than `steps` if it starts from a picture."""
        return self.steps if self.start is None else int(self.steps * self.start.strength)

    @property
    def steps_taken(self) -> int:
        """The steps that are really drawn, of both passes."""
        return self.first_steps + (0 if self.hires is None else self.hires.steps_taken)

    @property
    def final_size(self) -> Size:
        """Of the finished picture."""
        return self.size if self.hires is None else self.hires.size

    @property
    def files(self) -> tuple[Digest, ...]:
        """The files without which it cannot be drawn."""
        return () if self.start is None else self.start.files

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """The prompts that are drawn: one pair for each picture, or one for all."""
        return self.chosen or (Wording(prompt=self.prompt, negative_prompt=self.negative_prompt),)

    def rerolled(self, seed: Seed) -> GenerationRequest:
        """The same request with another seed, and if it is a variation, another one of the same picture.

        What its prompts leave open is open again; not so where it goes on from a picture, with the words that
        were chosen for that.
        """
        again = replace(self, chosen=None)
        if not self.variations:
            return replace(again, seed=seed)
        *before, last = self.variations
        return replace(again, variations=(*before, replace(last, seed=seed)))

    def image(self, index: int) -> GenerationRequest:
        """Picture `index` of this request as a request of its own: it can be drawn alone."""
        if not 0 <= index < self.count:
            raise IndexError(f"request has {self.count} pictures, not {index + 1}")
        one = self
        if self.chosen is not None:
            template = Wording(prompt=self.prompt, negative_prompt=self.negative_prompt)
            words = asdict(self.chosen[index])
            one = replace(self, **words, template=template, chosen=None)
        if not self.variations:
            return replace(one, seed=Seed((self.seed + index) % SEEDS), count=1)
        *before, last = self.variations
        mine = replace(last, seed=Seed((last.seed + index) % SEEDS))
        return replace(one, variations=(*before, mine), count=1)

    def varied(self, seed: Seed, strength: float) -> GenerationRequest:
        """A variation of this request, which is for one picture."""
        return replace(self, variations=(*self.variations, Variation(seed=seed, strength=strength)))

    def plain(self) -> dict[str, Any]:
        """All of it as plain data that JSON can hold; what there is none of is left out."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """What :meth:`plain` said.

        Raises:
            KeyError, TypeError, InvalidRequest: it is something else.
        """
        parts: dict[str, Any] = {"size": Size(**plain["size"])}
        if "start" in plain:
            parts["start"] = Start(**plain["start"])
        if "variations" in plain:
            parts["variations"] = tuple(Variation(**each) for each in plain["variations"])
        if "hires" in plain:
            second = plain["hires"]
            made = Enlarger(second["enlarger"])
            parts["hires"] = Hires(**{**second, "size": Size(**second["size"]), "enlarger": made})
        if "chosen" in plain:
            parts["chosen"] = tuple(Wording(**words) for words in plain["chosen"])
        if "template" in plain:
            parts["template"] = Wording(**plain["template"])
        return cls(**{**plain, **parts})


def new_seed() -> Seed:
    """A seed that nobody chose."""
    return Seed(secrets.randbelow(SEEDS))
