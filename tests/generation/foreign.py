"""Picture files as other tools write them, byte by byte where their form matters."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zlib
from typing import Any

from PIL import Image, PngImagePlugin


def png(texts: dict[str, str] | None = None, *, image: Image.Image | None = None) -> bytes:
    """With text chunks as Pillow writes them, which is what all tools in Python use."""
    info = PngImagePlugin.PngInfo()
    for key, value in (texts or {}).items():
        info.add_text(key, value)
    file = io.BytesIO()
    (image or Image.new("RGB", (8, 8))).save(file, format="PNG", pnginfo=info)
    return file.getvalue()


def json_png(**texts: Any) -> bytes:
    return png({key: json.dumps(value) for key, value in texts.items()})


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_with(*chunks: bytes) -> bytes:
    """With these chunks between the header and the pixels."""
    plain = png()
    return plain[:33] + b"".join(chunks) + plain[33:]


def exif(*, order: str = ">", comment: bytes | None = None, **tags: str) -> bytes:
    """A TIFF header, one folder with these tags (`t010e="..."`), and EXIF's own with a user comment."""
    fields = {int(tag[1:], 16): (2, text.encode() + b"\0") for tag, text in tags.items()}
    heap, first = b"", 8 + 2 + 12 * (len(fields) + 1) + 4

    def entry(tag: int, kind: int, content: bytes) -> bytes:
        nonlocal heap
        place = first + len(heap)
        heap += content
        return struct.pack(f"{order}HHII", tag, kind, len(content), place)

    entries = [entry(tag, kind, content) for tag, (kind, content) in sorted(fields.items())]
    if comment is not None:
        own = first + len(heap)
        heap += struct.pack(f"{order}HHHIII", 1, 0x9286, 7, len(comment), own + 18, 0) + comment
        entries.append(struct.pack(f"{order}HHII", 0x8769, 4, 1, own))
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(entries)) + b"".join(entries).ljust(first - 10, b"\0") + heap


def unicode_comment(text: str, order: str = ">") -> bytes:
    return b"UNICODE\0" + text.encode("utf-16-be" if order == ">" else "utf-16-le")


def webp(exif_data: bytes, *, image: Image.Image | None = None) -> bytes:
    file = io.BytesIO()
    (image or Image.new("RGB", (8, 8))).save(file, format="WEBP", lossless=True, exif=exif_data)
    return file.getvalue()


def jpeg(exif_data: bytes) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="JPEG", exif=b"Exif\0\0" + exif_data)
    return file.getvalue()


def stealthy(text: str, *, size: tuple[int, int] = (61, 67), packed: bool = True) -> Image.Image:
    """A picture in whose alpha channel a text is hidden, pixel by pixel as nai_meta_writer.py does it."""
    content = gzip.compress(text.encode()) if packed else text.encode()
    signature = b"stealth_pngcomp" if packed else b"stealth_pnginfo"
    whole = signature + struct.pack(">I", len(content) * 8) + content
    image = Image.new("RGBA", size, (200, 100, 50, 255))
    bits = [byte >> shift & 1 for byte in whole for shift in range(7, -1, -1)]
    for number, bit in enumerate(bits):
        column, row = divmod(number, size[1])
        image.putpixel((column, row), (200, 100, 50, 254 | bit))
    return image
