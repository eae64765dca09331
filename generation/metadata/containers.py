"""The texts inside PNG, WebP and JPEG files: found without decoding a pixel, in bounded time and memory.

Pillow reads them too, but only after the pixels, and of EXIF whatever a hostile file points at.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from generation.metadata.settings import MAX_TEXT, UnreadablePicture

Texts = dict[str, str]
"""The texts of a file by the names that PNG has for them; EXIF's are under USER_COMMENT and DESCRIPTION."""

USER_COMMENT = "UserComment"
DESCRIPTION = "ImageDescription"

MAX_BYTES = 4 * MAX_TEXT
"""Of a text before it is decoded: UTF-8 and UTF-16 take up to four for a character."""
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
        raise UnreadablePicture("This is not a PNG, JPEG or WebP file that I can read.")
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


# EXIF ----------------------------------------------------------------------------------------------------

_DESCRIPTION, _MAKE, _MODEL, _EXIF_FOLDER, _COMMENT = 0x010E, 0x010F, 0x0110, 0x8769, 0x9286
_OF_BYTES = {1, 2, 7}
"""The types that texts have: BYTE, ASCII, UNDEFINED."""


def exif_texts(exif: bytes) -> Texts:
    """The texts that tools keep in EXIF: its user comment, its description, and what ComfyUI adds."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return {}
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    fields = dict(_fields(tiff, order, first))
    if (folder := fields.get(_EXIF_FOLDER)) is not None:
        (place,) = struct.unpack(f"{order}I", folder)
        fields |= dict(_fields(tiff, order, place))
    texts: Texts = {}
    if _COMMENT in fields:
        texts[USER_COMMENT] = user_comment(fields[_COMMENT], order)
    for tag in (_DESCRIPTION, _MAKE, _MODEL):
        text = fields.get(tag, b"").decode("utf-8", "replace").rstrip("\0")
        # ComfyUI's SaveAnimatedWEBP keeps what PNG has as text chunks so: "prompt:{...}", "workflow:{...}".
        name, colon, value = text.partition(":")
        if colon and name in ("prompt", "workflow"):
            texts.setdefault(name, value)
        elif tag == _DESCRIPTION and text:
            texts[DESCRIPTION] = text
    return {name: text for name, text in texts.items() if len(text) <= MAX_TEXT}


def _fields(tiff: bytes, order: str, place: int) -> Iterator[tuple[int, bytes]]:
    """The fields of one folder that may hold a text; a field of four bytes or fewer stands in its place."""
    if place + 2 > len(tiff):
        return
    (count,) = struct.unpack_from(f"{order}H", tiff, place)
    wanted = {_DESCRIPTION, _MAKE, _MODEL, _EXIF_FOLDER, _COMMENT}
    for entry in range(place + 2, min(place + 2 + count * 12, len(tiff) - 11), 12):
        tag, kind, amount = struct.unpack_from(f"{order}HHI", tiff, entry)
        if tag not in wanted:
            continue
        wanted.discard(tag)  # a field is read once, however often a hostile file names it
        if tag == _EXIF_FOLDER:
            yield tag, tiff[entry + 8 : entry + 12]
        elif kind in _OF_BYTES and amount <= MAX_BYTES:
            (where,) = struct.unpack_from(f"{order}I", tiff, entry + 8)
            where = entry + 8 if amount <= 4 else where
            yield tag, tiff[where : where + amount]


def user_comment(comment: bytes, order: str = ">") -> str:
    """EXIF's UserComment: eight bytes that name its encoding, and the text.

    A1111 (through piexif) always writes UTF-16 with the high byte first, others in the order of the file; the
    text itself shows which it is, as most of its characters are ASCII and their high byte is zero.
    """
    prefix, text = comment[:8], comment[8:]
    if prefix == b"UNICODE\0":
        if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return text.decode("utf-16", "replace").rstrip("\0")
        high, low = text[0::2].count(0), text[1::2].count(0)
        big = order == ">" if high == low else high > low
        return text.decode("utf-16-be" if big else "utf-16-le", "replace").rstrip("\0")
    if prefix in (b"ASCII\0\0\0", bytes(8)):
        return text.decode("utf-8", "replace").rstrip("\0")
    return comment.decode("utf-8", "replace").rstrip("\0")
