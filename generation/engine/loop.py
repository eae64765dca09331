"""The engine: everybody's images in one batch, advanced together by one call of the UNet per tick."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from generation.catalogue import ModelInfo
from generation.controlnets import ControlFolders, ControlNets
from generation.embeddings import Embeddings
from generation.engine.adapters import Adapters
from generation.engine.annotators import Annotators
from generation.engine.batch import BatchKey, Image, call_unet
from generation.engine.calibration import calibrated_cap
from generation.engine.caps import Caps
from generation.engine.compiling import Compiled
from generation.engine.controls import Controls
from generation.engine.decoding import decode
from generation.engine.engine import Say
from generation.engine.entry import Entry, drawn, loras_of
from generation.engine.failures import RAN_AWAY, CannotDraw, check, sentence
from generation.engine.finishing import finished
from generation.engine.growing import Growing
from generation.engine.guard import Guard, be_ready, make_room
from generation.engine.memory import APART, Memory, Stage, footprint, free, is_out_of_memory
from generation.engine.models import Model
from generation.engine.pacing import Pace
from generation.engine.preparing import Preparation
from generation.engine.previews import Previews
from generation.engine.turns import Turns
from generation.engine.twin import Twin
from generation.engine.upscalers import UpscalerShelf
from generation.loras import Loras
from generation.messages import Entered, Phase, Stepped, Stopped, Task, TaskFailed, TaskId

log = logging.getLogger(__name__)

LOOK_S = 0.02
"""While there is nothing to do but wait for something, it looks up so often: other models draw between."""
ROOM = 64
"""Tasks it takes in hand, drawn or waiting; what waits here costs nothing."""


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
        tiled: Collection[Stage] | None = None,
        guard: Guard | None = None,
        embeddings: Embeddings | None = None,
        loras: Loras | None = None,
        controlnets: ControlNets | ControlFolders | None = None,
        annotators: Annotators | None = None,
        upscalers: UpscalerShelf | None = None,
    ) -> None:
        """
        Args:
            cap: the most images in one call, whatever their size; None: what calibration finds.
            calibration: where that is kept.
            padded: whether calls have one of few row counts; None: where kernels are tuned by it, on CUDA.
            compiled: the UNet's twin, for the pictures of each shape as soon as it is ready for that.
            compiled_calls: to draw a picture again: which of its calls the twin makes, as its record says. It
                is waited for then.
            tiled: to draw a picture again: what was done in tiles then, as its record says.
            guard: looks at the pictures of tasks that ask for it.
            embeddings: words that were learned beside models; None: there are none.
            loras: that people may choose from; None: there are none.
            controlnets, annotators: likewise, and the preprocessors that have weights.
            upscalers: that make pictures larger between two passes; None: there are none.
        """
        self._guard = guard
        self._model = model
        self._say = say
        self._memory = Memory(model, replayed=tiled)
        self._twin = Twin(model, self._memory, compiled, compiled_calls)
        self._adapters = Adapters(model, self._memory, loras, lambda: loras_of(self._entries, begun=True))
        self._controls = Controls(model, self._memory, controlnets, annotators)
        self._prepare = Preparation(model, self._memory, embeddings, self._adapters, self._controls)
        self._growing = Growing(model, self._memory, upscalers, say)
        self._previews = Previews(model, self._memory)
        self._padded = model.device.type == "cuda" if padded is None else padded
        self._memory.need("unet")
        native_cap = calibrated_cap(model, calibration) if cap is None else cap
        self._caps = Caps(model, native_cap, fixed=cap is not None)
        self._short_with: set[TaskId] | None = None
        """Who was in hand when memory last ran out; None: that is still to be noted."""
        self._entries: list[Entry] = []
        self._turns: Turns[BatchKey] = Turns()
        self._weight, self.work = footprint(model.unet), 0.0
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
        return self._caps.native

    @property
    def footprint(self) -> int:
        return footprint(*self._model.modules) + self._controls.footprint

    @property
    def room(self) -> int:
        return ROOM - len(self._entries) - len(self._undecoded)

    @property
    def busy(self) -> bool:
        return bool(self._entries or self._undecoded or self._encoding)

    def cancel(self, task: TaskId) -> bool:
        if task not in {*(e.task.id for e in self._entries), *(i.task.id for i in self._undecoded)}:
            return False
        self._let_go([task])
        self._say(Stopped(task=task))
        return True

    def close(self) -> None:
        device = self._model.device
        self._encoder.shutdown()
        self._twin.close()
        self._controls.close()
        del self._twin, self._adapters, self._controls
        del self._model, self._memory, self._prepare, self._growing, self._previews
        free(device)

    def watch(self, task: TaskId) -> None:
        for entry in self._entries:
            if entry.task.id == task and entry.image is not None:
                entry.image.watched = True

    def admit(self, task: Task) -> None:
        with self._edge([task.id]):
            check(self._model.info, task.request)
            be_ready(self._guard, task, self._model.info)
            self._controls.look_again(task.request, [entry.task.request for entry in self._entries])
            factor, size = self._model.vae_factor, task.request.size
            key = BatchKey(
                height=size.height // factor,
                width=size.width // factor,
                chunks=self._prepare.chunks(task.request),
                replayed=task.id if task.replay else None,
                loras=self._adapters.asked(task.request),
            )
            self._entries.append(Entry(task, key, self._now + task.request.steps_taken))

    @torch.inference_mode()
    def tick(self) -> None:
        self._now += 1
        waiting: dict[BatchKey, int] = {}
        for entry in self._entries:
            entry.waits = self._waits(entry)
            if not entry.waits:
                entry.compiled = self._twin.makes(entry)
                waiting[entry.key] = waiting.get(entry.key, 0) + 1
        if self._memory.rung == APART and any(key.refining for key in waiting):
            # The two UNets take each other's place on the device. Who is being refined is nearly done, and
            # nobody else can be until the other UNet has its turn: this starves no one.
            waiting = {key: n for key, n in waiting.items() if key.refining}
        costs = {key: min(self._caps.of(key), n) * key.work for key, n in waiting.items()}
        if (key := self._turns.next(costs)) is not None:
            self._advance(key, self._choose(key))
        self.work = self._turns.paid * self._weight
        if (growing := self._growing.next_of(self._entries)) is not None:
            with self._edge([growing.task.id]):
                self._growing.advance(growing, self._climb)
        # One at a time, between two calls: the others' steps do not wait for all who are done at once.
        if self._undecoded:
            self._decode(self._undecoded[0])
        elif not self._entries and self._encoding:
            wait(self._encoding, timeout=LOOK_S, return_when=FIRST_COMPLETED)
        elif self._entries and not waiting and growing is None:
            self._controls.wait(LOOK_S)
            self._adapters.wait(LOOK_S)
        self._encoding = {future for future in self._encoding if not future.done()}
        if self._caps.lowered or self._memory.is_short:
            self._take_memory_back()

    def _waits(self, entry: Entry) -> bool:
        """Whether it cannot be drawn yet: it is being enlarged, or what is to guide it is being read."""
        if entry.is_growing or entry.is_held(self._entries, self._undecoded):
            return True
        if entry.image is not None:
            return False
        with self._edge([entry.task.id]):
            try:
                in_hand = drawn(self._entries, or_ready=True)
                has_loras = self._adapters.are_here(entry.admitted_as.loras)  # both are begun
                if self._controls.are_here(entry.task.request, in_hand) and has_loras:
                    return False
                if not entry.waits:
                    self._say(Entered(phase=Phase.LOADING, task=entry.task.id))
            except Exception as error:
                if not self._is_shortage(error):
                    raise
        return True

    # The batch ----------------------------------------------------------------------------------------------

    def _choose(self, key: BatchKey) -> list[Image]:
        """The images of a kind that are due first, prepared."""
        chosen: list[Image] = []
        due = sorted((e for e in self._entries if e.key == key and not e.waits), key=lambda e: e.due)
        # No more than that are prepared: some turn out to be of another kind, and have begun all the same.
        for entry in due[: self._caps.of(key)]:
            if entry.image is None and not self._waits(entry):  # what was here may have made room meanwhile
                self._say(Entered(phase=Phase.DRAWING, task=entry.task.id))
                with self._edge([entry.task.id]):
                    if (image := self._prepared(entry)) is not None:
                        entry.begin(image)
                    self._twin.prepare_for(entry)
            if entry.image is not None and entry.key == key and entry in self._entries:  # it may have failed
                chosen.append(entry.image)
        return chosen

    def _prepared(self, entry: Entry) -> Image | None:
        """The task as an image, or None when there is not memory for it yet."""
        try:
            if entry.first_pass is None:
                return self._prepare(entry.task, entry.admitted_as.loras)
            return self._prepare.enlarged(entry.first_pass, entry.larger)
        except Exception as error:
            if not self._is_shortage(error) and not entry.is_set_aside(error, self._entries, self._undecoded):
                raise
            return None

    def _advance(self, key: BatchKey, images: Sequence[Image]) -> None:
        """One call for these images, and a step of each one's own scheduler."""
        if not images:
            return
        try:
            self._memory.need("refiner" if key.refining else "controls" if key.controls else "unet")
            predictions = self._called(key, images)
        except Exception as error:  # noqa: BLE001 - an edge: told, never swallowed
            if is_out_of_memory(error):
                self._run_short(key, images, error)
            elif len(images) == 1:
                self._fail([images[0].task.id], error)
            else:
                log.warning("a call for %d images failed (%r); trying each alone", len(images), error)
                error.__traceback__ = None  # it holds the frames, and those the tensors
                for image in images:
                    self._advance(key, [image])
            return
        for image, prediction in zip(images, predictions, strict=True):
            with self._edge([image.task.id]):
                self._step(image, prediction)
        self._pace()

    def _called(self, key: BatchKey, images: Sequence[Image]) -> tuple[torch.Tensor, ...]:
        """The prediction for each image, by the twin if that is their kind and it can be called now."""
        if (by_twin := self._twin.called(key, images, padded=self._padded)) is not None:
            return by_twin
        model = self._model.refiner if key.refining and self._model.refiner else self._model
        if not key.refining:
            self._adapters.for_unet(key.loras)
        steerer = self._controls.steerer(key.controls)
        looks = self._controls.looks if key.look else None
        return call_unet(model, images, padded=self._padded, steerer=steerer, looks=looks)

    def _step(self, image: Image, prediction: torch.Tensor) -> None:
        steps, calls, before = image.steps, len(image.times), image.calls
        image.step(prediction)
        # Some samplers call the UNet twice for a step: a step is done when its last call is.
        if (step := image.calls * steps // calls) > before * steps // calls:
            told = image.earlier_steps + step
            self._say(Stepped(task=image.task.id, step=told, steps=image.task.request.steps_taken))
        if image.watched and not image.done:
            image.watched = False
            if (preview := self._previews.shown(image)) is not None:
                self._say(preview)
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

    # The end of an image ------------------------------------------------------------------------------------

    def _decode(self, image: Image) -> None:
        task = image.task.id
        self._say(Entered(phase=Phase.DECODING, task=task))
        with self._edge([task]):
            try:
                self._memory.need("vae", "decode_tiled")
                picture = decode(self._model, image.latents)
            except Exception as error:
                if self._is_shortage(error):
                    return  # it is still the first in line, and tried again
                raise
            if picture is None:
                raise CannotDraw(RAN_AWAY)
            record = image.drawn(tiled=self._memory.tiled)
            self._undecoded.remove(image)
            self._encoding.add(self._encoder.submit(self._encode, image, picture, record))

    def _encode(self, image: Image, picture: Any, record: dict[str, Any]) -> None:
        """Into a PNG file, beside the loop: it takes longer than a step."""
        away, controls = self._memory.rung >= APART, image.control_pictures
        self._say(finished(image.task, picture, record, self._guard, away=away, controls=controls))

    # Failures -----------------------------------------------------------------------------------------------

    def _run_short(self, key: BatchKey, images: Sequence[Image], error: Exception) -> None:
        """Down the ladder: fewer images in a call, then less on the device, then without the one left alone.

        Nothing else is lost: the others keep their latents and go on with the next tick.
        """
        error.__traceback__ = None
        free(self._model.device)
        if len(images) > 1:
            self._caps.lowered[key] = len(images) // 2
            self._short_with = None
            log.warning("out of memory with %d images in a call; now %d", len(images), len(images) // 2)
        elif not self._climb():
            self._fail([images[0].task.id], error)

    def _is_shortage(self, error: Exception) -> bool:
        """Whether memory ran out and more could be had: what failed is to be tried again."""
        if not is_out_of_memory(error):
            return False
        error.__traceback__ = None  # it holds the frames, and those the tensors
        free(self._model.device)
        return self._climb()

    def _climb(self) -> bool:
        self._short_with = None
        make_room(self._guard)
        shed = self._adapters.shed(loras_of(self._entries))
        made_room = self._controls.make_room(drawn(self._entries)), shed
        return any(made_room) or self._memory.climb()

    def _take_memory_back(self) -> None:
        """As if it had never run out, when all are done who were in hand then; others may have come."""
        in_hand = {entry.task.id for entry in self._entries} | {image.task.id for image in self._undecoded}
        if self._short_with is None:
            self._short_with = in_hand
        if self._short_with.isdisjoint(in_hand):
            self._caps.lowered.clear()
            self._memory.descend()
            self._short_with = None

    @contextmanager
    def _edge(self, tasks: list[TaskId]) -> Iterator[None]:
        """Whatever goes wrong in here ends these tasks with a sentence, and no others."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the edge: the worker lives on
            self._fail(tasks, error)

    def _let_go(self, tasks: list[TaskId]) -> None:
        self._entries = [entry for entry in self._entries if entry.task.id not in tasks]
        self._undecoded = deque(image for image in self._undecoded if image.task.id not in tasks)
        self._controls.forget_but([entry.task.request for entry in self._entries])

    def _fail(self, tasks: list[TaskId], error: Exception) -> None:
        self._let_go(tasks)
        reason = sentence(tasks, error)
        error.__traceback__ = None  # it holds the frames, and those the tensors
        free(self._model.device)
        for task in tasks:
            self._say(TaskFailed(task=task, reason=reason))
