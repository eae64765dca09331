"""The outlines of a picture, white on black: what an edge ControlNet is taught with and steered by."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

LOW, HIGH = 100, 200
"""Canny's two thresholds, those of ControlNet's own examples and of A1111's extension: an outline begins
where colour changes by more than HIGH and goes on as long as it changes by more than LOW."""


def edges(picture: Image.Image) -> Image.Image:
    """Where the colours of `picture` change steeply, in RGB of its size: 255 there, 0 elsewhere.

    Without torch, so that training can make as many as it needs. One pixel wide at the size of the picture:
    scale the picture first, not its edges.
    """
    found = cv2.Canny(np.asarray(picture.convert("RGB")), LOW, HIGH)
    return Image.fromarray(found, "L").convert("RGB")
