"""Settings hidden in the lowest bit of a picture's alpha channel, as NovelAI hides them.

As NovelAI's own reader has it (novelai-image-metadata/nai_meta.py): column by column from the top left, a
signature of 15 bytes, the number of bits that follow in 32 bits, and a text packed by gzip. The extension
sd-webui-stealth-pnginfo, where it is from, hides A1111's text so, also unpacked.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib

from PIL import Image

from generation.metadata.containers import unpack
from generation.metadata.settings import MAX_BYTES, MAX_TEXT

MAX_PIXELS = 16_000_000
"""In larger pictures nothing is looked for, as all of it must be decoded; NovelAI draws a tenth of that."""
_PACKED, _PLAIN = b"stealth_pngcomp", b"stealth_pnginfo"
_HEAD = len(_PACKED) + 4


def hidden_text(data: bytes) -> str | None:
    """What is hidden in a PNG or WebP file, or None; slow (a second for 16 megapixels)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow finds odd is no reason to tell anybody here
            with Image.open(io.BytesIO(data), formats=("PNG", "WEBP")) as image:
                if image.mode != "RGBA" or image.width * image.height > MAX_PIXELS:
                    return None
                alpha = image.getchannel("A")
    # Whatever a damaged file does to the decoder, it hides nothing.
    except (OSError, ValueError, LookupError, TypeError, EOFError, SyntaxError, struct.error):
        return None
    except Image.DecompressionBombError:
        return None
    head = _hidden(alpha, 0, _HEAD)
    signature, length = head[: len(_PACKED)], int.from_bytes(head[len(_PACKED) :], "big") // 8
    if signature not in (_PACKED, _PLAIN) or length > MAX_BYTES:
        return None
    content = _hidden(alpha, _HEAD, length)
    if len(content) < length:
        return None
    unpacked = unpack(content, zlib.MAX_WBITS | 16) if signature == _PACKED else content
    if unpacked is None:
        return None
    text = unpacked.decode("utf-8", "replace")
    return text if len(text) <= MAX_TEXT else None


def _hidden(alpha: Image.Image, first: int, count: int) -> bytes:
    """`count` bytes from byte `first` on, each of eight pixels' lowest bits; fewer if there are no more."""
    start, end = first * 8, (first + count) * 8
    columns = range(start // alpha.height, min(-(-end // alpha.height), alpha.width))
    if not columns:
        return b""
    strip = alpha.crop((columns.start, 0, columns.stop, alpha.height))
    levels = strip.transpose(Image.Transpose.TRANSPOSE).tobytes()
    skipped = start - columns.start * alpha.height
    bits = levels[skipped : skipped + count * 8]
    whole = len(bits) // 8 * 8
    row = Image.frombytes("L", (max(whole, 8), 1), bits[:whole].ljust(8, b"\0"))
    return row.point([255 * (level & 1) for level in range(256)], "1").tobytes()[: whole // 8]
