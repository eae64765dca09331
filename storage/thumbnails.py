"""Small pictures for pages that show many: made when somebody first looks, and kept beside the picture."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from PIL import Image

from generation.image import PictureGone
from generation.request import Digest
from storage import disk
from storage.pictures import GONE, Pictures

EDGE = 320
"""Pixels of the shorter edge; smaller pictures keep their size."""
LONGEST = 2 * EDGE
"""Pixels of the longer edge at the most."""
QUALITY = 82


class Thumbnails:
    """WebP files named after the picture; they go when it goes (:mod:`storage.pictures`)."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        # One at a time: whoever draws needs the processor more.
        self._making = asyncio.Lock()

    async def read(self, digest: Digest) -> bytes:
        """The small picture as a WebP file. It is made if there is none yet.

        Raises:
            PictureGone: the picture was deleted, or is damaged.
        """
        path = self._pictures.thumbnail_path(digest)
        if (kept := await asyncio.to_thread(_kept, path)) is not None:
            return kept
        async with self._making:
            if (kept := await asyncio.to_thread(_kept, path)) is not None:
                return kept  # somebody else wanted it too
            content = await self._pictures.read_file(digest)
            made = await asyncio.to_thread(small_picture, content)
            async with self._pictures.staying(digest):
                await asyncio.to_thread(disk.write_durably, {path: made})
        return made


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Width and height, in pixels, of the small picture of one that has these."""
    scale = min(EDGE / min(width, height), LONGEST / max(width, height), 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _kept(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def small_picture(content: bytes) -> bytes:
    """The WebP file of a picture's PNG file.

    Raises:
        PictureGone: it is no picture, or damaged.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            size = thumbnail_size(*image.size)
            small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureGone(GONE) from error
    file = io.BytesIO()
    small.save(file, format="WEBP", quality=QUALITY, method=4)
    return file.getvalue()
