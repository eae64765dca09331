"""Draws a scene: flat polygons at three times the size, reduced, then the style laid over it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Self, assert_never

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from training.scenes import (
    Colour,
    Group,
    Mood,
    Pair,
    Position,
    Scene,
    Shape,
    Single,
    Size,
    Style,
    Subject,
    View,
)

SIDE = 128
SUPERSAMPLING = 3
BLOCK = 8
"""Pixels of one block of pixel art."""
Rgb = tuple[int, int, int]
Point = tuple[float, float]

PALETTE: Mapping[Colour, Rgb] = {
    Colour.RED: (222, 36, 40),
    Colour.ORANGE: (247, 140, 28),
    Colour.YELLOW: (252, 217, 42),
    Colour.GREEN: (38, 158, 66),
    Colour.CYAN: (52, 205, 218),
    Colour.BLUE: (36, 76, 212),
    Colour.PURPLE: (128, 56, 176),
    Colour.PINK: (252, 148, 192),
    Colour.WHITE: (250, 250, 250),
    Colour.BLACK: (22, 22, 28),
}
RADII: Mapping[Size, tuple[float, float]] = {
    Size.SMALL: (0.125, 0.14),
    Size.MEDIUM: (0.2, 0.225),
    Size.BIG: (0.3, 0.33),
}
"""Half the extent of a single thing, as a share of the picture's side."""
PAIR_RADIUS, PAIR_SPREAD = (0.165, 0.19), 0.245
GROUP_RADIUS: Mapping[int, tuple[float, float]] = {2: (0.165, 0.19), 3: (0.155, 0.175), 4: (0.15, 0.17)}
GROUP_SPREAD: Mapping[int, float] = {2: 0.245, 3: 0.225, 4: 0.23}

SKY, NIGHT_SKY, SEA, GRASS = (150, 208, 246), (24, 26, 74), (38, 108, 196), (92, 176, 74)
SUNLIGHT, MOONLIGHT, WOOD, DARK = (255, 206, 46), (248, 240, 196), (128, 78, 42), (44, 36, 44)
PAPER = (248, 246, 241)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Draws in shares of the side, (0, 0) at the top left."""

    image: Image.Image
    pen: ImageDraw.ImageDraw

    @classmethod
    def blank(cls, colour: Rgb) -> Self:
        image = Image.new("RGB", (SIDE * SUPERSAMPLING,) * 2, colour)
        return cls(image=image, pen=ImageDraw.Draw(image))

    def polygon(self, points: Iterable[Point], colour: Rgb) -> None:
        scale = SIDE * SUPERSAMPLING
        self.pen.polygon([(x * scale - 0.5, y * scale - 0.5) for x, y in points], fill=colour)

    def disc(self, x: float, y: float, radius: float, colour: Rgb, *, squash: float = 1.0) -> None:
        self.polygon(((x + radius * a, y + radius * squash * b) for a, b in _ring()), colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Rgb) -> None:
        self.polygon(((left, top), (right, top), (right, bottom), (left, bottom)), colour)

    def shape(self, shape: Shape, x: float, y: float, radius: float, colour: Rgb) -> None:
        self.polygon(((x + radius * a, y + radius * b) for a, b in outline(shape)), colour)


def draw(scene: Scene, rng: Random, kind: type[Canvas] = Canvas) -> Image.Image:
    """A 128 x 128 RGB picture of the scene; `rng` decides shades, exact sizes and exact places.

    Another `kind` of canvas draws the same things in another way.
    """
    match scene:
        case Single():
            canvas = kind.blank(_shade(scene.background, rng, scene.style))
            radius = rng.uniform(*RADII[scene.size])
            x, y = place(scene.position, radius)
            x, y = x + rng.uniform(-0.012, 0.012), y + rng.uniform(-0.012, 0.012)
            canvas.shape(scene.thing.shape, x, y, radius, _shade(scene.thing.colour, rng, scene.style))
        case Pair():
            canvas = kind.blank(_shade(scene.background, rng, scene.style))
            for thing, position in zip((scene.first, scene.second), scene.relation.positions, strict=True):
                x, y = _spread(position, PAIR_SPREAD, rng)
                colour = _shade(thing.colour, rng, scene.style)
                canvas.shape(thing.shape, x, y, rng.uniform(*PAIR_RADIUS), colour)
        case Group():
            canvas = kind.blank(_shade(scene.background, rng, scene.style))
            colour = _shade(scene.thing.colour, rng, scene.style)
            radius = rng.uniform(*GROUP_RADIUS[scene.count])
            for position in scene.positions:
                x, y = _spread(position, GROUP_SPREAD[scene.count], rng)
                canvas.shape(scene.thing.shape, x, y, radius, colour)
        case View():
            canvas = _view(scene, rng, kind)
        case _:
            assert_never(scene)
    flat = canvas.image.reduce(SUPERSAMPLING)
    match scene.style:
        case Style.PLAIN | Style.NIGHT:
            return flat
        case Style.PIXEL_ART:
            small = canvas.image.resize((SIDE // BLOCK,) * 2, Image.Resampling.NEAREST)
            return small.resize((SIDE, SIDE), Image.Resampling.NEAREST)
        case Style.WATERCOLOR:
            return _watercolor(flat, rng)
        case Style.SKETCH:
            return _sketch(flat)
        case _:
            assert_never(scene.style)


def outline(shape: Shape) -> Sequence[Point]:
    """The polygon of a shape; the longer side of its box reaches from -1 to 1, centred, y downwards."""
    return _OUTLINES[shape]


def place(position: Position, radius: float) -> Point:
    """Where the centre of a single thing stands: as far out as its size allows."""
    column, row = position.offset
    reach = min(0.27, 0.46 - radius)
    return 0.5 + column * reach, 0.5 + row * reach


def _spread(position: Position, spread: float, rng: Random) -> Point:
    column, row = position.offset
    return 0.5 + column * spread + rng.uniform(-0.015, 0.015), 0.5 + row * spread + rng.uniform(-0.015, 0.015)


def _ring(steps: int = 44) -> list[Point]:
    return [(math.cos(a), math.sin(a)) for a in (2 * math.pi * i / steps for i in range(steps))]


def _boxed(points: Sequence[Point]) -> tuple[Point, ...]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    middle = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    half = max(max(xs) - min(xs), max(ys) - min(ys)) / 2
    return tuple(((x - middle[0]) / half, (y - middle[1]) / half) for x, y in points)


def _star() -> list[Point]:
    angles = [math.pi * i / 5 - math.pi / 2 for i in range(10)]
    return [(r * math.cos(a), r * math.sin(a)) for a, r in zip(angles, (1.0, 0.42) * 5, strict=True)]


def _heart() -> list[Point]:
    ts = [2 * math.pi * i / 44 for i in range(44)]
    return [
        (
            16 * math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
        )
        for t in ts
    ]


def _cross(arm: float = 0.34) -> list[Point]:
    return [
        (-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm),
        (arm, 1), (-arm, 1), (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm),
    ]  # fmt: skip


_OUTLINES: Mapping[Shape, tuple[Point, ...]] = {
    Shape.CIRCLE: _boxed(_ring()),
    Shape.SQUARE: tuple((0.92 * x, 0.92 * y) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))),
    Shape.TRIANGLE: _boxed([(0, -0.9), (1, 0.9), (-1, 0.9)]),
    Shape.STAR: _boxed(_star()),
    Shape.HEART: _boxed(_heart()),
    Shape.CROSS: _boxed(_cross()),
}


def _shade(colour: Colour, rng: Random, style: Style = Style.PLAIN) -> Rgb:
    if style is Style.SKETCH and colour is Colour.WHITE:
        return PAPER
    return _jitter(PALETTE[colour], rng)


def _jitter(rgb: Rgb, rng: Random, amount: float = 7.0) -> Rgb:
    light = rng.uniform(-amount, amount)
    red, green, blue = (
        min(255, max(0, round(channel + light + rng.uniform(-amount, amount) / 2))) for channel in rgb
    )
    return red, green, blue


def _mixed(rgb: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(rgb, other, strict=True))
    return red, green, blue


def _view(scene: View, rng: Random, kind: type[Canvas]) -> Canvas:
    night = scene.style is Style.NIGHT
    bare = scene.style is Style.SKETCH
    sky = PAPER if bare else _jitter(NIGHT_SKY if night or scene.subject is Subject.MOON else SKY, rng)
    if scene.background is not None:
        sky = _shade(scene.background, rng, scene.style)

    def lit(rgb: Rgb) -> Rgb:
        return _mixed(_jitter(rgb, rng), NIGHT_SKY, 0.5) if night else _jitter(rgb, rng)

    canvas = kind.blank(sky)
    main = lit(PALETTE[scene.colour])
    if night:
        _stars(canvas, rng, 9)
        canvas.disc(0.84, 0.16, 0.07, MOONLIGHT)
    drift = rng.uniform(-0.03, 0.03)
    ground = PAPER if bare else lit(GRASS)
    match scene.subject:
        case Subject.SUN:
            canvas.disc(0.5 + drift * 5, 0.32, rng.uniform(0.14, 0.17), _jitter(SUNLIGHT, rng))
            canvas.disc(0.22 + drift, 1.05, 0.5, _mixed(main, DARK, 0.18), squash=0.78)
            canvas.disc(0.8 + drift, 1.1, 0.52, main, squash=0.8)
        case Subject.HOUSE:
            _house(canvas, main, lit, ground, drift, night=night)
        case Subject.TREE:
            canvas.box(0, 0.8, 1, 1, ground)
            canvas.box(0.45 + drift, 0.5, 0.55 + drift, 0.86, lit(WOOD))
            for x, y, radius in (
                (0.36, 0.42, 0.17),
                (0.64, 0.42, 0.17),
                (0.5, 0.27, 0.18),
                (0.5, 0.45, 0.17),
            ):
                canvas.disc(x + drift, y, radius, main)
        case Subject.BOAT:
            canvas.box(0, 0.72, 1, 1, PAPER if bare else lit(SEA))
            canvas.box(0.48 + drift, 0.16, 0.515 + drift, 0.68, lit(WOOD))
            canvas.polygon(((x + drift, y) for x, y in ((0.535, 0.16), (0.84, 0.58), (0.535, 0.58))), main)
            canvas.polygon(((x + drift, y) for x, y in ((0.46, 0.24), (0.46, 0.58), (0.24, 0.58))), main)
            hull = ((0.16, 0.64), (0.86, 0.64), (0.74, 0.8), (0.28, 0.8))
            canvas.polygon(((x + drift, y) for x, y in hull), lit(WOOD))
        case Subject.MOON:
            glow = _jitter(MOONLIGHT if scene.colour is Colour.WHITE else (255, 224, 110), rng)
            _stars(canvas, rng, 12)
            canvas.disc(0.5 + drift * 4, 0.42, 0.23, _mixed(glow, DARK, 0.35) if bare else glow)
            if scene.mood is Mood.CRESCENT:
                canvas.disc(0.6 + drift * 4, 0.37, 0.2, sky)
        case Subject.FLOWER:
            canvas.box(0.475 + drift, 0.5, 0.525 + drift, 0.95, _leaf(scene))
            canvas.polygon(
                ((x + drift, y) for x, y in ((0.51, 0.86), (0.6, 0.72), (0.74, 0.7), (0.66, 0.82))),
                _leaf(scene),
            )
            for a, b in _ring(6):
                canvas.disc(0.5 + drift + 0.17 * a, 0.36 + 0.17 * b, 0.125, main)
            canvas.disc(0.5 + drift, 0.36, 0.1, _jitter(SUNLIGHT, rng))
        case Subject.FACE:
            canvas.disc(0.5, 0.5, 0.36, main)
            for x in (0.38, 0.62):
                canvas.disc(x, 0.42, 0.055, DARK, squash=1.25)
            _mouth(canvas, happy=scene.mood is Mood.HAPPY)
        case _:
            assert_never(scene.subject)
    return canvas


def _house(
    canvas: Canvas, wall: Rgb, lit: Callable[[Rgb], Rgb], ground: Rgb, drift: float, *, night: bool
) -> None:
    canvas.box(0, 0.8, 1, 1, ground)
    canvas.box(0.24 + drift, 0.44, 0.76 + drift, 0.86, wall)
    canvas.polygon(((x + drift, y) for x, y in ((0.16, 0.46), (0.5, 0.16), (0.84, 0.46))), lit((150, 62, 44)))
    canvas.box(0.56 + drift, 0.6, 0.69 + drift, 0.86, lit(WOOD))
    window = (255, 214, 90) if night else (206, 234, 250)
    canvas.box(0.31 + drift, 0.55, 0.46 + drift, 0.7, window)


def _leaf(scene: View) -> Rgb:
    return (24, 110, 50) if scene.background is not Colour.GREEN else (14, 74, 34)


def _mouth(canvas: Canvas, *, happy: bool) -> None:
    if happy:
        arc = [(0.2 * math.cos(a), 0.2 * math.sin(a)) for a in (math.pi * i / 20 for i in range(21))]
        canvas.polygon(((0.5 + x, 0.56 + y) for x, y in arc), DARK)
    else:
        bow = [math.pi * (0.1 + 0.8 * i / 20) for i in range(21)]
        arc = [(0.19 * math.cos(a), -0.19 * math.sin(a)) for a in bow]
        arc += [(0.14 * math.cos(a), -0.14 * math.sin(a)) for a in reversed(bow)]
        canvas.polygon(((0.5 + x, 0.78 + y) for x, y in arc), DARK)


def _stars(canvas: Canvas, rng: Random, count: int) -> None:
    for _ in range(count):
        canvas.disc(rng.uniform(0.04, 0.96), rng.uniform(0.04, 0.6), rng.uniform(0.01, 0.016), MOONLIGHT)


def _watercolor(flat: Image.Image, rng: Random) -> Image.Image:
    """Pale pigment of uneven strength on white paper, pooled a little darker along the edges."""
    soft = np.asarray(flat.filter(ImageFilter.GaussianBlur(1.1)), np.float32)
    wide = np.asarray(flat.filter(ImageFilter.GaussianBlur(5)), np.float32)
    edge = np.abs(soft - wide).mean(axis=2, keepdims=True)
    seeds = np.random.default_rng(rng.getrandbits(32)).normal(0, 1, (6, 6)).astype(np.float32)
    wash = np.asarray(Image.fromarray(seeds).resize((SIDE, SIDE), Image.Resampling.BICUBIC))[..., None]
    strength = np.clip(0.68 + 0.09 * wash, 0.4, 0.92)
    return _to_image(255 - (255 - soft) * strength - 0.35 * edge)


def _sketch(flat: Image.Image) -> Image.Image:
    """Dark outlines on paper, filled with a light hatching of the colour; every eighth diagonal is a line."""
    base = np.asarray(flat, np.float32)
    paper = np.array(PAPER, np.float32)
    ys, xs = np.mgrid[0:SIDE, 0:SIDE]
    line = (((xs + ys) % BLOCK) < 3)[..., None]
    fill = np.where(line, 0.9 * base + 0.1 * paper, 0.35 * base + 0.65 * paper)
    step = np.maximum(
        np.abs(np.diff(base, axis=0, append=base[-1:])).sum(axis=2),
        np.abs(np.diff(base, axis=1, append=base[:, -1:])).sum(axis=2),
    )
    ink = Image.fromarray((np.clip(step * 2.2, 0, 255)).astype(np.uint8)).filter(ImageFilter.MaxFilter(3))
    dark = np.asarray(ink, np.float32)[..., None] / 255
    return _to_image(fill * (1 - dark) + np.array((62, 60, 66), np.float32) * dark)


def _to_image(pixels: NDArray[np.floating[Any]]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
