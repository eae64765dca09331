"""What a request starts from: a picture that somebody brings, or one of ours, as files to be kept."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import discord
from PIL import Image

from bot.limits import Refused
from bot.options import Typed
from bot.refusals import UNREACHABLE
from generation import canvas
from generation.canvas import Canvas
from generation.catalogue import ModelInfo
from generation.request import Digest, GenerationRequest, InvalidRequest, Size, Start
from generation.sentence import joined, say
from generation.shelf import Shelf

DEFAULT_STRENGTH, INPAINT_STRENGTH, OUTPAINT_STRENGTH = 0.7, 0.9, 0.9
SEAM_BLUR = 4
FETCH_SECONDS = 30.0
PICTURE, MASK = say("picture"), say("mask")
"""What people call what they bring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request, and those of its files that are not kept yet."""

    request: GenerationRequest
    files: Mapping[Digest, bytes] = field(default_factory=dict)


def check_attachment(attachment: discord.Attachment, what: str) -> None:
    """Refuse what need not be fetched to know that it is none.

    Raises:
        Refused: it is too large, or no picture.
    """
    kind = (attachment.content_type or "image/").split(";")[0]
    if not kind.startswith("image/"):
        raise Refused(canvas.unreadable(what))
    if attachment.size > canvas.MAX_BYTES:
        raise Refused(
            say(
                "The {what} has {size:.0f} MB; I can take {most} at the most.",
                what=what,
                size=attachment.size / 2**20,
                most=canvas.MAX_BYTES // 2**20,
            )
        )


async def fetched(attachment: discord.Attachment, what: str) -> bytes:
    """The file that somebody brought.

    Raises:
        Refused: it cannot be had.
    """
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            return await attachment.read()
    except (discord.HTTPException, *UNREACHABLE):
        raise Refused(
            say("I could not fetch the {what} from Discord; please try again.", what=what)
        ) from None


def started(
    typed: Typed, shelf: Shelf, picture: bytes, *, mask: bytes | None = None, masked: bool = False
) -> Order:
    """The order that goes on from a picture. Slow: not for the event loop.

    Args:
        masked: it needs a mask: `mask`, or else what is transparent in the picture.

    Raises:
        InvalidRequest: it cannot be; the message is for the person.
    """
    model = typed.chosen_model(shelf)
    image = canvas.open_picture(picture)
    marked = None
    if masked:
        marked = canvas.transparent_part(image) if mask is None else None
        if mask is not None:
            marked = canvas.mask_for(canvas.open_picture(mask, what=MASK), image)
        if marked is None:
            raise InvalidRequest(
                say(
                    "I cannot tell what to draw anew: bring a mask, white where I shall draw, "
                    "or a picture that is transparent there."
                )
            )
    size = typed.typed_size(model) or fitting_size(image, model)
    return on_canvas(typed, shelf, cut_to(size, image, marked))


def cut_to(size: Size, image: Image.Image, marked: Image.Image | None) -> Canvas:
    """A picture, and what is marked in it, in the size in which it will be drawn.

    Raises:
        InvalidRequest: nothing of what was marked is left.
    """
    # Cut to size first: what follows takes as long and as much memory as the picture is large.
    whole = canvas.opaque(canvas.covering(image, size))
    if marked is not None:
        marked = canvas.covering(marked, size).point(lambda level: 255 if level >= 128 else 0)
        if marked.getbbox() is None:
            raise InvalidRequest(
                say(
                    "Nothing of what you marked is left in a picture of {size}: "
                    "it is too small or too faint, or lies where I cut to get that shape.",
                    size=size,
                )
            )
    return Canvas(picture=whole, mask=marked)


def on_canvas(typed: Typed, shelf: Shelf, ready: Canvas, *, strength: float | None = None) -> Order:
    """The order that goes on from a canvas in the canvas's size."""
    if strength is None:
        strength = typed.strength
    if strength is None:
        strength = DEFAULT_STRENGTH if ready.mask is None else INPAINT_STRENGTH
    picture, files = as_file(ready.picture)
    mask = None
    if ready.mask is not None:
        mask, more = as_file(ready.mask)
        files |= more
    start = Start(
        picture=picture, strength=strength, mask=mask, blur=SEAM_BLUR if typed.blur is None else typed.blur
    )
    return Order(request=typed.request(shelf, start=start, size=_size_of(ready.picture)), files=files)


def as_file(image: Image.Image) -> tuple[Digest, dict[Digest, bytes]]:
    """A PNG file of the pixels and nothing else, and its name."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=4)
    digest = Digest(hashlib.sha256(buffer.getvalue()).hexdigest())
    return digest, {digest: buffer.getvalue()}


# Room to grow --------------------------------------------------------------------------------------------

Grown = Callable[[Image.Image, ModelInfo], Canvas]

WAYS: Mapping[str, Grown] = {
    say("zoom out 1.5×"): lambda image, model: canvas.zoomed_out(image, 1.5, _size_of(image)),
    say("zoom out 2×"): lambda image, model: canvas.zoomed_out(image, 2.0, _size_of(image)),
    say("pan left"): lambda image, model: _panned(image, model, canvas.Direction.LEFT),
    say("pan right"): lambda image, model: _panned(image, model, canvas.Direction.RIGHT),
    say("pan up"): lambda image, model: _panned(image, model, canvas.Direction.UP),
    say("pan down"): lambda image, model: _panned(image, model, canvas.Direction.DOWN),
    say("make square"): lambda image, model: _squared(image),
}
"""How a picture can be given room. The names stand in menus of old messages: never rename one."""

PAN_SHARE = 0.5


def grown(image: Image.Image, way: str, model: ModelInfo) -> Canvas:
    """The picture with room in this way, in a size that the model draws.

    Raises:
        InvalidRequest: there is no such way, or the picture is as large as it can be.
    """
    if way not in WAYS:
        raise InvalidRequest(say("I do not know that way; choose one of {ways}.", ways=joined(", ", WAYS)))
    whole = canvas.opaque(canvas.covering(image, own_size(image, model)))
    ready = WAYS[way](whole, model)
    if (reason := model.size_reason(_size_of(ready.picture))) is not None:
        raise InvalidRequest(say("There is no room left in that direction. {reason}", reason=reason))
    return ready


def own_size(image: Image.Image, model: ModelInfo) -> Size:
    """The picture's own size if the model draws it, else the nearest that it draws well."""

    def snapped(edge: int) -> int:
        return max(model.multiple, round(edge / model.multiple) * model.multiple)

    try:
        size = Size(width=snapped(image.width), height=snapped(image.height))
        if model.size_reason(size) is None:
            return size
    except InvalidRequest:
        pass
    return fitting_size(image, model)


def fitting_size(image: Image.Image, model: ModelInfo) -> Size:
    """The size of about the picture's proportions in which this model draws best; a strip gets wider."""
    scale = model.native / (image.width * image.height) ** 0.5
    return model.nearest(image.width * scale, image.height * scale)


def _size_of(image: Image.Image) -> Size:
    return Size(width=image.width, height=image.height)


def _panned(image: Image.Image, model: ModelInfo, direction: canvas.Direction) -> Canvas:
    return canvas.panned(image, direction, PAN_SHARE, multiple=model.multiple)


def _squared(image: Image.Image) -> Canvas:
    if image.width == image.height:
        raise InvalidRequest(say("That picture is square already."))
    return canvas.squared(image)


# In turn -------------------------------------------------------------------------------------------------

_HANDS = ThreadPoolExecutor(1, thread_name_prefix="opening")


T = TypeVar("T")


async def one_by_one(make: Callable[[], T]) -> T:
    """What `make` makes, on a thread that does one at a time.

    A file of a few kilobytes may be a picture that takes hundreds of megabytes while it is open.
    """
    return await asyncio.get_running_loop().run_in_executor(_HANDS, make)
