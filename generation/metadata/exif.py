"""The texts that tools keep in EXIF, read and written by hand.

Reading, Pillow would follow whatever a hostile file points at; writing, it gives the user comment a type with
which A1111's reader (piexif) cannot read it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from generation.metadata.settings import MAX_BYTES, MAX_TEXT

Texts = dict[str, str]
"""The texts of a file by the names that PNG has for them; EXIF's are under USER_COMMENT and DESCRIPTION."""

USER_COMMENT = "UserComment"
DESCRIPTION = "ImageDescription"

_DESCRIPTION, _MAKE, _MODEL, _EXIF_FOLDER, _COMMENT = 0x010E, 0x010F, 0x0110, 0x8769, 0x9286
_BYTE, _ASCII, _LONG, _UNDEFINED = 1, 2, 4, 7


_HEAD = b"Exif\0\0"


def exif_with(*, comment: str | None, description: str | None) -> bytes:
    """EXIF with these texts, as JPEG and WebP take it; the description in ASCII, as EXIF wants it.

    A1111 reads the comment so (modules/images.py): UTF-16 with the high byte first, of the type UNDEFINED.
    """
    said, place = b"", 8 + 2 + 2 * 12 + 4  # after the header and a folder of two fields
    fields = []
    if description is not None:
        said = description.encode("ascii") + b"\0"
        said += b"\0" * (len(said) % 2)
        fields.append(struct.pack(">HHII", _DESCRIPTION, _ASCII, len(description) + 1, place))
    if comment is not None:
        text = b"UNICODE\0" + comment.encode("utf-16-be")
        own = place + len(said)
        fields.append(struct.pack(">HHII", _EXIF_FOLDER, _LONG, 1, own))
        said += struct.pack(">HHHIII", 1, _COMMENT, _UNDEFINED, len(text), own + 18, 0) + text
    folder = struct.pack(">H", len(fields)) + b"".join(fields) + bytes(4)
    return _HEAD + b"MM" + struct.pack(">HI", 42, 8) + folder.ljust(place - 8, b"\0") + said


def exif_texts(exif: bytes) -> Texts:
    """The texts that tools keep in EXIF: its user comment, its description, and what ComfyUI adds."""
    tiff = exif.removeprefix(_HEAD)
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
        elif kind in (_BYTE, _ASCII, _UNDEFINED) and amount <= MAX_BYTES:
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
