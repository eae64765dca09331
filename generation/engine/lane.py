"""The lane for every other family: one picture at a time, drawn step by step by diffusers' own pipeline."""

from __future__ import annotations

import copy
import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor

from generation import __version__
from generation.catalogue import MemoryMode, ModelInfo
from generation.engine.engine import Say
from generation.engine.failures import RAN_AWAY, CannotDraw, check, sentence
from generation.engine.guard import Guard, be_ready, make_room, verdict_on
from generation.engine.memory import footprint, free, is_out_of_memory
from generation.engine.pipeline import Pipeline
from generation.engine.sightings import look_of, overhear, unpacked
from generation.messages import Drawn, Entered, Phase, Previewed, Stepped, Stopped, Task, TaskFailed, TaskId
from generation.metadata import write_png
from generation.request import GenerationRequest

log = logging.getLogger(__name__)

Pause = Callable[[], None]

_PIXELS = 64
"""That a place of latents stands for, in most models."""


class InSteps:
    """Work in a thread of its own that goes on only while somebody waits in `advance`.

    A pipeline's call returns when its picture is done and not before; this is how it is left in the middle.
    """

    def __init__(self, work: Callable[[Pause], None]) -> None:
        """`work` calls what it is given wherever it may be interrupted."""
        self._work = work
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self._stopped = self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="pipeline", daemon=True)

    def advance(self) -> bool:
        """Let the work go on to its next pause; whether it has ended.

        Raises:
            Exception: what the work raised.
        """
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._go.release()
        self._back.acquire()
        if not self._ended:
            return False
        self._thread.join()
        if self._error is not None:
            raise self._error
        return True

    def stop(self) -> None:
        """End the work at the pause where it stands; when this returns its thread is gone."""
        self._stopped = True
        if self._thread.is_alive():
            self._go.release()
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work(self._pause)
        except _Leave:
            pass
        except Exception as error:  # noqa: BLE001 - the edge of a thread: raised again where it is waited for
            self._error = error
        finally:
            del self._work  # it holds what holds this, and a picture with that
            self._ended = True
            self._back.release()

    def _pause(self) -> None:
        if not self._stopped:
            self._back.release()
            self._go.acquire()
        if self._stopped:
            raise _Leave


class _Leave(BaseException):
    """Out of the pipeline's call; no `except Exception` on the way takes it."""


@dataclass(slots=True, eq=False)
class _Drawing:
    """The picture in hand. It knows the pipeline but not the engine, which may be dropped meanwhile."""

    task: Task
    step: int = 0
    """How many steps are done."""
    watched: bool = False
    """Somebody asked for a preview."""
    seen: torch.Tensor | None = None
    """While it is watched, of the last step: the latents without their noise, in the pipeline's own form."""
    pixels: Any = None
    """(height, width, channels) float32 from 0 to 1, when it is done."""
    scheduler: str = ""
    going: InSteps = field(init=False)
    """The pipeline's call."""


class PipelineEngine:
    """Draws with any pipeline; see :class:`generation.engine.engine.Engine`.

    Its pictures equal those of the pipeline with the same settings, bit for bit. Noise comes from a generator
    on the CPU; the sampler is the model's own.
    """

    batch = 1

    def __init__(self, model: Pipeline, say: Say, *, guard: Guard | None = None) -> None:
        """`guard` looks at the pictures of tasks that ask for it."""
        self._model = model
        self._guard = guard
        self._say = say
        self._look = look_of(model)
        self._drawing: _Drawing | None = None
        self._closing: weakref.finalize[Any, Any] | None = None
        self._weight, self.work = self.footprint, 0.0

    @property
    def info(self) -> ModelInfo:
        return self._model.info

    @property
    def footprint(self) -> int:
        parts = (*self._model.pipe.components.values(), self._model.tiny)
        return footprint(*(part for part in parts if isinstance(part, torch.nn.Module)))

    @property
    def room(self) -> int:
        return 0 if self._drawing else 1

    @property
    def busy(self) -> bool:
        return self._drawing is not None

    def admit(self, task: Task) -> None:
        try:
            check(self._model.info, task.request)
        except CannotDraw as error:
            self._say(TaskFailed(task=task.id, reason=error.sentence))
            return
        be_ready(self._guard, task, self._model.info)
        self._say(Entered(phase=Phase.DRAWING, task=task.id))
        drawing = _Drawing(task)
        drawing.going = InSteps(_work(self._model, drawing))
        self._drawing = drawing
        # Dropping the engine in the middle of a picture leaves no thread behind either.
        self._closing = weakref.finalize(self, drawing.going.stop)

    def cancel(self, task: TaskId) -> bool:
        if self._drawing is None or self._drawing.task.id != task:
            return False
        self._drawing.going.stop()
        self._let_go()
        self._say(Stopped(task=task))
        return True

    def close(self) -> None:
        if self._drawing is not None:
            self._drawing.going.stop()
            self._let_go()
        device = self._model.device
        del self._model, self._look
        free(device)

    def watch(self, task: TaskId) -> None:
        if self._drawing is not None and self._drawing.task.id == task:
            self._drawing.watched = self._look is not None

    def tick(self) -> None:
        """A step of the picture in hand; after its last one, its decoding."""
        if (drawing := self._drawing) is None:
            return
        task, before = drawing.task, drawing.step
        self.work = self._weight * task.request.size.width * task.request.size.height / _PIXELS
        try:
            ended = drawing.going.advance()
            end = self._finished(drawing) if ended else None
        except Exception as error:  # noqa: BLE001 - the edge: the worker lives on
            if is_out_of_memory(error):
                make_room(self._guard)
            reason = sentence([task.id], error)
            error.__traceback__ = None  # it holds the frames, and those the tensors
            self._let_go()
            self._say(TaskFailed(task=task.id, reason=reason))
            return
        if drawing.step > before:
            self._say(Stepped(task=task.id, step=drawing.step, steps=task.request.steps))
            if drawing.step == task.request.steps:
                self._say(Entered(phase=Phase.DECODING, task=task.id))
            elif drawing.seen is not None:
                self._show(drawing, drawing.seen)
        if end is not None:
            self._let_go()
            self._say(end)

    @torch.inference_mode()
    def _show(self, drawing: _Drawing, seen: torch.Tensor) -> None:
        """A look at a picture may fail; the picture may not."""
        drawing.watched, drawing.seen = False, None
        request = drawing.task.request
        try:
            latents = unpacked(self._model.pipe, seen, request.size)
            if latents is not None and self._look is not None:
                self._say(Previewed(task=drawing.task.id, webp=self._look.webp(latents)))
        except Exception as error:  # an edge: the picture goes on without
            log.warning("no preview of %s", drawing.task.id, exc_info=error)
            error.__traceback__ = None
            free(self._model.device)

    def _finished(self, drawing: _Drawing) -> Drawn:
        if not np.isfinite(drawing.pixels).all():
            raise CannotDraw(RAN_AWAY)
        picture = VaeImageProcessor.numpy_to_pil(drawing.pixels)[0]
        record = {
            **self._model.record(),
            "version": __version__,
            "scheduler": drawing.scheduler,
            "mode": "eager",
            "unet_calls": [],  # nobody else is ever in its calls
            "decode_batch": 1,
        }
        # In the other modes the model's own parts take turns on the device, and have no room to spare there.
        away = self._model.info.memory not in (MemoryMode.FAST, MemoryMode.BALANCED)
        verdict = verdict_on(self._guard, drawing.task, picture, away=away)
        png = write_png(picture, drawing.task.request, record)
        return Drawn(task=drawing.task.id, png=png, verdict=verdict)

    def _let_go(self) -> None:
        self._drawing = None
        # A call that was left in the middle leaves its parts where they worked, which may be on the device.
        self._model.pipe.maybe_free_model_hooks()
        if self._closing is not None:
            self._closing.detach()
        free(self._model.device)


def _work(model: Pipeline, drawing: _Drawing) -> Callable[[Pause], None]:
    """The pipeline's call for one picture, as work that pauses after every step."""

    def work(pause: Pause) -> None:
        steps = drawing.task.request.steps

        def stepped(done: int) -> None:
            drawing.step = min(steps, max(drawing.step, done))
            pause()

        def see(clean: torch.Tensor) -> None:
            drawing.seen = clean

        def at_step_end(pipe: Any, index: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            # Some samplers call the model twice for a step: a step is done when its last call is.
            calls = getattr(pipe, "num_timesteps", None) or steps
            stepped((index + 1) * steps // calls)
            return tensors

        def after_step(index: int, time: Any, latents: Any) -> None:  # as older pipelines tell it
            stepped(index + 1)

        generator = torch.Generator("cpu").manual_seed(drawing.task.request.seed)
        arguments = arguments_for(model, drawing.task.request, generator)
        if "callback_on_step_end" in model.parameters:
            arguments["callback_on_step_end"] = at_step_end
        elif "callback" in model.parameters:
            arguments["callback"] = after_step
        if model.scheduler is not None:  # it remembers where its picture was, or how it was interrupted
            model.pipe.scheduler = copy.deepcopy(model.scheduler)
            drawing.scheduler = type(model.scheduler).__name__
            overhear(model.pipe.scheduler, lambda: drawing.watched, see)
        drawing.pixels = model.pipe(**arguments).images

    return work


def is_told_guidance(takes: Mapping[str, inspect.Parameter]) -> bool:
    """Whether the guidance is an input of the model, as with Flux: nothing is subtracted from anything."""
    return "true_cfg_scale" in takes and "guidance_scale" in takes and takes["true_cfg_scale"].default <= 1


def arguments_for(model: Pipeline, request: GenerationRequest, generator: torch.Generator) -> dict[str, Any]:
    """What the pipeline is called with: of the request, all that it takes."""
    takes = model.parameters
    arguments: dict[str, Any] = {
        "prompt": request.prompt,
        "width": request.size.width,
        "height": request.size.height,
        "num_inference_steps": request.steps,
        "generator": generator,
        "output_type": "np",
    }
    negative = request.negative_prompt
    if "guidance_scale" not in takes and "prior_guidance_scale" in takes:
        arguments["prior_guidance_scale"] = request.guidance
    elif "true_cfg_scale" not in takes:
        arguments["guidance_scale"] = request.guidance
    elif is_told_guidance(takes):
        arguments["guidance_scale"] = request.guidance
        negative = ""
    else:
        arguments["true_cfg_scale"] = request.guidance
        negative = negative or " "  # without one, there is no guidance at all
    if negative:  # else each pipeline has its own idea of none
        arguments["negative_prompt"] = negative
    return {name: value for name, value in arguments.items() if name in takes}
