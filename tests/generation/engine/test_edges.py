"""The outlines of a picture are found without weights, and without torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from PIL import Image, ImageDraw

from generation.engine.edges import edges


def _scene() -> Image.Image:
    picture = Image.new("RGB", (64, 48), (30, 120, 60))
    ImageDraw.Draw(picture).rectangle((16, 8, 40, 32), fill=(220, 40, 40))
    return picture


def test_edges_are_white_where_a_shape_ends_and_black_elsewhere() -> None:
    found = edges(_scene())
    levels = np.asarray(found)
    assert (found.mode, found.size) == ("RGB", (64, 48))
    assert set(np.unique(levels)) == {0, 255}
    rows, columns = np.nonzero(levels[..., 0])
    assert abs(int(rows.min()) - 8) <= 1
    assert abs(int(rows.max()) - 32) <= 1
    assert abs(int(columns.min()) - 16) <= 1
    assert abs(int(columns.max()) - 40) <= 1
    assert not levels[12:28, 20:36].any()


def test_a_picture_of_one_colour_has_none() -> None:
    assert edges(Image.new("RGB", (32, 32), "teal")).getbbox() is None


def test_training_gets_them_without_torch() -> None:
    program = "import sys, generation.engine.edges; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
