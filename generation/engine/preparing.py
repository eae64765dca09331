"""A task into an image in flight: noise, time steps, encoded prompts, and the record of all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image as PILImage

from generation import __version__
from generation.catalogue import Family
from generation.embeddings import Embeddings
from generation.engine.adapters import Adapters, Fitted
from generation.engine.batch import Image, Refined
from generation.engine.controls import Controls
from generation.engine.decoding import decode
from generation.engine.failures import RAN_AWAY, CannotDraw
from generation.engine.inputs import Kept, encode, latent_mask, noised, start_mask, start_picture
from generation.engine.learned import Lexicon
from generation.engine.memory import Memory
from generation.engine.models import Model
from generation.engine.painting import paints, told_around
from generation.engine.prompts import Encoded, PromptEncoder
from generation.engine.schedulers import Schedulers, takes_generator
from generation.engine.uploads import to_device
from generation.messages import Task
from generation.request import Enlarger, GenerationRequest, Hires, Size, Variation
from generation.samplers import SAMPLERS
from generation.sentence import say

SCORE, NEGATIVE_SCORE = 6.0, 2.5
"""How beautiful a refiner is told that a picture is to be, and is not to be: as diffusers tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    latents: torch.Tensor
    skipped: int = 0
    kept: Kept | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What one UNet is asked; see :class:`generation.engine.batch.Image`."""

    states: torch.Tensor
    added: Mapping[str, torch.Tensor]
    told: torch.Tensor | None
    prompt: Encoded
    learned: Mapping[str, str]
    """The words in both prompts that were learned beside the model, and the hashes of their files."""


class Preparation:
    """Prepares images for one model."""

    def __init__(
        self,
        model: Model,
        memory: Memory,
        embeddings: Embeddings | None = None,
        adapters: Adapters | None = None,
        controls: Controls | None = None,
    ) -> None:
        """
        Args:
            embeddings: the words that were learned beside models; None: there are none.
            adapters: the model's LoRAs; None: there are none.
            controls: what steers its pictures; None: nothing does.
        """
        self._model = model
        self._memory = memory
        embeddings = embeddings or Embeddings()
        widths = [encoder.model.config.hidden_size for encoder in model.encoders]
        self._adapters = adapters or Adapters(model, memory)
        self._controls = controls or Controls(model, memory)
        self._prompts = PromptEncoder(model, memory, Lexicon(embeddings, widths), self._adapters)
        self._schedulers = Schedulers(model.scheduler_config, model.device)
        if (refiner := model.refiner) is not None:
            words = Lexicon(embeddings, widths, second=True)
            self._refiner_prompts = PromptEncoder(refiner, memory, words, self._adapters)
            # One schedule for both, so that the one begins where the other ends.
            kind = refiner.scheduler_config.get("prediction_type", "epsilon")
            config = {**model.scheduler_config, "prediction_type": kind}
            self._refiner_schedulers = Schedulers(config, model.device)

    def __call__(self, task: Task, loras: Fitted = ()) -> Image:
        model, request = self._model, task.request
        scheduler = self._schedulers.make(request.sampler, request.steps)
        generator = torch.Generator("cpu").manual_seed(request.seed)
        pictures = self._controls.pictures(task)  # first: from some nothing can be made
        begun = self._begun(task, scheduler, generator)
        beside = self._beside(task, request.size, generator)
        chunks = self.chunks(request)
        asked = _asked(model, self._prompts, request, chunks, self._adapters.reading(loras))
        look = self._controls.looks.seen(task, len(asked.states))
        record = {
            **model.record(),
            "version": __version__,
            **({} if look is None else {"look": dict(look.record)}),
            "scheduler": SAMPLERS[request.sampler].scheduler,
            "prompt_tokens": asked.prompt.tokens,
            "prompt_chunks": chunks,
            **({"embeddings": dict(asked.learned)} if asked.learned else {}),
            **self._adapters.record(loras),
            "decode_batch": 1,
            **self._memory.noted("encode_tiled", done=request.start is not None or paints(model)),
        }
        image = Image(
            task=task,
            scheduler=scheduler,
            generator=generator,
            times=to_device(scheduler.timesteps[begun.skipped :], model.device, torch.float32),
            latents=begun.latents,
            skipped=begun.skipped,
            kept=begun.kept,
            beside=beside,
            steering=self._controls.steering(pictures, request.size),
            control_pictures=pictures,
            look=look,
            states=asked.states,
            told=asked.told,
            added=asked.added,
            step_arguments=step_arguments(scheduler, generator),
            record=record,
            chunks=chunks,
            loras=loras,
            steps=request.first_steps,
            refined=None
            if model.refiner is None or request.hires is not None  # then the last pass is refined
            else self._refined(model.refiner, request, begun, generator, chunks),
        )
        image.refine_if_due()
        return image

    def enlarged(self, first: Image, larger: PILImage.Image | None = None) -> Image:
        """The second, larger pass of an image whose first is done; `first` stays as it is.

        Draws as diffusers' image-to-image pipeline does from latents that were scaled, or from a picture.

        Args:
            larger: the picture of the first pass in the size of the second, if an upscaler made it so.

        Raises:
            CannotDraw: the first pass ran away.
        """
        model, request, hires = self._model, first.task.request, first.task.request.hires
        assert hires is not None
        second = replace(request, size=hires.size, steps=hires.steps, hires=None)
        scheduler = self._schedulers.make(request.sampler, hires.steps)
        generator = torch.Generator("cpu").set_state(first.generator.get_state())
        clean, between = self._larger(first.latents, hires, generator, larger)
        noise = to_device(torch.randn(clean.shape, generator=generator), model.device)
        skipped = (hires.steps - hires.steps_taken) * scheduler.order
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(skipped)
        begun = _Begun(
            latents=noised(clean, noise, scheduler, scheduler.timesteps[skipped]),
            skipped=skipped,
        )
        beside = self._beside(first.task, hires.size, generator, second=True)
        is_encoded = hires.enlarger is not Enlarger.LATENTS or paints(model)
        between |= self._memory.noted("second_encode_tiled", done=is_encoded)
        chunks = self.chunks(request)
        asked = _asked(model, self._prompts, second, chunks, self._adapters.reading(first.loras))
        if dict(asked.learned) != first.record.get("embeddings", {}):  # the record is of both passes
            raise CannotDraw(say("A learned word was changed while this was being drawn; please ask again."))
        image = Image(
            task=first.task,
            scheduler=scheduler,
            generator=generator,
            times=to_device(scheduler.timesteps[skipped:], model.device, torch.float32),
            latents=begun.latents,
            skipped=skipped,
            beside=beside,
            steering=self._controls.steering(first.control_pictures, hires.size),
            control_pictures=first.control_pictures,
            look=self._controls.looks.seen(first.task, len(asked.states)),
            states=asked.states,
            told=asked.told,
            added=asked.added,
            step_arguments=step_arguments(scheduler, generator),
            record=first.record | between,
            chunks=chunks,
            loras=first.loras,
            steps=hires.steps_taken,
            earlier_steps=first.steps,
            earlier_calls=first.calls,
            noted=[list(run) for run in first.noted],
            compiled_calls=[list(run) for run in first.compiled_calls],
            refined=None
            if model.refiner is None
            else self._refined(model.refiner, second, begun, generator, chunks),
        )
        image.refine_if_due()
        return image

    def _larger(
        self, latents: torch.Tensor, hires: Hires, generator: torch.Generator, larger: PILImage.Image | None
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """The latents of the second pass without noise, and what the record says of their making."""
        factor = self._model.vae_factor
        shape = hires.size.height // factor, hires.size.width // factor
        if hires.enlarger is Enlarger.LATENTS:
            return torch.nn.functional.interpolate(latents, size=shape, mode="bilinear"), {}
        decoded = {}
        if larger is None:
            self._memory.need("vae", "first_decode_tiled")
            picture, decoded = decode(self._model, latents), self._memory.noted("first_decode_tiled")
            if picture is None:
                raise CannotDraw(RAN_AWAY)
            larger = picture.resize((hires.size.width, hires.size.height), PILImage.Resampling.LANCZOS)
        self._memory.need("vae", "second_encode_tiled")
        return encode(self._model, larger, generator), decoded

    def chunks(self, request: GenerationRequest) -> int:
        """How many chunks the longest of its prompts fills, with the learned words that there are now.

        All rows of a call have as many.

        Raises:
            CannotDraw: more than are read.
        """
        prompts = [self._prompts] if self._model.refiner is None else [self._prompts, self._refiner_prompts]
        for each in prompts:
            each.refresh()
        texts = [request.prompt]
        if _is_guided(self._model, request):
            texts.append(request.negative_prompt)
        return max(each.chunks(text) for each in prompts for text in texts)

    def _refined(
        self,
        refiner: Model,
        request: GenerationRequest,
        begun: _Begun,
        generator: torch.Generator,
        chunks: int,
    ) -> Refined:
        scheduler = self._refiner_schedulers.make(request.sampler, request.steps)
        first = max(begun.skipped, handover(scheduler, self._model.info.refiner_start))
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(first)
        asked = _asked(refiner, self._refiner_prompts, request, chunks)
        return Refined(
            at=first - begun.skipped,
            scheduler=scheduler,
            states=asked.states,
            added=asked.added,
            told=asked.told,
            step_arguments=step_arguments(scheduler, generator),
        )

    def _beside(
        self, task: Task, size: Size, generator: torch.Generator, *, second: bool = False
    ) -> torch.Tensor | None:
        """What a UNet made for inpainting is told besides the latents."""
        if not paints(self._model):
            return None
        self._memory.need("vae", "second_encode_tiled" if second else "encode_tiled")
        return told_around(self._model, task.inputs, task.request.start, size, generator)

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
        # One made for inpainting is told what is around, so that nothing of it need be in the first latents.
        if start is not None and not (paints(model) and start.strength == 1):
            self._memory.need("vae", "encode_tiled")
            clean = encode(model, start_picture(task.inputs, start), generator)
        # Latents stay in float32 between the steps, whatever the UNet computes in: the noise is then the same
        # numbers for every dtype, and rounding does not add up.
        noise = to_device(varied_noise(shape, generator, request.variations), model.device)
        if start is None or clean is None:
            return _Begun(latents=noise * scheduler.init_noise_sigma)
        skipped = (request.steps - request.first_steps) * scheduler.order
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(skipped)
        kept = None
        if not paints(model) and (mask := start_mask(task.inputs, start)) is not None:
            kept = Kept(latents=clean, noise=noise, mask=latent_mask(mask, factor, model.device))
        if kept is not None and start.strength == 1:
            return _Begun(latents=noise * scheduler.init_noise_sigma, kept=kept)
        begun = noised(clean, noise, scheduler, scheduler.timesteps[skipped])
        return _Begun(latents=begun, skipped=skipped, kept=kept)


def step_arguments(scheduler: Any, generator: torch.Generator) -> Mapping[str, Any]:
    return {"generator": generator} if takes_generator(scheduler) else {}


def handover(scheduler: Any, start: float) -> int:
    """The index of the first time step that is the refiner's: the first below `start` of the schedule.

    As diffusers' `denoising_end` and `denoising_start` have it, but that a step of two calls goes to one of
    the two whole; diffusers lets the first UNet begin it and then the second walk all of it.
    """
    trained = scheduler.config.num_train_timesteps
    cutoff = round(trained - start * trained)
    calls = int((scheduler.timesteps >= cutoff).sum())
    return calls - calls % int(scheduler.order)


def _is_guided(model: Model, request: GenerationRequest) -> bool:
    """Whether the prompt is set against the negative one; a UNet that is told its guidance needs not."""
    return request.guidance > 1 and model.unet.config.get("time_cond_proj_dim") is None


def _asked(
    model: Model, prompts: PromptEncoder, request: GenerationRequest, chunks: int, loras: Fitted = ()
) -> _Asked:
    how: dict[str, Any] = {"clip_skip": request.clip_skip, "chunks": chunks, "loras": loras}
    prompt = prompts.encode(request.prompt, **how)
    encoded = [prompt]
    if _is_guided(model, request):
        encoded.insert(0, prompts.encode(request.negative_prompt, negative=True, **how))
    told = guidance_embedding(request.guidance, model.unet.config.get("time_cond_proj_dim"))
    return _Asked(
        states=torch.cat([each.states for each in encoded]),
        added=_added(model, encoded, request.size.height, request.size.width),
        told=None if told is None else to_device(told, model.device, model.dtype),
        prompt=prompt,
        learned={word: digest for each in reversed(encoded) for word, digest in each.learned.items()},
    )


def _added(model: Model, encoded: list[Encoded], height: int, width: int) -> Mapping[str, torch.Tensor]:
    """What the UNet of SDXL is told besides the prompt (Podell et al. 2023, arXiv 2307.01952)."""
    if model.info.family is not Family.SDXL:
        return {}
    pooled = [each.pooled for each in encoded if each.pooled is not None]
    original, corner, target = (height, width), (0, 0), (height, width)
    scores = (NEGATIVE_SCORE, SCORE)[-len(encoded) :]
    time_ids = [[*original, *corner, *((score,) if model.wants_score else target)] for score in scores]
    return {
        "text_embeds": torch.cat(pooled).to(model.dtype),
        "time_ids": to_device(torch.tensor(time_ids, dtype=model.dtype), model.device),
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
    # Divided first: at the ends of the arc one is then exactly 1 and the other exactly 0.
    return ((1 - share) * angle).sin() / angle.sin() * one + (share * angle).sin() / angle.sin() * other


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
