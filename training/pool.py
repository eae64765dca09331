"""Keeps the latents of training pictures, and goes on replacing the oldest with new ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.autoencoder import to_signed
from training.clock import load_checkpoint, save_checkpoint
from training.machine import Machine
from training.models import LATENT_CHANNELS, LATENT_SIDE
from training.pictures import draw
from training.scenes import FULL_MIX, PLAIN_MIX, Scene, random_scene

Numbered = tuple[int, Tensor]

STYLED, STARS = 0.2, 0.25
"""Shares of the pictures that have a style, and that hold a star whatever else would have been drawn."""


def begin_picture(seed: int, number: int, plain: int) -> tuple[Scene, Random]:
    """The scene of one numbered training picture, and the generator that goes on to draw it.

    The first `plain` pictures are mostly single plain shapes, which are learned first.
    """
    rng = Random(seed * 1_000_003 + number)
    simple = number < plain
    if simple:
        return random_scene(rng, PLAIN_MIX, styled=0.05), rng
    return random_scene(rng, FULL_MIX, styled=STYLED, stars=STARS), rng


class NumberedPictures(IterableDataset[Numbered]):
    """(number, (3, 128, 128) uint8), from `first` on without end; a worker draws every n-th."""

    def __init__(self, seed: int, first: int, plain: int) -> None:
        self.seed, self.first, self.plain = seed, first, plain

    def __iter__(self) -> Iterator[Numbered]:
        worker = get_worker_info()
        offset, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        number = self.first + offset
        while True:
            scene, rng = begin_picture(self.seed, number, self.plain)
            yield number, torch.from_numpy(np.array(draw(scene, rng))).permute(2, 0, 1)
            number += stride


class Pool:
    """At most `capacity` pictures as fp16 latents (8, 16, 16), each with the scene that it shows."""

    def __init__(
        self, autoencoder: AutoencoderKL, machine: Machine, *, seed: int, capacity: int, plain: int
    ) -> None:
        self.autoencoder, self.machine, self.seed, self.plain = autoencoder, machine, seed, plain
        self.latents = torch.zeros(
            (capacity, LATENT_CHANNELS, LATENT_SIDE, LATENT_SIDE), dtype=torch.float16, device=machine.device
        )
        self.scenes: list[Scene] = []
        self.numbers: list[int] = []
        self.drawn = 0
        self._pictures: Iterator[tuple[Tensor, Tensor]] | None = None

    @torch.no_grad()
    def grow(self, batches: int, *, batch: int) -> None:
        """Draws and encodes `batches` times `batch` pictures; in a full pool they replace the oldest."""
        if self._pictures is None:
            dataset = NumberedPictures(self.seed, self.drawn, self.plain)
            self._pictures = iter(DataLoader(dataset, batch_size=batch, num_workers=self.machine.workers))
        for _ in range(batches):
            numbers, pixels = next(self._pictures)
            with self.machine.autocast():
                means = self.autoencoder.encode(to_signed(pixels.to(self.machine.device))).latent_dist.mean
            for number, latent in zip(numbers.tolist(), means, strict=True):
                self._put(number, latent)

    def _put(self, number: int, latent: Tensor) -> None:
        scene, _ = begin_picture(self.seed, number, self.plain)
        place = self.drawn % len(self.latents)
        if place == len(self.scenes):
            self.scenes.append(scene)
            self.numbers.append(number)
        else:
            self.scenes[place], self.numbers[place] = scene, number
        self.latents[place] = latent
        self.drawn += 1

    def sample(self, count: int, rng: Random) -> tuple[list[Scene], Tensor]:
        places = [rng.randrange(len(self.scenes)) for _ in range(count)]
        return [self.scenes[place] for place in places], self.latents[places].float()

    def save(self, path: Path) -> None:
        kept = self.latents[: len(self.numbers)].cpu()
        save_checkpoint(path, {"latents": kept, "numbers": self.numbers, "drawn": self.drawn})

    def load(self, path: Path) -> bool:
        if not (kept := load_checkpoint(path)):
            return False
        self.numbers, self.drawn = list(kept["numbers"]), kept["drawn"]
        self.latents[: len(self.numbers)] = kept["latents"].to(self.latents.device)
        self.scenes = [begin_picture(self.seed, number, self.plain)[0] for number in self.numbers]
        return True
