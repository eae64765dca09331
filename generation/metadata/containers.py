"""The texts inside PNG, WebP and JPEG files: found without decoding a pixel, in bounded time and memory.

Pillow reads them too, but only after the pixels, and of EXIF whatever a hostile file points at.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from generation.metadata.exif import Texts, exif_texts
from generation.metadata.settings import MAX_BYTES, MAX_TEXT, UnreadablePicture
from generation.sentence import say

_MAX_TEXTS = 32
"""Text chunks that are looked at; each may be packed and take a hundredth of a second."""
_MAX_KEPT = 4 * MAX_TEXT
"""Characters of all texts together."""
_MAX_PARTS = 200_000
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"


def texts_of(data: bytes) -> Texts:
    """All texts of a PNG, WebP or JPEG file, as far as it goes: of a truncated file what is there.

    Raises:
        UnreadablePicture: it is something else.
    """
    if data.startswith(_PNG):
        return _png_texts(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        parts = _webp_parts(data)
    elif data.startswith(_JPEG):
        parts = _jpeg_parts(data)
    else:
        raise UnreadablePicture(say("This is not a PNG, JPEG or WebP file that I can read."))
    for part in parts:
        if texts := exif_texts(part):
            return texts
    return {}


# Containers ----------------------------------------------------------------------------------------------


def _png_texts(data: bytes) -> Texts:
    texts: Texts = {}
    place, looked, kept = len(_PNG), 0, 0
    for _ in range(_MAX_PARTS):
        if place + 8 > len(data) or looked >= _MAX_TEXTS or kept > _MAX_KEPT:
            break
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"IEND":
            break
        content = data[place + 8 : place + 8 + min(length, MAX_BYTES)]
        found: Texts = {}
        if kind in (b"tEXt", b"zTXt", b"iTXt") and place + 8 + length <= len(data):
            looked += 1
            found = _png_text(kind, content)
        elif kind == b"eXIf":
            looked += 1
            found = exif_texts(content)
        for name, text in found.items():
            kept += len(text)
            texts.setdefault(name, text)
        place += length + 12
    return texts


def _png_text(kind: bytes, content: bytes) -> Texts:
    """Name and text of a chunk as the PNG specification has them (11.3.3); nothing if they are not whole."""
    name, _, rest = content.partition(b"\0")
    packed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    if kind == b"zTXt":
        rest = rest[1:]
    elif kind == b"iTXt":
        _, _, rest = rest[2:].partition(b"\0")  # the language
        _, _, rest = rest.partition(b"\0")  # the name in it
    unpacked = unpack(rest, zlib.MAX_WBITS) if packed else rest
    if unpacked is None:
        return {}
    text = unpacked.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")
    return {name.decode("latin-1"): text} if len(text) <= MAX_TEXT else {}


def unpack(packed: bytes, window: int) -> bytes | None:
    """What was packed by zlib; None if that is damaged, or more than MAX_BYTES."""
    unpacking = zlib.decompressobj(window)
    try:
        content = unpacking.decompress(packed, MAX_BYTES)
    except zlib.error:
        return None
    return content if unpacking.eof else None


def _webp_parts(data: bytes) -> Iterator[bytes]:
    place = 12
    for _ in range(_MAX_PARTS):
        if place + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind == b"EXIF":
            yield data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    place = 2
    for _ in range(_MAX_PARTS):
        if place + 4 > len(data) or data[place] != 0xFF:
            return
        marker, length = struct.unpack_from(">HH", data, place)
        if marker in (0xFFDA, 0xFFD9) or length < 2:  # the pixels begin, or the file ends
            return
        if marker == 0xFFE1 and data[place + 4 : place + 10] == b"Exif\0\0":
            yield data[place + 4 : place + 2 + length]
        place += 2 + length
