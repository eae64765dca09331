"""The smallest nouns of a request: its seed, its size, and which file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NewType, Self

from generation.sentence import Told, say, shortened

Seed = NewType("Seed", int)

SEEDS = 2**32
"""How many seeds there are: 0 to 4,294,967,295, the range that other tools share."""

MAX_STEPS = 150

MIN_EDGE, MAX_EDGE = 64, 4096
"""Pixels; what one model can do is narrower, see :meth:`generation.catalogue.ModelInfo.reject_reason`."""

PROMPT, NEGATIVE_PROMPT = say("prompt"), say("negative prompt")
"""What people call them."""

Digest = NewType("Digest", str)
"""Which file: the SHA-256 of its content, in hexadecimal."""


class InvalidRequest(Told, ValueError):  # noqa: N818 - it is a sentence for a person, not a programming error
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
                    say(
                        "A size of {size} is not possible: each edge must be {least} to {most} pixels.",
                        size=self,
                        least=MIN_EDGE,
                        most=MAX_EDGE,
                    )
                )
            if edge % 8:
                raise InvalidRequest(
                    say("A size of {size} is not possible: both edges must be multiples of 8.", size=self)
                )

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
            shown = shortened(text, 40).replace("`", "'")
            raise InvalidRequest(
                say("I could not read the size `{shown}`; write it like `512x768`.", shown=shown)
            )
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
