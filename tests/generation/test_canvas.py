"""What people bring is opened with care, cut to size, and given room to grow."""

from __future__ import annotations

import io
import warnings
from contextlib import ExitStack
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageOps

from generation import canvas
from generation.canvas import Direction
from generation.request import InvalidRequest, Size


def a_file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def spotted(width: int, height: int) -> Image.Image:
    """White with a red spot in the upper left quarter."""
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).ellipse((width // 8, height // 8, width // 3, height // 3), fill="red")
    return image


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_files_that_people_have_are_opened(kind: str) -> None:
    opened = canvas.open_picture(a_file(spotted(64, 48), kind))
    assert (opened.mode, opened.size) == ("RGB", (64, 48))


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "CMYK", "LA", "RGBA"])
def test_every_kind_of_pixels_becomes_colours(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = Image.new("I;16", (32, 32), 40_000) if mode == "I;16" else spotted(32, 32).convert(mode)
    assert canvas.open_picture(a_file(image, kind)).mode == "RGB", "nothing of it is transparent"


def test_a_photo_is_turned_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    opened = canvas.open_picture(a_file(spotted(64, 32), "JPEG", exif=exif, quality=95))
    assert opened.size == (32, 64)
    pixel = opened.getpixel((24, 14))
    assert isinstance(pixel, tuple)
    assert pixel[1] < 120, "the spot is at the upper right now"


def test_sixteen_bits_of_grey_keep_their_levels() -> None:
    row = b"".join((column * 1000).to_bytes(2, "little") for column in range(64))
    image = Image.frombytes("I;16", (64, 64), row * 64)
    opened = canvas.open_picture(a_file(image))
    assert [opened.getpixel((column, 9)) for column in (0, 10, 32, 63)] == [
        (0, 0, 0),
        (38, 38, 38),
        (124, 124, 124),
        (245, 245, 245),
    ]


def test_a_photo_that_has_smaller_ones_behind_it_stands_still() -> None:
    behind = spotted(32, 24)
    file = a_file(spotted(64, 48), "MPO", save_all=True, append_images=[behind])
    assert canvas.open_picture(file).size == (64, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_way_to_hold_a_camera_is_turned_as_pillow_does(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = a_file(spotted(64, 32), exif=exif)
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    assert ImageChops.difference(canvas.open_picture(file), wanted).getbbox() is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("notes", [b"Exif\0\0no notes", b"\0" * 10, b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_notes_that_nobody_can_read_do_not_make_a_picture_unreadable(kind: str, notes: bytes) -> None:
    assert canvas.open_picture(a_file(spotted(64, 32), kind, exif=notes)).size == (64, 32)


def test_two_who_open_pictures_at_once_leave_the_warnings_of_others_heard() -> None:
    with warnings.catch_warnings(), ExitStack() as one, ExitStack() as other:
        for thread in (one, other):
            thread.enter_context(canvas._unheard())
        for thread in (one, other):
            thread.close()
        with pytest.raises(RuntimeWarning):
            warnings.warn("never awaited", RuntimeWarning, stacklevel=1)


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def of_scans(count: int) -> bytes:
    """A progressive JPEG file that says the last refinement of its pixels so many times."""
    data = a_file(spotted(64, 64), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def test_a_progressive_photo_is_no_bomb() -> None:
    assert canvas.open_picture(of_scans(1)).size == (64, 64)


MOVING = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is no PNG, JPEG or WebP file"),
        (b"GIF89a", "is no PNG, JPEG or WebP file"),
        (a_file(spotted(32, 32), "GIF"), "is no PNG, JPEG or WebP file"),
        (cut(a_file(spotted(256, 256), "JPEG")), "is damaged"),
        (cut(a_file(spotted(256, 256), "PNG")), "is damaged"),
        (a_file(MOVING[0], "WEBP", save_all=True, append_images=MOVING[1:]), "moves"),
        (a_file(MOVING[0], "PNG", save_all=True, append_images=MOVING[1:]), "moves"),
        (a_file(Image.new("1", (30_000, 3_000))), "too many pixels"),
        (a_file(Image.new("1", (20_000, 3_000))), "too many pixels"),
        (a_file(Image.new("L", (4, 4))), "too small"),
        (of_scans(canvas.MAX_SCANS), "takes very long to open"),
        (a_file(Image.new("L", (900, 90))), "too narrow"),
    ],
)
def test_what_cannot_be_started_from_is_told_in_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as told:
        canvas.open_picture(data, what="mask")
    assert "mask" in str(told.value)


def test_what_is_transparent_is_known_and_filled_with_what_is_around() -> None:
    image = Image.new("RGBA", (64, 64), (200, 30, 40, 255))
    image.paste((0, 0, 0, 0), (16, 16, 48, 48))
    opened = canvas.open_picture(a_file(image))
    mask = canvas.transparent_part(opened)
    assert mask is not None
    assert mask.getbbox() == (16, 16, 48, 48)
    middle = canvas.opaque(opened).getpixel((32, 32))
    assert isinstance(middle, tuple)
    assert abs(middle[0] - 200) < 12
    assert max(middle[1:]) < 60
    assert canvas.transparent_part(canvas.open_picture(a_file(spotted(32, 32)))) is None


def test_a_picture_covers_the_size_and_loses_as_much_on_both_sides() -> None:
    image = Image.new("RGB", (300, 100), "white")
    image.paste("red", (100, 0, 200, 100))
    cut_out = canvas.covering(image, Size(width=64, height=64))
    assert cut_out.size == (64, 64)
    assert cut_out.crop((8, 0, 56, 64)).getcolors() == [(48 * 64, (255, 0, 0))]


@pytest.mark.parametrize("size", [(64, 64), (640, 640)])
def test_a_mask_is_scaled_to_its_picture(size: tuple[int, int]) -> None:
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    ready = canvas.mask_for(mask, spotted(128, 128))
    assert ready.size == (128, 128)
    assert ready.getbbox() == (0, 0, 64, 128)


def test_white_on_a_transparent_ground_is_what_is_marked() -> None:
    mask = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(mask).rectangle((8, 8, 31, 31), fill=(255, 255, 255, 255))
    assert canvas.mask_for(mask, spotted(64, 64)).getbbox() == (8, 8, 32, 32)


def test_a_hole_in_anything_else_is_what_is_marked() -> None:
    mask = spotted(64, 64).convert("RGBA")
    mask.paste((0, 0, 0, 0), (32, 32, 48, 48))
    assert canvas.mask_for(mask, spotted(64, 64)).getbbox() == (32, 32, 48, 48)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (Image.new("L", (64, 32), 255), "64 by 32 pixels and the picture 128 by 128"),
        (Image.new("L", (128, 128)), "marks nothing"),
    ],
)
def test_a_mask_that_does_not_suit_is_told_in_a_sentence(mask: Image.Image, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        canvas.mask_for(mask, spotted(128, 128))


# Room to grow --------------------------------------------------------------------------------------------


def kept_of(ready: canvas.Canvas) -> tuple[int, int, int, int]:
    assert ready.mask is not None
    assert ready.mask.size == ready.picture.size
    box = ImageChops.invert(ready.mask).getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize(
    ("direction", "size", "corner"),
    [
        (Direction.LEFT, (192, 96), (64, 0)),
        (Direction.RIGHT, (192, 96), (0, 0)),
        (Direction.UP, (128, 144), (0, 48)),
        (Direction.DOWN, (128, 144), (0, 0)),
    ],
)
def test_a_picture_that_is_panned_stays_as_it_is(
    direction: Direction, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    image = spotted(128, 96)
    ready = canvas.panned(image, direction, 0.5, multiple=8)
    assert ready.picture.size == size
    where = (*corner, corner[0] + 128, corner[1] + 96)
    assert ImageChops.difference(ready.picture.crop(where), image).getbbox() is None
    left, top, right, bottom = kept_of(ready)
    seams = sum(abs(one - other) for one, other in zip((left, top, right, bottom), where, strict=True))
    assert seams == canvas.SEAM, "only along the new border a seam is drawn anew"


def test_zooming_out_keeps_the_size_and_makes_the_picture_smaller() -> None:
    ready = canvas.zoomed_out(spotted(256, 256), 2.0, Size(width=128, height=128))
    assert ready.picture.size == (128, 128)
    assert kept_of(ready) == (32 + canvas.SEAM, 32 + canvas.SEAM, 96 - canvas.SEAM, 96 - canvas.SEAM)


def test_a_square_has_the_longer_side() -> None:
    ready = canvas.squared(spotted(64, 128))
    assert ready.picture.size == (128, 128)
    assert kept_of(ready) == (32 + canvas.SEAM, 0, 96 - canvas.SEAM, 128)


def test_the_room_goes_on_in_the_colours_at_the_border() -> None:
    image = Image.new("RGB", (64, 64), "blue")
    image.paste("green", (32, 0, 64, 64))
    ready = canvas.panned(image, Direction.RIGHT, 0.5, multiple=8)
    assert ready.picture.getpixel((80, 32)) == (0, 128, 0)


def test_the_corners_have_colours_too() -> None:
    ready = canvas.zoomed_out(Image.new("RGB", (64, 64), "teal"), 8.0, Size(width=128, height=128))
    assert ready.picture.getcolors() == [(128 * 128, (0, 128, 128))]


@pytest.mark.parametrize("colour", [(40, 60, 200), (120, 20, 30), (250, 250, 250)])
@pytest.mark.parametrize(("edge", "scaled", "off"), [(300, 128, 1), (128, 304, 2)])
def test_no_line_is_left_around_what_is_transparent(
    edge: int, scaled: int, off: int, colour: tuple[int, int, int]
) -> None:
    """Lanczos overshoots where anything ends: a picture of one colour had brighter pixels around its hole."""
    hole = (edge // 4, edge // 4, edge * 3 // 4, edge * 3 // 4)
    photo, alpha = Image.new("RGB", (edge, edge), colour), Image.new("L", (edge, edge), 255)
    photo.paste("white", hole)
    alpha.paste(0, hole)
    photo.putalpha(alpha)
    cut = canvas.covering(photo, Size(width=scaled, height=scaled))
    kept = cut.getchannel("A").point(lambda level: 255 if level >= 128 else 0)
    same = Image.new("RGB", cut.size, colour)
    ready = Image.composite(canvas.opaque(cut), same, kept)
    extrema: Any = ImageChops.difference(ready, same).getextrema()
    assert max(most for _, most in extrema) <= off


def test_what_is_cut_to_size_keeps_its_details_beside_what_is_transparent() -> None:
    photo = spotted(256, 256)
    clear = photo.copy()
    clear.putalpha(Image.new("L", photo.size, 255))
    clear.paste((0, 0, 0, 0), (192, 192, 256, 256))
    size = Size(width=96, height=96)
    ready, whole = canvas.opaque(canvas.covering(clear, size)), canvas.covering(photo, size)
    left = (0, 0, 64, 96)
    assert ImageChops.difference(ready.crop(left), whole.crop(left)).getbbox() is None
