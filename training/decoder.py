"""Goes on training the decoder on latents of the finished denoiser, from which its pictures come."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from training.autoencoder import keep_checkpoint, measure_autoencoder, reconstruction_error, to_signed
from training.captions import full_caption
from training.clock import Clock, load_checkpoint, log
from training.machine import Machine
from training.models import SCHEDULER
from training.pictures import draw
from training.scenes import FULL_MIX, random_scene
from training.text import tokenize

RATE = 6e-4
STARS, STYLED = 0.4, 0.1
"""Shares of the pictures that hold a star (the hardest to draw), and that have a style."""
TRUE_SHARE = 0.3
"""Share of a batch whose latents are the encoder's own."""
RESTART = (30, 450)
"""The times (of 1000) to which a picture is noised; from later ones the denoiser would draw another one."""
REDRAW_STEPS, REDRAW_GUIDANCE = 4, 2.5
RESERVOIR = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Denoiser:
    """What draws latents from captions."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    unet: UNet2DConditionModel


def polish_decoder(
    folder: Path, machine: Machine, model: AutoencoderKL, denoiser: Denoiser, *, minutes: float, seed: int
) -> AutoencoderKL:
    """Trains the decoder alone, from `folder`/decoder.pt on; the latents, and so the denoiser, stay.

    True pictures are encoded, noised, and denoised again: from that the decoder learns to draw the clean
    outline where the denoiser smears one.
    """
    torch.manual_seed(seed)
    model.requires_grad_(False)
    learned = nn.ModuleDict({"post_quant_conv": model.post_quant_conv, "decoder": model.decoder})
    learned.requires_grad_(True)
    optimiser = torch.optim.AdamW(learned.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.01)
    clock = Clock(minutes=minutes)
    path = folder / "decoder.pt"
    if kept := load_checkpoint(path):
        learned.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        clock.step, clock.seconds = kept["step"], kept["seconds"]
    torch.manual_seed(seed + clock.step)
    rng = Random(seed + clock.step)
    batch = max(4, machine.autoencoder_batch // 4)
    fresh = max(1, batch // 4)
    reservoir: list[tuple[Tensor, Tensor]] = []

    def drawn_anew(count: int) -> list[tuple[Tensor, Tensor]]:
        """Pairs of a picture (3, 128, 128) uint8 and latents (8, 16, 16)."""
        scenes = [random_scene(rng, FULL_MIX, styled=STYLED, stars=STARS) for _ in range(count)]
        pixels = torch.stack(
            [torch.from_numpy(np.array(draw(scene, rng))).permute(2, 0, 1) for scene in scenes]
        )
        with machine.autocast(), torch.no_grad():
            latents = model.encode(to_signed(pixels.to(machine.device))).latent_dist.mean.float()
            changed = redraw(denoiser, [full_caption(scene) for scene in scenes], latents)
        keeps = torch.rand(count, 1, 1, 1, device=latents.device) < TRUE_SHARE
        return list(zip(pixels, torch.where(keeps, latents, changed), strict=True))

    def loss_of(part: tuple[Tensor, Tensor]) -> Tensor:
        pixels, latents = part
        with machine.autocast():
            drawn = model.decode(latents).sample
        return reconstruction_error(drawn.float(), pixels)

    while len(reservoir) < 4 * batch:
        reservoir += drawn_anew(batch)
    running = 0.1
    coming = machine.team.begin(lambda: drawn_anew(fresh))
    clock.rested()
    while not clock.done:
        reservoir = [*reservoir[-(RESERVOIR - fresh) :], *coming.result()]
        coming = machine.team.begin(lambda: drawn_anew(fresh))
        chosen = [
            reservoir[Random(seed + clock.step * batch + at).randrange(len(reservoir))] for at in range(batch)
        ]
        pixels = to_signed(torch.stack([pixels for pixels, _ in chosen]).to(machine.device))
        latents = torch.stack([latents for _, latents in chosen])
        for group in optimiser.param_groups:
            group["lr"] = RATE * clock.rate()
        parts = list(zip(pixels.chunk(machine.parts), latents.chunk(machine.parts), strict=True))
        loss = machine.team.backward(learned, loss_of, parts)
        torch.nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        clock.tick()
        running += 0.02 * (loss - running)
        if clock.step % 100 == 0:
            log(folder, f"decoder {clock.progress:.0%} step {clock.step}: loss {running:.4f}")
            keep_checkpoint(path, learned, optimiser, clock)
            clock.rested()
    coming.result()
    keep_checkpoint(path, learned, optimiser, clock)
    log(
        folder,
        f"decoder done: {clock.step} steps, {measure_autoencoder(model, machine):.2f} dB whole, unseen",
    )
    return model


@torch.no_grad()
def redraw(denoiser: Denoiser, texts: list[str], latents: Tensor) -> Tensor:
    """Noises latents (B, 8, 16, 16) up to a chance time each, and denoises them with a few DDIM steps."""
    count = len(latents)
    ids = tokenize(denoiser.tokenizer, [*texts, *[""] * count]).to(latents.device)
    hidden = denoiser.text_encoder(ids).last_hidden_state
    alphas = DDPMScheduler.from_config(SCHEDULER).alphas_cumprod.to(latents.device)
    begin = torch.randint(*RESTART, (count,), device=latents.device)
    now = latents
    for step in range(REDRAW_STEPS, 0, -1):
        times, later = begin * step // REDRAW_STEPS, begin * (step - 1) // REDRAW_STEPS
        signal, dirt = _levels(alphas, times)
        if step == REDRAW_STEPS:
            now = signal * now + dirt * torch.randn_like(now)
        told, untold = denoiser.unet(now.repeat(2, 1, 1, 1), times.repeat(2), hidden).sample.float().chunk(2)
        velocity = untold + REDRAW_GUIDANCE * (told - untold)
        clean, noise = signal * now - dirt * velocity, signal * velocity + dirt * now
        signal, dirt = _levels(alphas, later)
        now = clean if step == 1 else signal * clean + dirt * noise
    return now


def _levels(alphas: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    share = alphas[times][:, None, None, None]
    return share.sqrt(), (1 - share).sqrt()
