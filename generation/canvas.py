"""Pictures to start from, made ready: opened with care, cut to size, and given room to grow.

Slow for large pictures (a second for 50 megapixels): not for an event loop.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from PIL import ExifTags, Image, ImageChops, ImageFilter, ImageOps

from generation.request import InvalidRequest, Size
from generation.sentence import say

MAX_BYTES = 25 * 2**20
MAX_PIXELS = 64_000_000
MAX_SIDE = 16_384
MAX_PROPORTION = 8
"""Of the longer side to the shorter one; a strip would be all that is left after cutting."""
MAX_SCANS = 100
"""Of a JPEG file. A usual one has about ten; each costs as much as the picture is large, even if empty."""
FORMATS = ("PNG", "JPEG", "WEBP")
SEAM = 8
"""Pixels of the old picture along a new border that are drawn anew, so that no line is left there."""
FULL = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """A picture in RGB and, of its size, a grey mask: white is to be drawn anew. None: all is."""

    picture: Image.Image
    mask: Image.Image | None = None


class Direction(StrEnum):
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


PICTURE, MASK = say("picture"), say("mask")
"""What people are told that something they brought is."""


def open_picture(data: bytes, *, what: str = PICTURE) -> Image.Image:
    """A PNG, JPEG or WebP file as RGB, or as RGBA if any of it is transparent; turned as its camera said.

    Raises:
        InvalidRequest: it is something else, damaged, moving or too large; the message names it `what`.
    """
    if len(data) > MAX_BYTES:
        raise InvalidRequest(
            say(
                "The {what} has {size:.0f} MB; I can take {most} at the most.",
                what=what,
                size=len(data) / 2**20,
                most=MAX_BYTES // 2**20,
            )
        )
    try:
        with _unheard():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise InvalidRequest(_too_large(what)) from None
    except Exception as error:  # a stranger's file: Pillow's readers raise whatever a broken one makes them
        raise InvalidRequest(unreadable(what)) from error
    with image:
        width, height = image.size
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            raise InvalidRequest(_too_large(what))
        if min(width, height) < 8 or max(width, height) > MAX_PROPORTION * min(width, height):
            raise InvalidRequest(
                say(
                    "The {what} is {width} by {height} pixels: too small or too narrow to start from.",
                    what=what,
                    width=width,
                    height=height,
                )
            )
        if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") > MAX_SCANS:
            raise InvalidRequest(
                say("The {what} is made so that it takes very long to open; please save it anew.", what=what)
            )
        # Cameras put smaller ones of the same view behind a photo: those are "MPO", and stand still.
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            raise InvalidRequest(
                say("The {what} moves; I can only start from one that stands still.", what=what)
            )
        try:
            with _unheard():
                image.load()
                turned = _turned(_in_8_bits(image))
            clear = turned.convert("RGBA") if turned.has_transparency_data else turned.convert("RGB")
        except Exception as error:  # likewise
            raise InvalidRequest(say("The {what} is damaged; please send it again.", what=what)) from error
    if clear.mode == "RGBA" and clear.getchannel("A").getextrema() == (FULL, FULL):
        return clear.convert("RGB")
    return clear


@contextmanager
def _unheard() -> Iterator[None]:
    """In here Pillow says nothing of what is odd: a hostile file would be 60,000 lines in the log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # and no others: two threads at once leave that behind
        warnings.simplefilter("error", Image.DecompressionBombWarning)  # its limit is ours to set
        yield


def _in_8_bits(image: Image.Image) -> Image.Image:
    """A grey picture of 16 bits with its levels in 8; Pillow itself would make all but the darkest white."""
    if not image.mode.startswith("I"):
        return image
    grey = image.convert("I").point(lambda level: level * (1 / 257)).convert("L")
    if (clear := image.info.get("transparency")) is not None:
        grey.info["transparency"] = clear // 257
    return grey


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By the orientation that a camera notes (EXIF 2.3, tag 0x0112)."""


def _turned(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 - notes that nobody can read: the picture itself is whole
        return image
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def unreadable(what: str) -> str:
    return say("What you brought as the {what} is no PNG, JPEG or WebP file that I can read.", what=what)


def _too_large(what: str) -> str:
    return say(
        "The {what} has too many pixels; I can take {most} million, and {side:,} on a side, at the most.",
        what=what,
        most=MAX_PIXELS // 1_000_000,
        side=MAX_SIDE,
    )


def transparent_part(image: Image.Image) -> Image.Image | None:
    """A mask of what is transparent, white where it is; None if nothing is."""
    if image.mode != "RGBA":
        return None
    return ImageChops.invert(image.getchannel("A"))


def opaque(image: Image.Image) -> Image.Image:
    """Without transparency: what is around a transparent part has run into it, like wet paint."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, "grey")
    for share in (2, 8, 32):
        run = image.convert("RGBa").filter(ImageFilter.GaussianBlur(max(image.size) / share)).convert("RGBA")
        ground.paste(
            run.convert("RGB"), mask=run.getchannel("A").point(lambda level: FULL if level > 8 else 0)
        )
    ground.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return ground


def covering(image: Image.Image, size: Size) -> Image.Image:
    """The picture in this size: scaled until it covers it, and cut evenly on both sides.

    Lanczos overshoots where anything ends. So colours go on under what is transparent while they are scaled,
    and how transparent it is, is scaled by something that does not: else a bright line is left at the border.
    """
    edges = (size.width, size.height)
    if image.mode != "RGBA":
        return ImageOps.fit(image, edges, Image.Resampling.LANCZOS)
    scaled = ImageOps.fit(_gone_on(image), edges, Image.Resampling.LANCZOS)
    scaled.putalpha(ImageOps.fit(image.getchannel("A"), edges, Image.Resampling.BILINEAR))
    return scaled


_ROUGH = 512
"""Pixels along the longer edge of a small copy, in which colours run out of what can be seen."""


def _gone_on(image: Image.Image) -> Image.Image:
    """An RGBA picture in RGB: under what is transparent lies, roughly, the colour of what is around it."""
    share = min(1.0, _ROUGH / max(image.size))
    edges = max(1, round(image.width * share)), max(1, round(image.height * share))
    small = opaque(image.convert("RGBa").resize(edges, Image.Resampling.BOX).convert("RGBA"))
    under = small.resize(image.size, Image.Resampling.BILINEAR).convert("RGBA")
    return Image.alpha_composite(under, image).convert("RGB")


def mask_for(mask: Image.Image, picture: Image.Image) -> Image.Image:
    """A mask that somebody brought, as grey levels; white, or what is transparent, is to be drawn anew.

    Where nothing but white is painted on a transparent ground, the white is meant.

    Raises:
        InvalidRequest: it has another shape than the picture, or marks nothing.
    """
    clear = transparent_part(mask)
    if clear is not None and _is_white(mask):
        clear = ImageChops.invert(clear)
    grey = mask.convert("L") if clear is None else clear
    if grey.size != picture.size:
        across, down = grey.width / picture.width, grey.height / picture.height
        if abs(across / down - 1) > 0.02:
            raise InvalidRequest(
                say(
                    "The mask is {width} by {height} pixels and the picture {other_width} by "
                    "{other_height}; they must have the same shape.",
                    width=grey.width,
                    height=grey.height,
                    other_width=picture.width,
                    other_height=picture.height,
                )
            )
        grey = grey.resize(picture.size, Image.Resampling.BILINEAR)
    marked = grey.point(lambda level: FULL if level >= 128 else 0)
    if marked.getbbox() is None:
        raise InvalidRequest(say("The mask marks nothing; paint white what I shall draw anew."))
    return marked


def _is_white(image: Image.Image) -> bool:
    """Whether all that can be seen of an RGBA picture is white."""
    seen = image.getchannel("A").point(lambda level: FULL if level >= 128 else 0)
    levels = image.convert("L").histogram(seen)
    return any(levels) and not any(levels[:_WHITE])


_WHITE = 240
"""The least grey level that is white; brushes have soft edges, and files lose a little."""


# Room to grow --------------------------------------------------------------------------------------------


def zoomed_out(image: Image.Image, factor: float, size: Size) -> Canvas:
    """The picture `factor` times smaller in the middle of a canvas of this size, and room around it."""
    whole = covering(image, size)
    smaller = whole.resize(
        (max(1, round(size.width / factor)), max(1, round(size.height / factor))), Image.Resampling.LANCZOS
    )
    return _placed(smaller, size, ((size.width - smaller.width) // 2, (size.height - smaller.height) // 2))


def panned(image: Image.Image, direction: Direction, share: float, *, multiple: int) -> Canvas:
    """The picture and, in this direction, room for `share` of its width or height more."""
    across = direction in (Direction.LEFT, Direction.RIGHT)
    side = image.width if across else image.height
    more = max(multiple, round(side * share / multiple) * multiple)
    width, height = (image.width + more, image.height) if across else (image.width, image.height + more)
    corner = {Direction.LEFT: (more, 0), Direction.UP: (0, more)}.get(direction, (0, 0))
    return _placed(image, Size(width=width, height=height), corner)


def squared(image: Image.Image) -> Canvas:
    """The picture in the middle of a square of its longer side."""
    side = max(image.width, image.height)
    corner = ((side - image.width) // 2, (side - image.height) // 2)
    return _placed(image, Size(width=side, height=side), corner)


def _placed(image: Image.Image, size: Size, corner: tuple[int, int]) -> Canvas:
    """The picture at `corner` of a canvas on which the colours of its border go on, blurred."""
    left, top = corner
    right, bottom = size.width - left - image.width, size.height - top - image.height
    grown = _stretched(image, (left, top, right, bottom))
    softened = grown.filter(ImageFilter.GaussianBlur(max(size.width, size.height) / 32))
    mask = Image.new("L", (size.width, size.height), FULL)
    seam = [SEAM if room else 0 for room in (left, top, right, bottom)]
    inner = (left + seam[0], top + seam[1], left + image.width - seam[2], top + image.height - seam[3])
    mask.paste(0, inner)
    softened.paste(image, corner)
    return Canvas(picture=softened, mask=mask)


def _stretched(image: Image.Image, room: tuple[int, int, int, int]) -> Image.Image:
    """The picture and so many pixels in the colours of its border to the left, above, to the right and below.

    Not its mirror image: that brings what the picture shows along, and a model draws a second one from it.
    """
    left, top, right, bottom = room
    width, height = image.size
    grown = Image.new("RGB", (width + left + right, height + top + bottom))
    grown.paste(image, (left, top))
    for across, begin, column in ((left, 0, 0), (right, left + width, width - 1)):
        if across:
            strip = image.crop((column, 0, column + 1, height)).resize((across, height))
            grown.paste(strip, (begin, top))
    for down, begin, row in ((top, 0, top), (bottom, top + height, top + height - 1)):
        if down:
            grown.paste(grown.crop((0, row, grown.width, row + 1)).resize((grown.width, down)), (0, begin))
    return grown
