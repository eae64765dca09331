"""What somebody asks for: a request is complete and valid from birth."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from typing import NewType, Self

Seed = NewType("Seed", int)

SEEDS = 2**32
"""How many seeds there are: 0 to 4,294,967,295, the range that other tools share."""

MAX_PROMPT = 2000
"""Characters in a prompt or a negative prompt."""

MAX_STEPS = 150
MAX_GUIDANCE = 30.0
MAX_COUNT = 4
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """Everything that decides what a picture looks like. Change it by making another."""

    prompt: str
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

    def rerolled(self, seed: Seed) -> GenerationRequest:
        """The same request with another seed."""
        return replace(self, seed=seed)

    def image(self, index: int) -> GenerationRequest:
        """Picture `index` of this request as a request of its own: it can be drawn alone."""
        if not 0 <= index < self.count:
            raise IndexError(f"request has {self.count} pictures, not {index + 1}")
        return replace(self, seed=Seed((self.seed + index) % SEEDS), count=1)


def new_seed() -> Seed:
    """A seed that nobody chose."""
    return Seed(secrets.randbelow(SEEDS))
