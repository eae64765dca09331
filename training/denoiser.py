"""Trains the denoiser: from noisy latents, the time and the caption's hidden states to v."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from training.captions import caption
from training.clock import Clock, load_checkpoint, log, save_checkpoint
from training.evaluation import describe, evaluate, held_out_prompts, pipeline_of
from training.machine import Machine
from training.models import SCHEDULER, Widths, new_unet, save_folder
from training.pool import Pool
from training.text import tokenize

CAPTION_DROPOUT = 0.1
NOISE_DRAWS = 4
"""Each captioned picture of a batch is seen at this many times, which spares the text encoder work."""
FOREGROUND = 0.1
"""Mean square distance of a latent cell from its picture's median from which it is not background."""
OUTLINED = (150, 700)
"""The times (of 1000) at which a shape's outline appears out of the noise."""
PEAK_RATE, PEAK_RATE_AGAIN = 1e-3, 4e-4
"""From nothing; and going on from finished weights, which the first would throw far back."""
FLAT = 0.35
"""Share of the time at the full learning rate, before the cosine to zero."""
KEEP_MINUTES, PROBE_MINUTES = 3.0, 8.0


def train_denoiser(
    folder: Path,
    machine: Machine,
    widths: Widths,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    autoencoder: AutoencoderKL,
    *,
    minutes: float,
    seed: int,
    into: Path,
    start: UNet2DConditionModel | None = None,
) -> UNet2DConditionModel:
    """Trains or goes on training from `folder`/denoiser.pt; now and then writes the average into `into`.

    `start` has learned already: it goes on from there, and not with plain pictures first.
    v-prediction (Salimans and Ho 2022) with AdamW; what ships is the exponential moving average.
    """
    torch.manual_seed(seed)
    unet = machine.place(start or new_unet(widths))
    average = deepcopy(unet).requires_grad_(False)
    if machine.device.type == "cpu":
        unet.set_attn_processor(AttnProcessor())  # plain matrices: the fused kernel's backward is slow there
    optimiser = torch.optim.AdamW(unet.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    clock = Clock(minutes=minutes)
    pool = Pool(
        autoencoder,
        machine,
        seed=seed,
        capacity=machine.pictures,
        plain=0 if start is not None else machine.pictures // 3,
    )
    if kept := load_checkpoint(folder / "denoiser.pt"):
        unet.load_state_dict(kept["unet"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        clock.step, clock.seconds = kept["step"], kept["seconds"]
    rng = Random(seed + clock.step)
    torch.manual_seed(seed + clock.step)
    fresh = max(1, machine.unet_batch // 20)
    if not pool.load(folder / "pool.pt"):
        log(folder, "denoiser: drawing the first pictures")
        pool.grow(machine.pictures // 3 // fresh, batch=fresh)
        pool.save(folder / "pool.pt")
        log(folder, f"denoiser: begins with {pool.drawn} pictures")
    alphas = DDPMScheduler.from_config(SCHEDULER).alphas_cumprod.to(machine.device)

    def keep() -> None:
        content = {
            "unet": unet.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        save_checkpoint(folder / "denoiser.pt", {**content, "step": clock.step, "seconds": clock.seconds})
        pool.save(folder / "pool.pt")
        parts = {"tokenizer": tokenizer, "text_encoder": text_encoder, "autoencoder": autoencoder}
        save_folder(into, **parts, unet=average)

    def next_examples() -> tuple[Examples, Tensor]:
        pool.grow(1, batch=fresh)
        scenes, latents = pool.sample(machine.unet_batch // NOISE_DRAWS, rng)
        texts = ["" if rng.random() < CAPTION_DROPOUT else caption(scene, rng) for scene in scenes]
        ids = tokenize(tokenizer, texts).to(machine.device)
        with machine.autocast(), torch.no_grad():
            hidden = text_encoder(ids).last_hidden_state.float()
        return noised(alphas, latents.repeat(NOISE_DRAWS, 1, 1, 1)), hidden.repeat(NOISE_DRAWS, 1, 1)

    running, saved, probed = 1.0, clock.seconds, clock.seconds
    coming = machine.team.begin(next_examples)
    clock.rested()
    while not clock.done:
        examples, hidden = coming.result()
        if clock.seconds - saved > 60 * KEEP_MINUTES:
            saved = clock.seconds
            keep()
            clock.rested()
        coming = machine.team.begin(next_examples)
        for group in optimiser.param_groups:
            group["lr"] = (PEAK_RATE if start is None else PEAK_RATE_AGAIN) * clock.rate(flat=FLAT)
        parts = list(zip(examples.split(machine.parts), hidden.chunk(machine.parts), strict=True))
        loss = machine.team.backward(unet, partial(_loss, unet, machine), parts)
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        _follow(average, unet, min(0.999, (1 + clock.step) / (10 + clock.step)))
        running += 0.01 * (loss - running)
        clock.tick()
        if clock.step % 100 == 0:
            rows = clock.step * machine.unet_batch / clock.seconds
            log(
                folder,
                f"denoiser {clock.progress:.1%} step {clock.step}: loss {running:.4f}, {rows:.0f} rows/s",
            )
            clock.rested()
        if clock.seconds - probed > 60 * PROBE_MINUTES:
            probed = clock.seconds
            pipeline = pipeline_of(tokenizer, text_encoder, autoencoder, average)
            scores = evaluate(pipeline, held_out_prompts(7, share=0.2), ["dpm++ 2m karras"])
            log(folder, f"denoiser {clock.progress:.1%} held out: {describe(scores)}")
            clock.rested()
    coming.result()
    keep()
    return average


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Noisy latents (B, 8, 16, 16), times (B,), and the v to predict.

    `weight` (B, 1, 16, 16) says how much an error counts in a cell; its mean is one.
    """

    noisy: Tensor
    times: Tensor
    wanted: Tensor
    weight: Tensor

    def split(self, parts: int) -> list[Examples]:
        pieces = (tensor.chunk(parts) for tensor in (self.noisy, self.times, self.wanted, self.weight))
        return [
            Examples(noisy=noisy, times=times, wanted=wanted, weight=weight)
            for noisy, times, wanted, weight in zip(*pieces, strict=True)
        ]


def noised(alphas: Tensor, latents: Tensor, most: tuple[int, int] = OUTLINED) -> Examples:
    """Noise at times spread evenly over the batch; seven tenths of them lie between those of `most`."""
    count = len(latents)
    spread = (torch.randperm(count, device=latents.device) + torch.rand(count, device=latents.device)) / count
    middle = most[0] + (most[1] - most[0]) * spread / 0.7
    times = torch.where(spread < 0.7, middle, len(alphas) * (spread - 0.7) / 0.3).long()
    signal = alphas[times].sqrt()[:, None, None, None]
    dirt = (1 - alphas[times]).sqrt()[:, None, None, None]
    noise = torch.randn_like(latents)
    return Examples(
        noisy=signal * latents + dirt * noise,
        times=times,
        wanted=signal * noise - dirt * latents,
        weight=_weight(latents),
    )


def _weight(latents: Tensor) -> Tensor:
    """Cells unlike most of their picture count threefold: else flat backgrounds drown the outlines."""
    usual = latents.flatten(2).median(dim=2).values[:, :, None, None]
    weight = 1 + 2 * ((latents - usual).square().mean(dim=1, keepdim=True) > FOREGROUND).float()
    return weight / weight.mean()


def _loss(unet: UNet2DConditionModel, machine: Machine, part: tuple[Examples, Tensor]) -> Tensor:
    examples, hidden = part
    with machine.autocast():
        predicted = unet(examples.noisy, examples.times, hidden).sample
    return error_of(predicted, examples)


def error_of(predicted: Tensor, examples: Examples) -> Tensor:
    """The weighted mean square error of v as (B, 8, 16, 16)."""
    error: Tensor = predicted.float() - examples.wanted
    return (examples.weight * error.square()).mean()


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
