"""What kind of file some bytes are, how large a picture is, and what a file may be called."""

from __future__ import annotations

import mimetypes
import re
import struct
import zlib

INLINE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "video/mp4", "audio/mpeg"})
"""What a browser may show in place; everything else is offered as a download."""

_UNSAFE = re.compile(r"[^\w.\-]+", re.ASCII)


def safe_filename(name: str) -> str:
    """The name under which a file is kept: letters, digits, `_`, `.` and `-`, as Discord does it."""
    bare = name.replace("\\", "/").rsplit("/", 1)[-1].strip().replace(" ", "_")
    return _UNSAFE.sub("", bare).lstrip(".")[:256] or "unknown"


def content_type(filename: str, content: bytes) -> str:
    """The type the bytes show; a name alone never makes a picture."""
    shown = _magic(content)
    if shown is not None:
        return shown
    named = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    if named in INLINE_TYPES:
        return "application/octet-stream"
    return f"{named}; charset=utf-8" if named.startswith("text/") else named


def dimensions(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, JPEG or WebP in pixels, if its header says so."""
    try:
        match _magic(content):
            case "image/png":
                size = _png(content)
            case "image/gif":
                size = _pair(struct.unpack("<HH", content[6:10]))
            case "image/jpeg":
                size = _jpeg(content)
            case "image/webp":
                size = _webp(content)
            case _:
                size = None
    except (struct.error, IndexError):
        return None
    return size if size is not None and min(size) > 0 else None


def _magic(content: bytes) -> str | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        return "video/mp4"
    if content.startswith(b"ID3"):
        return "audio/mpeg"
    return None


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    width, height = values
    return width, height


def _png(content: bytes) -> tuple[int, int] | None:
    (checksum,) = struct.unpack(">I", content[29:33])
    if content[12:16] != b"IHDR" or zlib.crc32(content[12:29]) != checksum:
        return None
    return _pair(struct.unpack(">II", content[16:24]))


def _jpeg(content: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(content):
        if content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", content[at + 2 : at + 4])[0]
    return None


def _webp(content: bytes) -> tuple[int, int] | None:
    match content[12:16]:
        case b"VP8X":
            return (
                1 + int.from_bytes(content[24:27], "little"),
                1 + int.from_bytes(content[27:30], "little"),
            )
        case b"VP8L":
            bits = int.from_bytes(content[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack("<HH", content[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case _:
            return None
