"""A picture on its way through an upscaler, a tile at a time, so that a small device can do it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageChops

from generation.canvas import covering
from generation.engine.failures import CannotDraw
from generation.engine.upscalers import TILE, Upscaler
from generation.request import Size
from generation.sentence import say

LEAST_TILE = 64
"""Pixels along the edge of a tile, before it is enlarged."""
OVERLAP = 32
"""Of these pixels, how many two neighbours have in common at least; what is further away hardly counts."""
MAX_PASSES = 3
MAX_PIXELS = 120_000_000
"""Of a picture as it leaves the upscaler, before it is brought to its size: 360 MB."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Where a tile lies in its pass, and by how much those before it reach into it; pixels of the input."""

    number: int
    """Of the pass."""
    left: int
    top: int
    width: int
    height: int
    from_left: int
    from_above: int


class Enlargement:
    """Makes an RGB picture as large as `size` at least, by as many passes as that takes, then exactly that.

    As A1111's extras do: each pass is the whole upscaler, what is too large then is scaled down with Lanczos.
    Beyond that the picture is cut evenly, since its edges need not have the proportions of `size`.
    """

    def __init__(self, upscaler: Upscaler, picture: Image.Image, size: Size, *, tile: int = TILE) -> None:
        """
        Raises:
            CannotDraw: the upscaler makes more of it than there is room for.
        """
        self._upscaler = upscaler
        self._first = self._picture = picture
        self._size = size
        self.tile = tile
        passes = list(_passes(picture.size, size, upscaler))
        self._tiles = [each for number, (w, h) in enumerate(passes) for each in _tiles(number, w, h, tile)]
        self._next = 0
        self._canvas: Image.Image | None = None

    @property
    def steps(self) -> int:
        """Tiles of all passes."""
        return len(self._tiles)

    @property
    def step(self) -> int:
        """Tiles that are done."""
        return self._next

    @property
    def done(self) -> bool:
        return self._next == len(self._tiles)

    def smaller(self) -> Enlargement | None:
        """The same from the beginning with tiles half as large; None if they are as small as they can be.

        From the beginning: which pixels come from which tile is then said by one number.
        """
        if self.tile // 2 < LEAST_TILE:
            return None
        return Enlargement(self._upscaler, self._first, self._size, tile=self.tile // 2)

    @torch.inference_mode()
    def advance(self) -> None:
        """Do the next tile."""
        tile, scale = self._tiles[self._next], self._upscaler.scale
        if self._canvas is None:
            self._canvas = Image.new("RGB", (self._picture.width * scale, self._picture.height * scale))
        box = tile.left, tile.top, tile.left + tile.width, tile.top + tile.height
        enlarged = _enlarged(self._upscaler, self._picture.crop(box))
        mask = _mask(enlarged.size, tile.from_left * scale, tile.from_above * scale)
        self._canvas.paste(enlarged, (tile.left * scale, tile.top * scale), mask)
        self._next += 1
        if not self.done and self._tiles[self._next].number > tile.number:
            self._picture, self._canvas = self._canvas, None

    def result(self) -> Image.Image:
        """The picture in its size, once it is done. Slow: a second for a large one."""
        assert self._canvas is not None, "it is not done"
        return covering(self._canvas, self._size)


def _passes(edges: tuple[int, int], size: Size, upscaler: Upscaler) -> Iterator[tuple[int, int]]:
    """The edges of what goes into each pass."""
    width, height = edges
    for number in range(MAX_PASSES):
        if number and width >= size.width and height >= size.height:
            return
        if width * height * upscaler.scale**2 > MAX_PIXELS:
            raise CannotDraw(
                say(
                    "{upscaler} makes pictures {scale} times as large, which of {width}x{height} "
                    "would be more pixels than I have room for; choose a smaller picture or a smaller "
                    "upscaler.",
                    upscaler=upscaler.name,
                    scale=upscaler.scale,
                    width=width,
                    height=height,
                )
            )
        yield width, height
        width, height = width * upscaler.scale, height * upscaler.scale


def _tiles(number: int, width: int, height: int, edge: int) -> Iterator[Tile]:
    columns, rows = _places(width, edge), _places(height, edge)
    for above, (top, tall) in zip((None, *rows), rows, strict=False):
        for before, (left, wide) in zip((None, *columns), columns, strict=False):
            yield Tile(
                number,
                left,
                top,
                wide,
                tall,
                from_left=0 if before is None else sum(before) - left,
                from_above=0 if above is None else sum(above) - top,
            )


def _places(length: int, edge: int) -> Sequence[tuple[int, int]]:
    """Where tiles begin along one side, and how long they are: evenly spread, OVERLAP in common at least."""
    if length <= edge:
        return [(0, length)]
    overlap = min(OVERLAP, edge // 4)
    count = math.ceil((length - overlap) / (edge - overlap))
    return [(round(index * (length - edge) / (count - 1)), edge) for index in range(count)]


def _enlarged(upscaler: Upscaler, picture: Image.Image) -> Image.Image:
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    enlarged = upscaler(pixels)[0]
    if not bool(torch.isfinite(enlarged).all()):
        raise CannotDraw(
            say(
                "{upscaler} made nothing of this: its numbers ran away. Choose another one.",
                upscaler=upscaler.name,
            )
        )
    levels = enlarged.clamp(0, 1).mul(255).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())


def _mask(edges: tuple[int, int], from_left: int, from_above: int) -> Image.Image | None:
    """How much of a tile goes over what is there: none to all within the middle quarter of each overlap."""
    if not from_left and not from_above:
        return None
    across = Image.fromarray(np.repeat(_ramp(edges[0], from_left)[None], edges[1], axis=0))
    down = Image.fromarray(np.repeat(_ramp(edges[1], from_above)[:, None], edges[0], axis=1))
    return ImageChops.multiply(across, down)


def _ramp(length: int, overlap: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    places = np.arange(length, dtype=np.float32) + 0.5
    share = np.clip((places - overlap * 3 / 8) / max(overlap / 4, 1e-6), 0, 1) if overlap else np.ones(length)
    levels: np.ndarray[tuple[int], np.dtype[np.uint8]] = np.round(255 * share).astype(np.uint8)
    return levels
