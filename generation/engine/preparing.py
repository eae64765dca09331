"""A task into an image in flight: noise, time steps, encoded prompts, and the record of all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from generation import __version__
from generation.catalogue import Family
from generation.engine.batch import Image
from generation.engine.inputs import Kept, encode, latent_mask, start_mask, start_picture
from generation.engine.memory import Memory
from generation.engine.models import Model
from generation.engine.prompts import Encoded, PromptEncoder
from generation.engine.schedulers import Schedulers, takes_generator
from generation.messages import Task
from generation.request import Variation
from generation.samplers import SAMPLERS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    latents: torch.Tensor
    skipped: int = 0
    kept: Kept | None = None


class Preparation:
    """Prepares images for one model."""

    def __init__(self, model: Model, memory: Memory) -> None:
        self._model = model
        self._memory = memory
        self._prompts = PromptEncoder(model, memory)
        self._schedulers = Schedulers(model.scheduler_config, model.device)

    def __call__(self, task: Task) -> Image:
        model, request = self._model, task.request
        scheduler = self._schedulers.make(request.sampler, request.steps)
        generator = torch.Generator("cpu").manual_seed(request.seed)
        begun = self._begun(task, scheduler, generator)
        prompt = self._prompts.encode(request.prompt)
        encoded = [prompt]
        told = guidance_embedding(request.guidance, model.unet.config.get("time_cond_proj_dim"))
        if request.guidance > 1 and told is None:
            encoded.insert(0, self._prompts.encode(request.negative_prompt, negative=True))
        record = {
            **model.record(),
            "version": __version__,
            "scheduler": SAMPLERS[request.sampler].scheduler,
            "prompt_tokens": prompt.tokens,
            "prompt_tokens_read": min(prompt.tokens, prompt.limit),
            "mode": "eager",
            "decode_batch": 1,
        }
        return Image(
            task=task,
            scheduler=scheduler,
            generator=generator,
            times=scheduler.timesteps[begun.skipped :].to(device=model.device, dtype=torch.float32),
            latents=begun.latents,
            skipped=begun.skipped,
            kept=begun.kept,
            states=torch.cat([each.states for each in encoded]),
            told=None if told is None else told.to(model.device, model.dtype),
            added=self._added(encoded, request.size.height, request.size.width),
            step_arguments={"generator": generator} if takes_generator(scheduler) else {},
            record=record,
        )

    def _begun(self, task: Task, scheduler: Any, generator: torch.Generator) -> _Begun:
        """The first latents: noise, or the start picture under noise. Draws as diffusers' pipelines do."""
        model, request, start = self._model, task.request, task.request.start
        factor = model.vae_factor
        shape = (
            1,
            model.vae.config.latent_channels,
            request.size.height // factor,
            request.size.width // factor,
        )
        clean = None
        if start is not None:
            self._memory.need("vae")
            clean = encode(model, start_picture(task.inputs, start), generator)
        # Latents stay in float32 between the steps, whatever the UNet computes in: the noise is then the same
        # numbers for every dtype, and rounding does not add up.
        noise = varied_noise(shape, generator, request.variations).to(model.device)
        if start is None or clean is None:
            return _Begun(latents=noise * scheduler.init_noise_sigma)
        skipped = (request.steps - request.steps_taken) * scheduler.order
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(skipped)
        kept = None
        if (mask := start_mask(task.inputs, start)) is not None:
            kept = Kept(latents=clean, noise=noise, mask=latent_mask(mask, factor, model.device))
        if kept is not None and start.strength == 1:
            return _Begun(latents=noise * scheduler.init_noise_sigma, kept=kept)
        noised = scheduler.add_noise(clean, noise, scheduler.timesteps[skipped : skipped + 1])
        return _Begun(latents=noised, skipped=skipped, kept=kept)

    def _added(self, encoded: list[Encoded], height: int, width: int) -> Mapping[str, torch.Tensor]:
        """What the UNet of SDXL is told besides the prompt (Podell et al. 2023, arXiv 2307.01952, 2.2)."""
        if self._model.info.family is not Family.SDXL:
            return {}
        pooled = [each.pooled for each in encoded if each.pooled is not None]
        original, corner, target = (height, width), (0, 0), (height, width)
        time_ids = torch.tensor(
            [[*original, *corner, *target]], dtype=self._model.dtype, device=self._model.device
        )
        return {
            "text_embeds": torch.cat(pooled).to(self._model.dtype),
            "time_ids": time_ids.repeat(len(encoded), 1),
        }


def varied_noise(
    shape: Sequence[int], generator: torch.Generator, variations: Sequence[Variation]
) -> torch.Tensor:
    """Noise of one seed, turned towards another's by each variation's strength (A1111's variation seed).

    Returns:
        float32 on the CPU. `generator` has moved on by one picture, as without a variation.
    """
    noise = torch.randn(shape, generator=generator, dtype=torch.float32)
    for variation in variations:
        other = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(variation.seed))
        noise = slerp(variation.strength, noise, other)
    return noise


def slerp(share: float, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Between two noises (1, channels, h, w) on the arc, since the chord has less variance (Shoemake 1985).

    Column by column as A1111 does it, so that its variation seeds mean the same here.
    """
    across = (one * other).sum(2) / (one.norm(dim=2) * other.norm(dim=2))
    if across.mean() > 0.9995:  # the same seed twice
        return one
    angle = torch.arccos(across.clamp(-1, 1)).unsqueeze(2)
    return (((1 - share) * angle).sin() * one + (share * angle).sin() * other) / angle.sin()


def guidance_embedding(guidance: float, width: int | None) -> torch.Tensor | None:
    """(1, width): the guidance for a UNet that was distilled to be told it, as latent consistency models are.

    None for a UNet that is not. Sines and cosines as in Luo et al. 2023 (arXiv 2310.04378), like diffusers.
    """
    if width is None:
        return None
    half = width // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float32) * -(math.log(10_000.0) / (half - 1)))
    angles = (torch.tensor([guidance - 1]) * 1000.0)[:, None] * rates[None]
    embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.nn.functional.pad(embedding, (0, width % 2))
