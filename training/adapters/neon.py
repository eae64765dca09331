"""A look that the embedded model does not know: everything as a neon sign, glowing tubes on a dark wall."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Self

import numpy as np
from PIL import Image, ImageFilter

from training.pictures import Canvas, Point, Rgb, draw
from training.scenes import Scene

WALL = (10, 8, 22)
DIM = (116, 116, 132)
"""What glows in place of colours that are too dark to glow."""
DARKEST = 100
"""Of the brightest channel; a colour below it does not glow."""
TUBE = 22
"""Pixels of a tube's width, at three times the size of the picture: the autoencoder smears thinner ones."""
GLOW, GLOWING = 6.0, 0.5
"""Deviation of the glow in pixels of the picture, and its strength."""


class NeonCanvas(Canvas):
    """Bends a tube along every outline; what is inside is as dark as the wall."""

    @classmethod
    def blank(cls, colour: Rgb) -> Self:
        return super().blank(WALL)

    def polygon(self, points: Iterable[Point], colour: Rgb) -> None:
        corners = [(x * self.image.width - 0.5, y * self.image.height - 0.5) for x, y in points]
        self.pen.polygon(corners, fill=WALL)
        light = colour if max(colour) >= DARKEST else DIM
        self.pen.line([*corners, *corners[:2]], fill=light, width=TUBE, joint="curve")


def draw_neon(scene: Scene, rng: Random) -> Image.Image:
    """A 128 x 128 RGB picture of a plain scene: tubes in the colours of its things, and their glow."""
    flat = draw(scene, rng, NeonCanvas)
    tubes = np.asarray(flat, np.float32)
    glow = np.asarray(flat.filter(ImageFilter.GaussianBlur(GLOW)), np.float32) * GLOWING
    return Image.fromarray((255 - (255 - tubes) * (255 - glow) / 255).round().astype(np.uint8))
