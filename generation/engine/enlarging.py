"""The engine for what is only made larger: one picture at a time, a tile at a tick."""

from __future__ import annotations

import io
import platform
from collections import deque
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as NotYet
from typing import Any

import torch
from PIL import Image

from generation import __version__
from generation.canvas import covering, opaque
from generation.engine.engine import Say
from generation.engine.failures import CannotDraw, sentence
from generation.engine.guard import Guard, be_ready, make_room, verdict_on
from generation.engine.memory import free, is_out_of_memory
from generation.engine.models import device_name
from generation.engine.tiles import Enlargement
from generation.engine.upscalers import Upscaler, UpscalerShelf
from generation.messages import Blob, Drawn, Entered, Phase, Stepped, Stopped, Task, TaskFailed, TaskId
from generation.metadata import UnreadablePicture, read, write_png
from generation.request import Digest, Upscale
from generation.sentence import say

ROOM = 8
LOOK_S = 0.02
"""Seconds; so long a tick waits for an upscaler that is being read; others may have steps to do."""
_DRAWN = ("model", "model_source", "model_hash", "model_family", "scheduler")
_NOT_DRAWN = {"model": "", "model_source": "", "model_hash": ""}
_REFINED = ("refiner", "refiner_hash", "refiner_start")
"""What the record keeps of how the picture was drawn; the rest is how it was enlarged."""


class EnlargingEngine:
    """See :class:`generation.engine.engine.Engine`. Its tasks are those whose request has an `upscale`."""

    batch = 1
    footprint = 0
    work = 0.0

    def __init__(self, upscalers: UpscalerShelf, say: Say, *, guard: Guard | None = None) -> None:
        """`guard` looks at the pictures of tasks that ask for it."""
        self._guard = guard
        self._upscalers = upscalers
        self._say = say
        self._waiting: deque[Task] = deque()
        self._task: Task | None = None
        self._reading: Future[Upscaler] | None = None
        self._opening: Future[Enlargement] | None = None
        self._going: Enlargement | None = None
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="enlarged")
        self._encoding: set[Future[None]] = set()

    @property
    def room(self) -> int:
        return ROOM - len(self._waiting) - (self._task is not None)

    @property
    def busy(self) -> bool:
        return bool(self._task or self._waiting or self._encoding)

    def admit(self, task: Task) -> None:
        be_ready(self._guard, task, None)
        self._waiting.append(task)

    def cancel(self, task: TaskId) -> bool:
        if self._task is not None and self._task.id == task:
            self._let_go()
        elif (waiting := next((each for each in self._waiting if each.id == task), None)) is not None:
            self._waiting.remove(waiting)
        else:
            return False
        self._say(Stopped(task=task))
        return True

    def watch(self, task: TaskId) -> None:
        """There is nothing to see before it is done but what the person has already."""

    def close(self) -> None:
        self._encoder.shutdown()
        self._upscalers.close()

    def tick(self) -> None:
        """One tile, or the beginning or the end of a picture."""
        if self._task is None and self._waiting:
            self._task = self._waiting.popleft()
            self._say(Entered(phase=Phase.DRAWING, task=self._task.id))
        elif self._task is None and self._encoding:
            wait(self._encoding, timeout=LOOK_S, return_when=FIRST_COMPLETED)
        if (task := self._task) is not None:
            try:
                self._advance(task)
            except Exception as error:  # noqa: BLE001 - the edge: the worker lives on
                reason = sentence([task.id], error)
                error.__traceback__ = None  # it holds the frames, and those the tensors
                self._let_go()
                self._say(TaskFailed(task=task.id, reason=reason))
        self._encoding = {future for future in self._encoding if not future.done()}

    def _advance(self, task: Task) -> None:
        if self._reading is None:
            self._reading = self._upscalers.get(_wanted(task).upscaler)
        if self._going is None:
            try:
                upscaler = self._reading.result(timeout=LOOK_S)
                if self._opening is None:
                    self._opening = self._encoder.submit(self._opened, task, upscaler)
                self._going = self._opening.result(timeout=LOOK_S)
            except NotYet:
                pass
            return
        device = self._reading.result().device
        try:
            self._going.advance()
        except Exception as error:
            if is_out_of_memory(error):
                make_room(self._guard)
            if not is_out_of_memory(error) or (smaller := self._going.smaller()) is None:
                raise
            error.__traceback__ = None
            self._going = smaller
            free(device)
            return
        self._say(Stepped(task=task.id, step=self._going.step, steps=self._going.steps))
        if self._going.done:
            self._say(Entered(phase=Phase.DECODING, task=task.id))
            upscaler, going = self._reading.result(), self._going
            self._encoding.add(self._encoder.submit(self._encode, task, upscaler, going))
            self._let_go()

    def _opened(self, task: Task, upscaler: Upscaler) -> Enlargement:
        """Beside the loop: a large picture takes a second, and one that is transparent several."""
        picture = opaque(_opened(task.inputs, _wanted(task)))
        return Enlargement(upscaler, picture, _wanted(task).size, tile=self._upscalers.tile)

    def _encode(self, task: Task, upscaler: Upscaler, going: Enlargement) -> None:
        """Into a PNG file, beside the loop: scaling and writing a large picture takes longer than a step."""
        try:
            larger, source = going.result(), _opened(task.inputs, _wanted(task))
            if source.mode == "RGBA":
                larger.putalpha(covering(source.getchannel("A"), _wanted(task).size))
            drawn = _NOT_DRAWN if _wanted(task).brought else _drawn(task.inputs[_wanted(task).picture])
            verdict = verdict_on(self._guard, task, larger, away=False)
            png = write_png(larger, task.request, drawn | record_of(upscaler, going.tile))
            self._say(Drawn(task=task.id, png=png, verdict=verdict))
        except Exception as error:  # noqa: BLE001 - the edge of a thread
            self._say(TaskFailed(task=task.id, reason=sentence([task.id], error)))

    def _let_go(self) -> None:
        self._task = self._reading = self._opening = self._going = None


def record_of(upscaler: Upscaler, tile: int) -> dict[str, Any]:
    """What the bits of an enlarged picture depend on."""
    device = upscaler.device
    return {
        **upscaler_record(upscaler, tile),
        "version": __version__,
        "device": device_name(device),
        "dtype": str(upscaler.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads() if device.type == "cpu" else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "unet_calls": [],
    }


def upscaler_record(upscaler: Upscaler, tile: int) -> dict[str, Any]:
    """The part of it that a picture with a second pass has too."""
    return {
        "upscaler": upscaler.name,
        "upscaler_hash": upscaler.hash,
        "upscaler_scale": upscaler.scale,
        "upscaler_dtype": str(upscaler.dtype).removeprefix("torch."),
        "upscaler_tile": tile,
        "spandrel": upscaler.version,
    }


def _wanted(task: Task) -> Upscale:
    assert task.request.upscale is not None, "only such tasks come here"
    return task.request.upscale


def _opened(files: Mapping[Digest, Blob], wanted: Upscale) -> Image.Image:
    if wanted.picture not in files:
        raise CannotDraw(say("The picture that this starts from is not there any more."))
    picture = Image.open(io.BytesIO(files[wanted.picture]))
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _drawn(png: Blob) -> dict[str, Any]:
    """How the picture was drawn that is larger now, as its own file says."""
    try:
        record = read(png).record
    except UnreadablePicture:
        record = None
    if record is None:
        raise CannotDraw(
            say("That picture does not say how it was drawn; bring its file to `/upscale` instead.")
        )
    return {name: record[name] for name in (*_DRAWN, *_REFINED) if name in record}
