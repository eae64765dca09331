"""A picture that was drawn: its bytes, what is needed to find or draw it again, and a smaller file of it."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from generation.metadata import exif_of
from generation.request import Seed, Size
from generation.safety import Verdict
from generation.sentence import Told

LOSSY_QUALITIES = (95, 85, 70, 50)


class PictureGone(Told):
    """A picture that is not kept any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One drawn picture as a complete PNG file, settings inside."""

    index: int
    """Its place in the request, from 0."""
    seed: Seed
    """The seed that draws this one alone."""
    size: Size
    png: bytes
    shown: tuple[bytes, ...] = ()
    """The control pictures that it was steered by, as PNG files; not told when it is read again."""
    verdict: Verdict = Verdict.UNASKED
    """What a safety checker said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallerFile:
    """A picture as a WebP file with the settings of its PNG file inside."""

    data: bytes
    lossless: bool


def fitted(png: bytes, limit: int) -> SmallerFile | None:
    """The picture in at most `limit` bytes: the same pixels if that is possible, else the best that fits.

    The settings of the PNG file go with it, see :func:`generation.metadata.exif_of`. Slow (seconds for large
    pictures): not for an event loop.
    Returns None if even the least quality is too large.
    """
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        image.load()
        exif = exif_of(png)
        for quality in (None, *LOSSY_QUALITIES):
            file = io.BytesIO()
            if quality is None:
                image.save(file, format="WEBP", lossless=True, exif=exif)
            else:
                image.save(file, format="WEBP", quality=quality, exif=exif)
            if file.tell() <= limit:
                return SmallerFile(data=file.getvalue(), lossless=quality is None)
    return None


def as_jpeg(png: bytes, quality: int = 95) -> bytes:
    """The picture as a JPEG file with the settings of its PNG file inside, for who takes nothing else.

    What is transparent becomes white, as JPEG knows no transparency. Slow: not for an event loop.
    """
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        image.load()
        shown = image.convert("RGBA") if image.has_transparency_data else image.convert("RGB")
    if shown.mode == "RGBA":
        ground = Image.new("RGB", shown.size, "white")
        ground.paste(shown, mask=shown.getchannel("A"))
        shown = ground
    file = io.BytesIO()
    shown.save(file, format="JPEG", quality=quality, exif=exif_of(png))
    return file.getvalue()
