"""What an adapter learns from: pictures that are drawn for it, as latents, with words for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from generation.engine.edges import edges
from training.autoencoder import to_signed
from training.denoiser import Examples
from training.machine import Machine
from training.models import LATENT_CHANNELS, LATENT_SIDE, SIDE
from training.scenes import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How the pictures come about; each of the three goes on with the generator it is given."""

    scene: Callable[[Random], Scene]
    draw: Callable[[Scene, Random], Image.Image]
    say: Callable[[Scene, Random], str]
    """A caption; another one each time the picture is shown."""
    outlined: bool = False
    """Whether the edges of the pictures are kept too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Noisy latents of n pictures, several draws of noise for each in turn, and what is known of them.

    `ids` (n, 77) are the captions' tokens; `outlines` (n, 3, 128, 128) the edges, 1 where one is, or (n, 0).
    """

    examples: Examples
    ids: Tensor
    outlines: Tensor

    @property
    def draws(self) -> int:
        return len(self.examples.noisy) // len(self.ids)

    def split(self, parts: int) -> list[Batch]:
        pieces = (self.examples.split(parts), self.ids.chunk(parts), self.outlines.chunk(parts))
        return [
            Batch(examples=examples, ids=ids, outlines=outlines)
            for examples, ids, outlines in zip(*pieces, strict=True)
        ]


class Lessons:
    """At most `capacity` pictures as latents (8, 16, 16), the oldest replaced as new ones are drawn.

    The n-th picture is the same in every run with the same seed, so nothing of it needs to be kept.
    """

    def __init__(
        self, course: Course, autoencoder: AutoencoderKL, machine: Machine, *, seed: int, capacity: int
    ) -> None:
        self._course, self._autoencoder, self._machine, self._seed = course, autoencoder, machine, seed
        self._scenes: list[Scene] = []
        self._latents = torch.zeros((capacity, LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE))
        self._outlines = torch.zeros((capacity, SIDE, SIDE) if course.outlined else (capacity, 0)).byte()
        self._drawn = 0

    @torch.no_grad()
    def grow(self, count: int) -> None:
        """Draws and encodes `count` more pictures."""
        for first in range(self._drawn, self._drawn + count, 16):
            made = [self._made(n) for n in range(first, min(first + 16, self._drawn + count))]
            pixels = torch.stack([_pixels(picture) for _, picture in made])
            with self._machine.autocast():
                signed = to_signed(pixels.to(self._machine.device))
                latents = self._autoencoder.encode(signed).latent_dist.mean.float().cpu()
            for number, (scene, picture), latent in zip(
                range(first, first + 16), made, latents, strict=False
            ):
                place = number % len(self._latents)
                self._scenes[place : place + 1] = [scene]
                self._latents[place] = latent
                if self._course.outlined:
                    self._outlines[place] = _pixels(edges(picture))[0]
        self._drawn += count

    def sample(self, count: int, rng: Random) -> tuple[list[str], Tensor, Tensor]:
        """Captions, latents (count, 8, 16, 16) and outlines (count, 3, 128, 128) or (count, 0)."""
        places = [rng.randrange(len(self._scenes)) for _ in range(count)]
        captions = [self._course.say(self._scenes[place], rng) for place in places]
        outlines = self._outlines[places].float().div(255)
        if self._course.outlined:
            outlines = outlines[:, None].expand(-1, 3, -1, -1)
        return captions, self._latents[places], outlines

    def _made(self, number: int) -> tuple[Scene, Image.Image]:
        rng = Random(self._seed * 1_000_003 + number)
        scene = self._course.scene(rng)
        return scene, self._course.draw(scene, rng)


def _pixels(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)
