"""Making pictures larger that are there: what can be chosen, and the order that comes of it."""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import Image

from bot.bringing import Order, as_file
from bot.card import Action, Card, Entry, Menu, Tone
from bot.cards import attached
from bot.facts import BROUGHT
from bot.options import MAX_CHOICES, not_so_large
from generation import canvas
from generation.image import Picture
from generation.job import Job
from generation.model import ModelInfo
from generation.request import (
    LEAST_UPSCALE,
    MAX_EDGE,
    MAX_UPSCALE,
    Digest,
    GenerationRequest,
    InvalidRequest,
    Seed,
    Size,
    Upscale,
)
from generation.sentence import say

FACTORS = (2.0, 3.0, 4.0)
"""What the menu under a picture offers."""
DEFAULT_FACTOR = 2.0
AGAIN = say("By drawing it again, with new details")


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to make a picture larger; `upscaler` None: its model draws it again."""

    factor: float
    upscaler: str | None

    def __str__(self) -> str:
        """As :meth:`parse` reads it; it stands in menus of old messages."""
        return str(self.said)

    @property
    def said(self) -> str:
        """As people read it."""
        if self.upscaler is None:
            return AGAIN
        return say("{factor:g}× with {upscaler}", factor=self.factor, upscaler=self.upscaler)

    @classmethod
    def parse(cls, text: str) -> Choice:
        """What was chosen from a menu, which may be years old.

        Raises:
            InvalidRequest: it is nothing that stood there.
        """
        if text == AGAIN:
            return cls(1.0, None)
        if (match := re.fullmatch(r"(\d+(?:\.\d+)?)× with (.+)", text)) is None:
            raise InvalidRequest(say("I do not know that way to make a picture larger."))
        return cls(float(match[1]), match[2])


def choices(
    edges: tuple[int, int], upscalers: Sequence[str], pixels: int, *, again: bool
) -> tuple[Choice, ...]:
    """The ways to make a picture of this size larger; to have it drawn again is the last.

    Args:
        pixels: the most that the owner allows.
        again: its model can draw it again.

    Raises:
        InvalidRequest: it cannot be made larger.
    """
    most = _most(edges, pixels)
    factors = [factor for factor in FACTORS if factor <= most] or [int(most * 10) / 10]
    if factors[-1] < LEAST_UPSCALE:
        raise InvalidRequest(as_large_as_can_be(f"{edges[0]}x{edges[1]}"))
    last = [Choice(1.0, None)] if again else []
    return (*(Choice(factor, name) for name in upscalers for factor in factors), *last)


def as_large_as_can_be(size: Size | str) -> str:
    """A picture of this size cannot be made any larger."""
    return say("It is as large as I can make it: {size}.", size=size)


def _most(edges: tuple[int, int], pixels: int) -> float:
    width, height = edges
    return min(MAX_UPSCALE, MAX_EDGE / max(edges), math.sqrt(pixels / (width * height)))


def enlarging_card(job: Job, picture: Picture, ways: tuple[Choice, ...]) -> Card:
    """Asks how a picture is to be made larger, in as many ways as Discord shows."""
    edges = f"{picture.size.width} × {picture.size.height}"
    small: tuple[str, ...] = ()
    if len(ways) > MAX_CHOICES:
        last = ways[-1:] if ways[-1].upscaler is None else ()
        ways = (*ways[: MAX_CHOICES - len(last)], *last)
        small = (say("More ways have no room here; `/upscale` takes any of my upscalers."),)
    return Card(
        tone=Tone.DONE,
        text=(say("It is {size}. How shall I make it larger?", size=edges),),
        pictures=(attached(job, picture),),
        small=small,
        menu=Menu(
            action=Action.ENLARGE,
            job=job.id,
            index=picture.index,
            placeholder=say("Make it larger…"),
            entries=tuple(Entry(str(way), way.said) for way in ways),
        ),
    )


def enlarged(request: GenerationRequest, png: bytes, upscaler: str, factor: float, pixels: int) -> Order:
    """The order that makes a picture of ours larger, with all that is known about how it was drawn."""
    with Image.open(io.BytesIO(png)) as image:
        edges = image.size
    was_brought = request.upscale is not None and request.upscale.brought
    digest = _digest(png)
    upscale = Upscale(
        picture=digest,
        upscaler=upscaler,
        factor=factor,
        size=_size(edges, factor, pixels),
        brought=was_brought,
    )
    return Order(request=replace(request, upscale=upscale), files={digest: png})


def brought(data: bytes, upscaler: str, factor: float, pixels: int, model: ModelInfo) -> Order:
    """The order that makes a file larger which somebody brought. Slow: not for the event loop.

    Raises:
        InvalidRequest: it is no picture that I take, or would be too large.
    """
    image = canvas.open_picture(data)
    size = _size(image.size, factor, pixels)
    digest, files = as_file(image)
    upscale = Upscale(picture=digest, upscaler=upscaler, factor=factor, size=size, brought=True)
    request = GenerationRequest(
        prompt=str(BROUGHT),
        model=model.source,
        size=size,
        steps=1,
        guidance=0.0,
        sampler=model.defaults.sampler,
        seed=Seed(0),
        upscale=upscale,
    )
    return Order(request=request, files=files)


def _size(edges: tuple[int, int], factor: float, pixels: int) -> Size:
    """The nearest that a picture can have: its edges are multiples of 8."""
    if not LEAST_UPSCALE <= factor <= MAX_UPSCALE:
        raise InvalidRequest(not_so_large(factor, LEAST_UPSCALE, MAX_UPSCALE))
    if factor > (most := _most(edges, pixels)):
        size = f"{edges[0]}x{edges[1]}"
        if most < LEAST_UPSCALE:
            raise InvalidRequest(
                say(
                    "A picture of {size} cannot be made {factor:g} times as large here; "
                    "it is as large as I can make it.",
                    size=size,
                    factor=factor,
                )
            )
        raise InvalidRequest(
            say(
                "A picture of {size} cannot be made {factor:g} times as large here; "
                "choose {least:g} to {most:g}.",
                size=size,
                factor=factor,
                least=LEAST_UPSCALE,
                most=int(most * 100) / 100,
            )
        )
    width, height = (min(MAX_EDGE, max(8, round(edge * factor / 8) * 8)) for edge in edges)
    return Size(width=width, height=height)


def _digest(png: bytes) -> Digest:
    return Digest(hashlib.sha256(png).hexdigest())
