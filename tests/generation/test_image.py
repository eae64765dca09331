"""A picture that is too large for somebody is made smaller, and keeps its settings."""

from __future__ import annotations

import io
import random

from PIL import ExifTags, Image, PngImagePlugin

from generation.image import fitted


def picture(edge: int = 96, *, noise: bool = True) -> bytes:
    image = Image.new("RGB", (edge, edge), "navy")
    if noise:
        dice = random.Random(1)
        image.putdata([(dice.randrange(256), dice.randrange(64), 0) for _ in range(edge * edge)])
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("parameters", "a röd circle\nSteps: 20, Sampler: Euler, Seed: 1")
    chunks.add_text("atelier", '{"request":{}}')
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=chunks, compress_level=0)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_picture_one_byte_too_large_keeps_every_pixel() -> None:
    png = picture()
    smaller = fitted(png, len(png) - 1)
    assert smaller is not None
    assert smaller.lossless
    assert len(smaller.data) < len(png)
    assert opened(smaller.data).convert("RGB").tobytes() == opened(png).tobytes()


def test_a_picture_that_no_lossless_file_holds_is_lossy_and_fits() -> None:
    png = picture()
    lossless = fitted(png, len(png))
    assert lossless is not None
    smaller = fitted(png, len(lossless.data) - 1)
    assert smaller is not None
    assert not smaller.lossless
    assert len(smaller.data) < len(lossless.data)


def test_the_settings_are_kept_where_other_tools_look_for_them() -> None:
    png = picture()
    for limit in (len(png), len(png) // 4):
        smaller = fitted(png, limit)
        assert smaller is not None
        exif = opened(smaller.data).getexif()
        comment = exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
        assert comment.startswith(b"UNICODE\0")
        assert comment[8:].decode("utf-16-be").startswith("a röd circle\nSteps: 20")
        assert exif[ExifTags.Base.ImageDescription] == '{"request":{}}'


def test_what_cannot_fit_is_none_and_not_an_error() -> None:
    assert fitted(picture(), 100) is None
