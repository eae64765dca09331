"""A task into an image in flight: noise, time steps, encoded prompts, and the record of all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from generation import __version__
from generation.catalogue import Family
from generation.engine.batch import Image
from generation.engine.memory import Memory
from generation.engine.models import Model
from generation.engine.prompts import Encoded, PromptEncoder
from generation.engine.schedulers import Schedulers, takes_generator
from generation.messages import Task
from generation.samplers import SAMPLERS


class Preparation:
    """Prepares images for one model."""

    def __init__(self, model: Model, memory: Memory) -> None:
        self._model = model
        self._prompts = PromptEncoder(model, memory)
        self._schedulers = Schedulers(model.scheduler_config, model.device)

    def __call__(self, task: Task) -> Image:
        model, request = self._model, task.request
        scheduler = self._schedulers.make(request.sampler, request.steps)
        generator = torch.Generator("cpu").manual_seed(request.seed)
        factor = model.vae_factor
        shape = (
            1,
            model.unet.config.in_channels,
            request.size.height // factor,
            request.size.width // factor,
        )
        # Latents stay in float32 between the steps, whatever the UNet computes in: the noise is then the same
        # numbers for every dtype, and rounding does not add up.
        noise = torch.randn(shape, generator=generator, dtype=torch.float32).to(model.device)
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
            times=scheduler.timesteps.to(device=model.device, dtype=torch.float32),
            latents=noise * scheduler.init_noise_sigma,
            states=torch.cat([each.states for each in encoded]),
            told=None if told is None else told.to(model.device, model.dtype),
            added=self._added(encoded, request.size.height, request.size.width),
            step_arguments={"generator": generator} if takes_generator(scheduler) else {},
            record=record,
        )

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
