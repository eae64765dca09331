"""Trains the autoencoder: pictures to latents of an eighth of the side, and back with sharp outlines."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from training.clock import Clock, load_checkpoint, log, save_checkpoint
from training.machine import Machine
from training.models import LATENT_CHANNELS, SIDE, Widths, new_autoencoder
from training.pictures import draw
from training.scenes import FULL_MIX, random_scene

CROP = 64
STRIDE = 8
"""Crops begin where latent cells and the blocks of pixel art do."""


class Pictures(IterableDataset[Tensor]):
    """Endless random training pictures, (3, 128, 128) uint8; a worker draws every n-th of them."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __iter__(self) -> Iterator[Tensor]:
        worker = get_worker_info()
        index, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        while True:
            rng = Random(self.seed * 1_000_003 + index)
            picture = draw(random_scene(rng, FULL_MIX, styled=0.3), rng)
            yield torch.from_numpy(np.array(picture)).permute(2, 0, 1)
            index += stride


def to_signed(pixels: Tensor) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return pixels.float().div(127.5).sub(1)


def train_autoencoder(
    folder: Path,
    machine: Machine,
    widths: Widths,
    *,
    minutes: float,
    seed: int,
) -> AutoencoderKL:
    """Trains or goes on training from `folder`/autoencoder.pt; returns it with standardised latents.

    Three batches of four are 64-pixel crops (more different pictures for the same work), the last fifth of
    the time only whole pictures. Loss: L1 + 2 L2 + half the L1 of gradients + a whisper of KL.
    """
    torch.manual_seed(seed)
    model = machine.place(new_autoencoder(widths))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.01)
    clock = Clock(minutes=minutes)
    path = folder / "autoencoder.pt"
    if kept := load_checkpoint(path):
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        clock.step, clock.seconds = kept["step"], kept["seconds"]
    batch = machine.autoencoder_batch
    pictures = iter(DataLoader(Pictures(seed + clock.step), batch_size=batch, num_workers=machine.workers))
    rng = Random(seed + clock.step)
    running = 0.1
    clock.rested()
    while not clock.done:
        pixels = to_signed(next(pictures).to(machine.device))
        if clock.progress > 0.8 or clock.step % 4 == 3:
            pixels = pixels[: max(1, batch // 4)]
        else:
            left, top = (rng.randrange(0, SIDE - CROP + 1, STRIDE) for _ in range(2))
            pixels = pixels[:, :, top : top + CROP, left : left + CROP]
        for group in optimiser.param_groups:
            group["lr"] = 1.5e-3 * clock.rate()
        loss = machine.team.backward(model, partial(_loss, model, machine), pixels.chunk(machine.parts))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        clock.tick()
        running += 0.02 * (loss - running)
        if clock.step % 100 == 0:
            log(folder, f"autoencoder {clock.progress:.0%} step {clock.step}: loss {running:.4f}")
            keep_checkpoint(path, model, optimiser, clock)
            clock.rested()
    keep_checkpoint(path, model, optimiser, clock)
    standardise(model, _sample(machine, seed=seed + 1, count=machine.samples))
    log(
        folder,
        f"autoencoder done: {clock.step} steps, {measure_autoencoder(model, machine):.2f} dB whole, unseen",
    )
    return model


def _loss(model: AutoencoderKL, machine: Machine, pixels: Tensor) -> Tensor:
    with machine.autocast():
        spread = model.encode(pixels).latent_dist
        drawn = model.decode(spread.sample()).sample
    latents = pixels[0, 0].numel() / 64 * LATENT_CHANNELS
    kl: Tensor = spread.kl().mean()
    return reconstruction_error(drawn.float(), pixels) + 1e-4 * kl / latents


def reconstruction_error(drawn: Tensor, pixels: Tensor) -> Tensor:
    loss = functional.l1_loss(drawn, pixels) + 2 * functional.mse_loss(drawn, pixels)
    for axis in (2, 3):
        loss = loss + 0.5 * functional.l1_loss(drawn.diff(dim=axis), pixels.diff(dim=axis))
    return loss


def keep_checkpoint(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, clock: Clock) -> None:
    content = {"model": model.state_dict(), "optimiser": optimiser.state_dict()}
    save_checkpoint(path, {**content, "step": clock.step, "seconds": clock.seconds})


def _sample(machine: Machine, *, seed: int, count: int) -> Tensor:
    return torch.stack([picture for picture, _ in zip(Pictures(seed), range(count), strict=False)]).to(
        machine.device
    )


@torch.no_grad()
def standardise(model: AutoencoderKL, pictures: Tensor) -> None:
    """Folds the latents' mean and deviation (one per channel) into the two 1 x 1 convolutions around them.

    Afterwards every channel has mean 0 and deviation 1 and scaling_factor 1.0 is right: the pipeline
    ignores `latents_mean` and `latents_std`.
    """
    means = torch.cat([model.encode(to_signed(part)).latent_dist.mean for part in torch.split(pictures, 32)])
    mean, deviation = means.mean(dim=(0, 2, 3)), means.std(dim=(0, 2, 3))
    into, out_of = model.quant_conv, model.post_quant_conv
    half = LATENT_CHANNELS
    into.weight[:half] /= deviation[:, None, None, None]
    into.bias[:half] = (into.bias[:half] - mean) / deviation
    into.bias[half:] -= 2 * deviation.log()  # log variance of the rescaled latent
    out_of.bias += out_of.weight[:, :, 0, 0] @ mean
    out_of.weight *= deviation[None, :, None, None]


@torch.no_grad()
def measure_autoencoder(model: AutoencoderKL, machine: Machine) -> float:
    """Peak signal to noise in dB of whole pictures that were not trained on."""
    pixels = to_signed(_sample(machine, seed=9_999, count=machine.samples // 8))
    drawn = model.decode(model.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
    return float(-10 * torch.log10((drawn - pixels).pow(2).mean() / 4))
