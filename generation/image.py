"""A picture that was drawn: its bytes, what is needed to find or draw it again, and a smaller file of it."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import ExifTags, Image

from generation.request import Seed, Size

LOSSY_QUALITIES = (95, 85, 70, 50)


class PictureGone(Exception):  # noqa: N818 - a fact, and its message a sentence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallerFile:
    """A picture as a WebP file with the settings of its PNG file inside."""

    data: bytes
    lossless: bool


def fitted(png: bytes, limit: int) -> SmallerFile | None:
    """The picture in at most `limit` bytes: the same pixels if that is possible, else the best that fits.

    What stands in the PNG's text chunks `parameters` and `atelier` goes into EXIF's UserComment, where other
    tools look for it, and ImageDescription. Slow (seconds for large pictures): not for an event loop.
    Returns None if even the least quality is too large.
    """
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        image.load()
        exif = _exif({key: str(value) for key, value in getattr(image, "text", {}).items()})
        for quality in (None, *LOSSY_QUALITIES):
            file = io.BytesIO()
            if quality is None:
                image.save(file, format="WEBP", lossless=True, exif=exif)
            else:
                image.save(file, format="WEBP", quality=quality, exif=exif)
            if file.tell() <= limit:
                return SmallerFile(data=file.getvalue(), lossless=quality is None)
    return None


def _exif(texts: dict[str, str]) -> Image.Exif:
    exif = Image.Exif()
    if "parameters" in texts:
        comment = b"UNICODE\0" + texts["parameters"].encode("utf-16-be")
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    if "atelier" in texts:
        exif[ExifTags.Base.ImageDescription] = texts["atelier"]
    return exif
