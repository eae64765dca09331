"""The engine: images in flight, advanced together by one call of the UNet per tick."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from generation import __version__
from generation.catalogue import Family
from generation.engine.decoding import decode
from generation.engine.engine import Say
from generation.engine.models import Model
from generation.engine.prompts import Encoded, PromptEncoder
from generation.engine.schedulers import Schedulers, takes_generator
from generation.messages import Drawn, Entered, Phase, Stepped, Stopped, Task, TaskFailed, TaskId
from generation.metadata import write_png
from generation.samplers import SAMPLERS

log = logging.getLogger(__name__)

BATCH = 1
"""Images in flight at once: while it is 1 the same settings give the same bytes, whoever else asks."""


@dataclass(slots=True, eq=False)
class _Image:
    """One image on its way from noise to picture. All that differs between images of a batch is in here."""

    task: Task
    scheduler: Any
    generator: torch.Generator
    """On the CPU, for the first noise and for all that the sampler adds: a seed is the same everywhere."""
    times: torch.Tensor
    """(calls,) float32 on the device: what the UNet is told of each step."""
    latents: torch.Tensor
    """(1, channels, height / factor, width / factor) float32 on the device."""
    states: torch.Tensor
    """(rows, tokens, width): the negative prompt first if there is guidance."""
    added: Mapping[str, torch.Tensor]
    """SDXL: `text_embeds` (rows, width) and `time_ids` (rows, 6); else empty."""
    step_arguments: Mapping[str, Any]
    record: dict[str, Any]
    calls: int = 0
    rows_of_calls: list[list[int]] = field(default_factory=list)
    """How many rows each UNet call had, as run lengths: [rows, calls]."""

    @property
    def rows(self) -> int:
        return self.states.shape[0]

    @property
    def done(self) -> bool:
        return self.calls == len(self.times)


class DiffusionEngine:
    """Draws with a Stable Diffusion 1, 2 or XL model; see :class:`generation.engine.engine.Engine`.

    An image alone in its batch equals what diffusers' own pipeline draws with the same settings, in float32
    on the CPU bit for bit.
    """

    def __init__(self, model: Model, say: Say) -> None:
        self._model = model
        self._say = say
        self._prompts = PromptEncoder(model)
        self._schedulers = Schedulers(model.scheduler_config)
        self._images: list[_Image] = []

    @property
    def room(self) -> int:
        return BATCH - len(self._images)

    @property
    def busy(self) -> bool:
        return bool(self._images)

    def cancel(self, task: TaskId) -> bool:
        for image in self._images:
            if image.task.id == task:
                self._images.remove(image)
                self._say(Stopped(task=task))
                return True
        return False

    @torch.inference_mode()
    def admit(self, task: Task) -> None:
        self._say(Entered(phase=Phase.DRAWING, task=task.id))
        with self._edge([task.id]):
            if task.request.model != self._model.info.source:
                raise _CannotDraw(
                    f"This was to be drawn with {task.request.model}, "
                    f"but {self._model.info.name} is the model now."
                )
            if (reason := self._model.info.reject_reason(task.request)) is not None:
                raise _CannotDraw(reason)
            self._images.append(self._prepare(task))

    @torch.inference_mode()
    def tick(self) -> None:
        if not (batch := list(self._images)):
            return
        with self._edge([image.task.id for image in batch]):  # what goes wrong in here names no image
            for image, prediction in zip(batch, self._call_unet(batch), strict=True):
                self._step(image, prediction)
        for image in [image for image in self._images if image.done]:
            with self._edge([image.task.id]):
                self._finish(image)

    # One image ----------------------------------------------------------------------------------------------

    def _prepare(self, task: Task) -> _Image:
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
        return _Image(
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

    def _added(self, encoded: list[Encoded], height: int, width: int) -> dict[str, torch.Tensor]:
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

    def _step(self, image: _Image, prediction: torch.Tensor) -> None:
        """Let the image's scheduler take what the UNet said, guided, one step further."""
        prediction = prediction.float()
        if image.rows == 2:
            without, with_prompt = prediction.chunk(2)
            prediction = without + image.task.request.guidance * (with_prompt - without)
        time = image.scheduler.timesteps[image.calls]
        image.latents = image.scheduler.step(
            prediction, time, image.latents, **image.step_arguments, return_dict=False
        )[0]
        steps, calls = image.task.request.steps, len(image.times)
        before = image.calls * steps // calls
        image.calls += 1
        # Some samplers call the UNet twice for a step: a step is done when its last call is.
        if (step := image.calls * steps // calls) > before:
            self._say(Stepped(task=image.task.id, step=step, steps=steps))

    def _finish(self, image: _Image) -> None:
        self._say(Entered(phase=Phase.DECODING, task=image.task.id))
        picture = decode(self._model, image.latents)
        if picture is None:
            raise _CannotDraw(
                "The model drew nothing at all: its numbers ran away. A lower guidance, more steps or "
                "another sampler may help."
            )
        png = write_png(picture, image.task.request, {**image.record, "unet_rows": image.rows_of_calls})
        self._images.remove(image)
        self._say(Drawn(task=image.task.id, png=png))

    # The batch ----------------------------------------------------------------------------------------------

    def _call_unet(self, batch: list[_Image]) -> tuple[torch.Tensor, ...]:
        """One call for all rows of the batch; the prediction of each image, (rows, channels, h, w)."""
        inputs, times = [], []
        for image in batch:
            time = image.scheduler.timesteps[image.calls]
            scaled = image.scheduler.scale_model_input(image.latents, time)
            inputs.append(scaled.to(self._model.dtype).expand(image.rows, -1, -1, -1))
            times.append(image.times[image.calls].expand(image.rows))
        rows = [image.rows for image in batch]
        for image in batch:
            if image.rows_of_calls and image.rows_of_calls[-1][0] == sum(rows):
                image.rows_of_calls[-1][1] += 1
            else:
                image.rows_of_calls.append([sum(rows), 1])
        names = batch[0].added
        prediction = self._model.unet(
            torch.cat(inputs),
            torch.cat(times),
            encoder_hidden_states=torch.cat([image.states for image in batch]),
            added_cond_kwargs={name: torch.cat([image.added[name] for image in batch]) for name in names},
            return_dict=False,
        )[0]
        return torch.split(prediction, rows)

    # Failures -----------------------------------------------------------------------------------------------

    @contextmanager
    def _edge(self, tasks: list[TaskId]) -> Iterator[None]:
        """Whatever goes wrong in here ends these tasks with a sentence, and no others."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the edge: the worker lives on
            self._fail(tasks, error)

    def _fail(self, tasks: list[TaskId], error: Exception) -> None:
        self._images = [image for image in self._images if image.task.id not in tasks]
        match error:
            case _CannotDraw():
                reason = str(error)
            case _ if _is_out_of_memory(error):
                log.warning("out of memory: %s", error)
                reason = (
                    "There is not enough memory to draw this; a smaller size may fit. Nothing else was lost."
                )
            case _:
                log.error("could not draw %s", tasks, exc_info=error)
                reason = f"Drawing this went wrong ({type(error).__name__}); the log has the details."
        # The traceback holds the frames, and those the tensors.
        error.__traceback__ = None
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()
        for task in tasks:
            self._say(TaskFailed(task=task, reason=reason))


class _CannotDraw(Exception):  # noqa: N818 - it is a sentence for a person
    """This request cannot be drawn; the message is the sentence for whoever asked."""


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # the CPU's allocator
