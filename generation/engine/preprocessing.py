"""Control pictures: made of a picture by a preprocessor, and brought into the size that is drawn."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from generation.controlfiles import Preprocessor
from generation.engine.edges import edges
from generation.engine.failures import CannotDraw
from generation.request import Size
from generation.sentence import say

FULL = 255
NOTHING_FOUND = {
    Preprocessor.EDGES: say("I found no edges in the picture, so nothing to go by; take a clearer one."),
    Preprocessor.LINEART: say("I found no lines in the picture, so nothing to go by; take a clearer one."),
}


def lineart(picture: Image.Image) -> Image.Image:
    """The lines of a picture in RGB of its size, white on black: what is darker than its surroundings.

    As A1111's and controlnet_aux's "standard" line art, which needs no weights.
    """
    levels = np.asarray(picture.convert("RGB")).astype(np.float32)
    darker = np.min(cv2.GaussianBlur(levels, (0, 0), 6.0) - levels, axis=2).clip(0, FULL)
    seen = darker[darker > 8]
    # On a picture without lines there is nothing of which to take the median.
    darker *= 127 / max(16.0, float(np.median(seen)) if seen.size else 0.0)
    return Image.fromarray(darker.clip(0, FULL).astype(np.uint8)).convert("RGB")


def found(picture: Image.Image, preprocessor: Preprocessor) -> Image.Image:
    """What a preprocessor without weights finds in a picture.

    Raises:
        CannotDraw: nothing.
    """
    made = edges(picture) if preprocessor is Preprocessor.EDGES else lineart(picture)
    if made.convert("L").point(lambda level: FULL if level > 8 else 0).getbbox() is None:
        raise CannotDraw(NOTHING_FOUND[preprocessor])
    return made


def in_size(control: Image.Image, size: Size) -> Image.Image:
    """A control picture in this size; one of nothing but black and white stays that."""
    if control.size == (size.width, size.height):
        return control
    scaled = control.resize((size.width, size.height), Image.Resampling.LANCZOS)
    if set(np.unique(np.asarray(control))) <= {
        0,
        FULL,
    }:  # lines that go grey are no edges to who learned them
        return scaled.point(lambda level: FULL if level >= 128 else 0)
    return scaled
