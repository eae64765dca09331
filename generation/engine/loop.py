"""The engine: everybody's images in one batch, advanced together by one call of the UNet per tick."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from generation.catalogue import ModelInfo
from generation.engine.batch import BatchKey, Image, call_unet, first_row
from generation.engine.calibration import calibrated_cap, cap_for
from generation.engine.compiling import Compiled
from generation.engine.decoding import decode
from generation.engine.engine import Say
from generation.engine.entry import Entry
from generation.engine.failures import RAN_AWAY, CannotDraw, check, sentence
from generation.engine.inputs import pasted
from generation.engine.memory import APART, LAYERED, Memory, footprint, free, is_out_of_memory
from generation.engine.models import Model
from generation.engine.pacing import Pace
from generation.engine.preparing import Preparation
from generation.engine.previews import Previews
from generation.engine.turns import Turns
from generation.messages import Drawn, Entered, Phase, Previewed, Stepped, Stopped, Task, TaskFailed, TaskId
from generation.metadata import write_png

log = logging.getLogger(__name__)

ROOM = 64
"""Tasks it takes in hand, drawn or waiting; what waits here costs nothing."""
_NOT_COMPILED = "It was drawn by a compiled model, which cannot be compiled here."


class DiffusionEngine:
    """Draws with a Stable Diffusion 1, 2 or XL model; see :class:`generation.engine.engine.Engine`.

    Images join at the next tick, leave when they are done, and are cancelled between two ticks. An image
    alone in its calls equals what diffusers' own pipeline draws with the same settings, in float32 on the CPU
    bit for bit; in company its last bits depend on its place among the rows of a call, which its record says.
    """

    def __init__(
        self,
        model: Model,
        say: Say,
        *,
        cap: int | None = None,
        calibration: Path | None = None,
        padded: bool | None = None,
        compiled: Compiled | None = None,
        compiled_calls: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        """
        Args:
            cap: the most images in one call, whatever their size; None: what calibration finds.
            calibration: where that is kept.
            padded: whether calls have one of few row counts; None: where kernels are tuned by it, on CUDA.
            compiled: the UNet's twin, for the pictures of each shape as soon as it is ready for that.
            compiled_calls: to draw a picture again: which of its calls the twin makes, as its record says. It
                is waited for then.
        """
        self._compiled = compiled
        self._compiled_calls = compiled_calls
        self._model = model
        self._say = say
        self._memory = Memory(model)
        self._prepare = Preparation(model, self._memory)
        self._previews = Previews(model, self._memory)
        self._padded = model.device.type == "cuda" if padded is None else padded
        self._memory.need("unet")
        self._cap = cap
        self._native_cap = calibrated_cap(model, calibration) if cap is None else cap
        self._lowered: dict[BatchKey, int] = {}
        """Caps that memory turned out to be too small for."""
        self._short_with: set[TaskId] | None = None
        """Who was in hand when memory last ran out; None: that is still to be noted."""
        self._entries: list[Entry] = []
        self._turns: Turns[BatchKey] = Turns()
        self._now = 0
        self._undecoded: deque[Image] = deque()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="png")
        self._encoding: set[Future[None]] = set()
        self._pace = Pace(model.device)

    @property
    def info(self) -> ModelInfo:
        return self._model.info

    @property
    def batch(self) -> int:
        """How many images of the model's native size it draws at once."""
        return self._native_cap

    @property
    def footprint(self) -> int:
        return footprint(*self._model.unets, self._model.vae, *self._model.text_models)

    @property
    def room(self) -> int:
        return ROOM - len(self._entries) - len(self._undecoded)

    @property
    def busy(self) -> bool:
        return bool(self._entries or self._undecoded or self._encoding)

    def cancel(self, task: TaskId) -> bool:
        if any(entry.task.id == task for entry in self._entries):
            self._entries = [entry for entry in self._entries if entry.task.id != task]
        elif any(image.task.id == task for image in self._undecoded):
            self._undecoded = deque(image for image in self._undecoded if image.task.id != task)
        else:
            return False
        self._say(Stopped(task=task))
        return True

    def close(self) -> None:
        device = self._model.device
        self._encoder.shutdown()
        if self._compiled is not None:
            self._compiled.close()
        del self._compiled
        del self._model, self._memory, self._prepare, self._previews
        free(device)

    def watch(self, task: TaskId) -> None:
        for entry in self._entries:
            if entry.task.id == task and entry.image is not None:
                entry.image.watched = True

    def admit(self, task: Task) -> None:
        with self._edge([task.id]):
            check(self._model.info, task.request)
            factor, size = self._model.vae_factor, task.request.size
            key = BatchKey(
                height=size.height // factor,
                width=size.width // factor,
                chunks=self._prepare.chunks(task.request),
                replayed=task.id if task.replay else None,
            )
            self._entries.append(Entry(task, key, self._now + task.request.steps_taken))

    @torch.inference_mode()
    def tick(self) -> None:
        self._now += 1
        waiting: dict[BatchKey, int] = {}
        for entry in self._entries:
            entry.compiled = self._is_compiled(entry)
            waiting[entry.key] = waiting.get(entry.key, 0) + 1
        if self._memory.rung == APART and any(key.refining for key in waiting):
            # The two UNets take each other's place on the device. Who is being refined is nearly done, and
            # nobody else can be until the other UNet has its turn: this starves no one.
            waiting = {key: n for key, n in waiting.items() if key.refining}
        costs = {key: float(min(self._cap_of(key), n) * key.area) for key, n in waiting.items()}
        if (key := self._turns.next(costs)) is not None:
            self._advance(key, self._choose(key))
        # One at a time, between two calls: the others' steps do not wait for all who are done at once.
        if self._undecoded:
            self._decode(self._undecoded[0])
        elif not self._entries and self._encoding:
            wait(self._encoding, return_when=FIRST_COMPLETED)
        self._encoding = {future for future in self._encoding if not future.done()}
        if self._lowered or self._memory.is_short:
            self._take_memory_back()

    # The batch ----------------------------------------------------------------------------------------------

    def _cap_of(self, key: BatchKey) -> int:
        if key in self._lowered:
            return self._lowered[key]
        if self._cap is not None:
            return self._cap
        native = (self._model.info.native // self._model.vae_factor) ** 2
        return cap_for(self._native_cap, native_area=native, area=key.area)

    def _choose(self, key: BatchKey) -> list[Image]:
        """The images of a kind that are due first, prepared."""
        chosen: list[Image] = []
        due = sorted((e for e in self._entries if e.key == key), key=lambda e: e.due)
        # No more than that are prepared: some turn out to be of another kind, and have begun all the same.
        for entry in due[: self._cap_of(key)]:
            if entry.image is None:
                self._say(Entered(phase=Phase.DRAWING, task=entry.task.id))
                with self._edge([entry.task.id]):
                    entry.image = self._prepared(entry)
                    self._compile_for(entry)
            if entry.image is not None and entry.key == key:
                chosen.append(entry.image)
        return chosen

    def _is_compiled(self, entry: Entry) -> bool:
        """Whether the twin is to make the next call of an image."""
        if (
            self._compiled is None or self._memory.rung >= LAYERED
        ):  # layers come and go in the UNet itself only
            return False
        if self._compiled_calls is not None:
            image = entry.image or entry.first_pass
            number = 0 if image is None else image.earlier_calls + image.calls
            return any(first <= number < first + length for first, length in self._compiled_calls)
        if entry.image is not None and not entry.compiled:
            return False  # as a pass began, it goes on
        return self._compiled.is_ready(entry.shape)

    def _compile_for(self, entry: Entry) -> None:
        """Have the twin made ready for an image's shape, unless it is that already."""
        image = entry.image
        if self._compiled is None or image is None or image.refining or self._memory.rung >= APART:
            return
        if self._compiled_calls is not None:
            if not self._compiled.prepare(entry.shape, first_row(self._model, image)).result():
                raise CannotDraw(_NOT_COMPILED)
        elif not self._compiled.is_ready(entry.shape):
            self._compiled.prepare(entry.shape, first_row(self._model, image))

    def _prepared(self, entry: Entry) -> Image | None:
        """The task as an image, or None when there is not memory for it yet."""
        try:
            if entry.first_pass is None:
                return self._prepare(entry.task)
            return self._prepare.enlarged(entry.first_pass)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            error.__traceback__ = None
            free(self._model.device)
            if not self._climb():
                raise
            return None

    def _advance(self, key: BatchKey, images: Sequence[Image]) -> None:
        """One call for these images, and a step of each one's own scheduler."""
        if not images:
            return
        try:
            self._memory.need("refiner" if key.refining else "unet")
            predictions = self._called(key, images)
        except Exception as error:  # noqa: BLE001 - an edge: told, never swallowed
            if is_out_of_memory(error):
                self._run_short(key, images, error)
            elif len(images) == 1:
                self._fail([images[0].task.id], error)
            else:
                log.warning("a call for %d images failed (%r); trying each alone", len(images), error)
                for image in images:
                    self._advance(key, [image])
            return
        for image, prediction in zip(images, predictions, strict=True):
            with self._edge([image.task.id]):
                self._step(image, prediction)
        self._pace()

    def _called(self, key: BatchKey, images: Sequence[Image]) -> tuple[torch.Tensor, ...]:
        """The prediction for each image, by the twin if that is their kind and it can be called now."""
        model = self._model.refiner if key.refining and self._model.refiner else self._model
        if key.compiled and self._compiled is not None and self._memory.rung < LAYERED:
            try:
                with self._compiled.free() as twin:
                    if twin is not None:
                        return call_unet(model, images, padded=self._padded, unet=twin)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                if self._compiled_calls is not None:
                    raise CannotDraw(_NOT_COMPILED) from error
                log.exception("the compiled UNet failed; pictures of %s are drawn without it", key)
                error.__traceback__ = None  # it holds the frames, and those the tensors
                self._compiled.give_up((key.height, key.width, key.chunks))
        return call_unet(model, images, padded=self._padded)

    def _step(self, image: Image, prediction: torch.Tensor) -> None:
        steps, calls, before = image.steps, len(image.times), image.calls
        image.step(prediction)
        # Some samplers call the UNet twice for a step: a step is done when its last call is.
        if (step := image.calls * steps // calls) > before * steps // calls:
            told = image.earlier_steps + step
            self._say(Stepped(task=image.task.id, step=told, steps=image.task.request.steps_taken))
        if image.watched and not image.done:
            image.watched = False
            self._show(image)
        image.refine_if_due()
        if image.done and image.task.request.hires is not None and not image.earlier_calls:
            self._enlarge(image)
        elif image.done:
            self._entries = [entry for entry in self._entries if entry.image is not image]
            self._undecoded.append(image)

    def _enlarge(self, image: Image) -> None:
        """Let an image wait for its second pass, among those of its larger size."""
        factor, hires = self._model.vae_factor, image.task.request.hires
        entry = next(entry for entry in self._entries if entry.image is image)
        if hires is not None:
            height, width = hires.size.height // factor, hires.size.width // factor
            entry.admitted_as = replace(entry.admitted_as, height=height, width=width)
        entry.image, entry.first_pass, entry.compiled = None, image, False

    def _show(self, image: Image) -> None:
        """A look at a picture may fail; the picture may not."""
        try:
            if (preview := self._previews.draw(image)) is not None:
                self._say(Previewed(task=image.task.id, webp=preview))
        except Exception as error:  # noqa: BLE001 - an edge: the picture goes on without
            log.warning("no preview of %s: %r", image.task.id, error)
            error.__traceback__ = None
            free(self._model.device)
        image.seen = None

    # The end of an image ------------------------------------------------------------------------------------

    def _decode(self, image: Image) -> None:
        task = image.task.id
        self._say(Entered(phase=Phase.DECODING, task=task))
        with self._edge([task]):
            try:
                self._memory.need("vae")
                picture = decode(self._model, image.latents)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                error.__traceback__ = None  # it holds the frames, and those the tensors
                free(self._model.device)
                if self._climb():
                    return  # it is still the first in line, and tried again
                raise
            if picture is None:
                raise CannotDraw(RAN_AWAY)
            record = {**image.record, "unet_calls": image.noted, "mode": "eager"}
            if image.compiled_calls:
                record |= {"mode": "compiled", "compiled_calls": image.compiled_calls}
            if self._memory.rung:
                record["decode_tiled"] = True
            self._undecoded.remove(image)
            self._encoding.add(self._encoder.submit(self._encode, image.task, picture, record))

    def _encode(self, task: Task, picture: Any, record: dict[str, Any]) -> None:
        """Into a PNG file, beside the loop: it takes longer than a step."""
        try:
            if task.request.start is not None:
                picture = pasted(task.inputs, task.request.start, picture)
            self._say(Drawn(task=task.id, png=write_png(picture, task.request, record)))
        except Exception as error:  # noqa: BLE001 - the edge of a thread
            self._say(TaskFailed(task=task.id, reason=sentence([task.id], error)))

    # Failures -----------------------------------------------------------------------------------------------

    def _run_short(self, key: BatchKey, images: Sequence[Image], error: Exception) -> None:
        """Down the ladder: fewer images in a call, then less on the device, then without the one left alone.

        Nothing else is lost: the others keep their latents and go on with the next tick.
        """
        error.__traceback__ = None
        free(self._model.device)
        if len(images) > 1:
            self._lowered[key] = len(images) // 2
            self._short_with = None
            log.warning("out of memory with %d images in a call; now %d", len(images), len(images) // 2)
        elif not self._climb():
            self._fail([images[0].task.id], error)

    def _climb(self) -> bool:
        self._short_with = None
        return self._memory.climb()

    def _take_memory_back(self) -> None:
        """As if it had never run out, when all are done who were in hand then; others may have come."""
        in_hand = {entry.task.id for entry in self._entries} | {image.task.id for image in self._undecoded}
        if self._short_with is None:
            self._short_with = in_hand
        if self._short_with.isdisjoint(in_hand):
            self._lowered.clear()
            self._memory.descend()
            self._short_with = None

    @contextmanager
    def _edge(self, tasks: list[TaskId]) -> Iterator[None]:
        """Whatever goes wrong in here ends these tasks with a sentence, and no others."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the edge: the worker lives on
            self._fail(tasks, error)

    def _fail(self, tasks: list[TaskId], error: Exception) -> None:
        self._entries = [entry for entry in self._entries if entry.task.id not in tasks]
        self._undecoded = deque(image for image in self._undecoded if image.task.id not in tasks)
        reason = sentence(tasks, error)
        error.__traceback__ = None  # it holds the frames, and those the tensors
        free(self._model.device)
        for task in tasks:
            self._say(TaskFailed(task=task, reason=reason))
