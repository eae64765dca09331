"""Looks at the pixels of a plain picture and says what it sees, knowing nothing of how it was made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from training.pictures import PALETTE, RADII, outline, place
from training.scenes import Colour, Group, Pair, Position, Scene, Shape, Single, Size, Thing, View

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

NOT_BACKGROUND = 20.0
"""Distance in CIELAB from which a pixel belongs to a thing."""
SMALLEST_THING = 0.004
"""Share of the picture; specks below it are not things."""
LIKENESS = 0.72
"""Overlap with the ideal outline from which a thing counts as that shape; see :func:`_likeness`."""
LARGEST_EXTENT = 0.42
"""Half the side of the largest thing; what reaches further is a spoiled picture, whatever its outline."""
GRID = 60
"""Cells each way in which outlines are compared."""
RIM = 1.5
"""The grid reaches so much further than the ideal, since what reaches further is no part of the shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One thing: centre and half extent are shares of the side; `shape` is None if it is like none."""

    colour: Colour
    shape: Shape | None
    x: float
    y: float
    extent: float

    @property
    def size(self) -> Size:
        small, medium = RADII[Size.SMALL][1], RADII[Size.MEDIUM]
        if self.extent < (small + 0.92 * medium[0]) / 2:  # a square reaches 0.92 of its radius
            return Size.SMALL
        return Size.MEDIUM if self.extent < (medium[1] + 0.92 * RADII[Size.BIG][0]) / 2 else Size.BIG

    @property
    def position(self) -> Position:
        reach = place(Position.BOTTOM_RIGHT, self.extent)[0] - 0.5
        column, row = (round(max(-1.0, min(1.0, (at - 0.5) / reach))) for at in (self.x, self.y))
        return next(p for p in Position if p.offset == (column, row))

    def is_like(self, thing: Thing) -> bool:
        return self.colour == thing.colour and self.shape == thing.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    background: Colour
    things: tuple[Seen, ...]
    """Biggest first."""


def look(picture: Image.Image) -> Sight:
    """What a square picture shows: its background and every connected thing on it."""
    rgb = np.asarray(picture.convert("RGB"))
    side = rgb.shape[0]
    rim = max(2, side // 32)
    border = np.ones(rgb.shape[:2], bool)
    border[rim:-rim, rim:-rim] = False
    ground = np.median(rgb[border], axis=0)
    apart = np.linalg.norm(to_lab(rgb) - to_lab(ground), axis=-1) > NOT_BACKGROUND
    labels, count = ndimage.label(ndimage.binary_opening(apart))
    masks = [labels == number for number in range(1, count + 1)]
    masks = sorted((m for m in masks if m.mean() >= SMALLEST_THING), key=lambda m: -int(m.sum()))
    return Sight(background=nearest_colour(ground), things=tuple(_see(mask, rgb) for mask in masks))


def judge(scene: Scene, picture: Image.Image | Sight) -> Mapping[str, bool]:
    """Which attributes that the scene's full caption names are right in the picture, or in what it shows.

    Keys: background; colour and shape of every thing; position and size (of single things, where they are not
    the usual ones, which the caption leaves out); count (one for a single thing); pair (both things right,
    apart, and standing as told); and all of them as `all`.
    """
    sight = look(picture) if isinstance(picture, Image.Image) else picture
    things = sight.things
    match scene:
        case Single():
            first = things[0] if things else None
            verdict = {
                "background": sight.background == scene.background,
                "colour": first is not None and first.colour == scene.thing.colour,
                "shape": first is not None and first.shape == scene.thing.shape,
                "count": len(things) == 1,
            }
            if scene.position is not Position.CENTER:
                verdict["position"] = first is not None and first.position == scene.position
            if scene.size is not Size.MEDIUM:
                verdict["size"] = first is not None and first.size == scene.size
        case Group():
            verdict = {
                "background": sight.background == scene.background,
                "colour": bool(things) and all(t.colour == scene.thing.colour for t in things),
                "shape": bool(things) and all(t.shape == scene.thing.shape for t in things),
                "count": len(things) == scene.count,
            }
        case Pair():
            verdict = {
                "background": sight.background == scene.background,
                "pair": len(things) == 2 and any(_stand(scene, a, b) for a, b in (things, things[::-1])),
            }
        case View():
            raise ValueError("The checker judges things on flat backgrounds; scenes are for the eye.")
        case _:
            assert_never(scene)
    return {**verdict, "all": all(verdict.values())}


def _stand(pair: Pair, first: Seen, second: Seen) -> bool:
    """Whether the two are the pair's things, with the first where the relation puts it."""
    (ax, ay), (bx, by) = (position.offset for position in pair.relation.positions)
    if not (first.is_like(pair.first) and second.is_like(pair.second)):
        return False
    along = (first.x - second.x) * (ax - bx) + (first.y - second.y) * (ay - by)
    return along / 2 > 0.2


def nearest_colour(rgb: Floats) -> Colour:
    distances = np.linalg.norm(_palette_lab() - to_lab(rgb), axis=1)
    return tuple(PALETTE)[int(distances.argmin())]


def to_lab(rgb: Floats | Pixels) -> Floats:
    """sRGB (..., 3) in 0..255 to CIELAB under D65 (IEC 61966-2-1, CIE 15)."""
    linear = _linear_bytes()[rgb] if rgb.dtype == np.uint8 else _linear(rgb)
    to_xyz = np.array(
        (
            (0.4124564, 0.3575761, 0.1804375),
            (0.2126729, 0.7151522, 0.0721750),
            (0.0193339, 0.1191920, 0.9503041),
        )
    )
    xyz = linear @ to_xyz.T / np.array((0.95047, 1.0, 1.08883))
    root = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def _linear(rgb: Floats | Pixels) -> Floats:
    share = rgb / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


@cache
def _linear_bytes() -> Floats:
    """Of each value that a pixel may have: a picture has far more pixels than there are values."""
    return _linear(np.arange(256, dtype=np.float64))


@cache
def _palette_lab() -> Floats:
    return to_lab(np.array(list(PALETTE.values()), np.float64))


def _see(mask: Mask, rgb: Pixels) -> Seen:
    side = mask.shape[0]
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    x, y = (left + right) / 2, (top + bottom) / 2
    extent = max(right - left, bottom - top) / 2
    box = slice(top, bottom), slice(left, right)
    mask, rgb = mask[box], rgb[box]
    core = ndimage.binary_erosion(mask, iterations=2)
    colour = nearest_colour(np.median(rgb[core if core.any() else mask], axis=0))
    likeness = _likeness(mask)
    best = max(likeness, key=lambda shape: likeness[shape])
    fills_picture = extent / side > LARGEST_EXTENT
    shape = best if likeness[best] >= LIKENESS and not fills_picture else None
    return Seen(colour=colour, shape=shape, x=x / side, y=y / side, extent=extent / side)


def _likeness(mask: Mask) -> Mapping[Shape, float]:
    """Overlap (intersection over union) of a thing with each shape of the same area and centre of gravity.

    Not of the same box: a star that lost its outermost tips has a smaller box, and would be laid beside a
    star much smaller than itself.
    """
    filled = ndimage.binary_fill_holes(mask)
    middle_y, middle_x = ndimage.center_of_mass(filled)
    likeness = {}
    for shape, ideal in _ideals().items():
        reach = math.sqrt(filled.sum() / ideal.mask.mean()) / 2
        at = (np.arange(GRID) + 0.5) / GRID * 2 - 1
        there = _at(filled, middle_y + 0.5 + (at - ideal.y) * reach, middle_x + 0.5 + (at - ideal.x) * reach)
        likeness[shape] = float((there & ideal.mask).sum() / (there | ideal.mask).sum())
    return likeness


def _at(mask: Mask, ys: Floats, xs: Floats) -> Mask:
    """The mask at these rows and columns; there is nothing outside of the picture."""
    rows, columns = (np.floor(each).astype(int) for each in (ys, xs))
    height, width = mask.shape
    inside: Mask = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    there: Mask = mask[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    return inside & there


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ideal:
    mask: Mask
    """On a grid from -1 to 1 both ways, of which the shape leaves the rim free."""
    x: float
    y: float
    """Its centre of gravity."""


@cache
def _ideals() -> Mapping[Shape, _Ideal]:
    """Every shape, drawn so that the longer side of its box is 1 / RIM of the grid."""
    ideals = {}
    for shape in Shape:
        image = Image.new("1", (GRID * 8, GRID * 8))
        scaled = [((x / RIM + 1) * GRID * 4, (y / RIM + 1) * GRID * 4) for x, y in outline(shape)]
        ImageDraw.Draw(image).polygon(scaled, fill=1)
        mask = np.asarray(image)[4::8, 4::8].astype(bool)
        y, x = ((each + 0.5) / GRID * 2 - 1 for each in ndimage.center_of_mass(mask))
        ideals[shape] = _Ideal(mask=mask, x=x, y=y)
    return ideals
