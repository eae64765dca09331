"""Looks at the pixels of a picture and says whether an adapter did its work."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from training.checker import NOT_BACKGROUND, to_lab

Mask = NDArray[np.bool_]
Number = TypeVar("Number", np.uint8, np.float64)

DARK, LIT = 70, 105
"""Of the brightest channel, 0..255: what is darker is the wall, what is brighter a tube."""
HOLLOW = 0.1
"""Share of what the tubes enclose that is dark; below it they are no tubes but plain things."""


def is_neon(picture: Image.Image) -> bool:
    """Whether things are drawn as bright tubes on a dark wall, dark inside."""
    light = np.asarray(picture.convert("RGB")).max(axis=2)
    enclosed = _enclosed(light)
    if np.median(_rim(light)) >= DARK or enclosed.mean() < 0.01:
        return False
    return bool((enclosed & (light < DARK)).sum() / enclosed.sum() >= HOLLOW)


def filled(picture: Image.Image) -> Image.Image:
    """A picture of tubes with what they enclose painted in their colour, so that the checker can read it."""
    rgb = np.array(picture.convert("RGB"))
    labels, count = ndimage.label(_enclosed(rgb.max(axis=2)))
    for number in range(1, count + 1):
        inside = labels == number
        shining = rgb[inside & (rgb.max(axis=2) >= LIT)]
        rgb[inside] = np.median(shining, axis=0)
    return Image.fromarray(rgb)


def things(picture: Image.Image) -> Mask:
    """Where a picture is not like most of its rim."""
    rgb = np.asarray(picture.convert("RGB"), np.float64)
    ground = np.median(_rim(rgb), axis=0)
    apart = np.linalg.norm(to_lab(rgb) - to_lab(ground), axis=-1) > NOT_BACKGROUND
    return np.asarray(ndimage.binary_opening(apart), bool)


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union; 0 if both are empty."""
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 0.0


def _enclosed(light: NDArray[np.uint8]) -> Mask:
    """The tubes and what is inside of them; a gap of a few pixels does not matter."""
    closed = ndimage.binary_closing(np.pad(light >= LIT, 4), iterations=3)[4:-4, 4:-4]
    return np.asarray(ndimage.binary_fill_holes(closed), bool)


def _rim(pixels: NDArray[Number]) -> NDArray[Number]:
    """The pixels of the outermost thirty-second, (n, ...)."""
    width = max(2, len(pixels) // 32)
    border = np.ones(pixels.shape[:2], bool)
    border[width:-width, width:-width] = False
    return pixels[border]
