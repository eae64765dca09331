"""A task into an image in flight: noise, time steps, encoded prompts, and the record of all of it."""

from __future__ import annotations

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
        if request.guidance > 1:
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
