"""An engine without a model: draws coloured noise at once, or misbehaves where a prompt asks for it.

Chosen by a model source that begins with "fake:". It needs no torch, so that tests of the worker, the backend
and everything above them take milliseconds. Its pictures follow every setting, as real ones do, and say in
their metadata what drew them.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from generation import __version__
from generation.catalogue import ModelInfo, UnreadableModel
from generation.engine.engine import Say
from generation.engine.reading import Tell
from generation.messages import Drawn, Entered, Phase, Previewed, Stepped, Stopped, Task, TaskFailed, TaskId
from generation.metadata import write_png
from generation.safety import Verdict
from generation.sentence import say

SLOW_STEP_S = 0.05
HELD = "held"
"""A word in a prompt, and the name of a file in the working directory: while that is there, such a picture
stays at its first step, and a download at its beginning."""
FETCH_S = {"fake:fetched": 1.5, "fake:fetched slowly": 15.0, "fake:unreadable in the end": 4.0}
FETCHED_BYTES = 4_300_000_000
_PARTS = 15
_CELL = 8  # pixels
_FINE = "fine"
"""With this word the noise is fine: a picture of 1024 x 1024 is then a file of 3 MB."""

VERDICTS = {"flag": Verdict.FLAGGED, "unchecked": Verdict.UNCHECKED}
"""Words with which a prompt says what is found in its picture when it is checked; others are clean."""


class NoiseEngine:
    """See :class:`generation.engine.engine.Engine`. One task at a time.

    Words in a prompt: "crash" ends the process in the middle of the picture, "hang" never comes back from a
    step ("crash-once", "hang-once": at the first attempt only), "twice" is told as drawn two times, "fail"
    says that it cannot be drawn, "slow" takes 50 ms for each step, "held" waits behind its first step (see
    HELD).

    The sources: "fake:noise" works; "fake:unreadable" (in the end) cannot be loaded; "fake:crash" ends;
    "fake:hang" hangs while loading; "fake:fetched" (slowly) takes as long as FETCH_S and tells of a download;
    "fake:misjudged" is found to take other sizes than was believed.
    """

    def __init__(self, info: ModelInfo, say: Say, tell: Tell = lambda fetched, total: None) -> None:
        match info.source:
            case "fake:unreadable":
                raise UnreadableModel("The model fake:unreadable cannot be read, as its name says.")
            case "fake:unreadable in the end":
                _fetch(tell, FETCH_S[info.source])
                raise UnreadableModel("The model fake:unreadable cannot be read, as its name says.")
            case "fake:crash":
                os._exit(3)
            case "fake:hang":
                _hang()
            case "fake:fetched" | "fake:fetched slowly":
                _fetch(tell, FETCH_S[info.source])
            case "fake:misjudged":
                info = replace(info, multiple=64)
        self._info = info
        self._say = say
        self._task: Task | None = None
        self._step = 0
        self._watched = False

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def batch(self) -> int:
        return 1

    @property
    def footprint(self) -> int:
        return 0

    @property
    def work(self) -> float:
        return 0.0

    @property
    def room(self) -> int:
        return 0 if self._task else 1

    @property
    def busy(self) -> bool:
        return self._task is not None

    def admit(self, task: Task) -> None:
        self._say(Entered(phase=Phase.DRAWING, task=task.id))
        if (reason := self._info.reject_reason(task.request)) is not None:
            self._say(TaskFailed(task=task.id, reason=reason))
            return
        self._task, self._step, self._watched = task, 0, False

    def cancel(self, task: TaskId) -> bool:
        if self._task is None or self._task.id != task:
            return False
        self._task = None
        self._say(Stopped(task=task))
        return True

    def close(self) -> None:
        pass

    def watch(self, task: TaskId) -> None:
        if self._task is not None and self._task.id == task:
            self._watched = True

    def tick(self) -> None:
        if (task := self._task) is None:
            return
        words = set(task.request.prompt.lower().split())
        once = task.id.attempt == 1
        steps = task.request.steps_taken
        if self._step and HELD in words and _is_held():
            self._tell(task)
            return
        self._step += 1
        if self._step == (steps + 1) // 2:
            if "crash" in words or ("crash-once" in words and once):
                os._exit(3)
            if "hang" in words or ("hang-once" in words and once):
                _hang()
            if "fail" in words:
                self._task = None
                self._say(TaskFailed(task=task.id, reason=say("This cannot be drawn, as its prompt asks.")))
                return
        if "slow" in words:
            time.sleep(SLOW_STEP_S)
        self._tell(task)
        if self._step == steps:
            self._say(Entered(phase=Phase.DECODING, task=task.id))
            self._task = None
            verdict = Verdict.CLEAN if task.checked else Verdict.UNASKED
            if task.checked:
                verdict = next((VERDICTS[word] for word in VERDICTS if word in words), verdict)
            drawn = Drawn(task=task.id, png=self._draw(task), verdict=verdict)
            for _ in range(2 if "twice" in words else 1):
                self._say(drawn)

    def _tell(self, task: Task) -> None:
        steps = task.request.steps_taken
        self._say(Stepped(task=task.id, step=self._step, steps=steps))
        if self._watched:
            self._watched = False
            shade = 255 * self._step // steps
            file = io.BytesIO()
            Image.new("RGB", (64, 64), (shade, shade, shade)).save(file, format="WEBP")
            self._say(Previewed(task=task.id, webp=file.getvalue()))

    def _draw(self, task: Task) -> bytes:
        request = task.request
        cell = 1 if _FINE in request.prompt.lower().split() else _CELL
        across, down = -(-request.final_size.width // cell), -(-request.final_size.height // cell)
        settings = repr(sorted(request.plain().items())).encode()
        pixels = hashlib.shake_256(settings).digest(across * down * 3)
        cells = Image.frombytes("RGB", (across, down), pixels)
        image = cells.resize((request.final_size.width, request.final_size.height), Image.Resampling.NEAREST)
        record: dict[str, Any] = {
            "model": self._info.name,
            "model_source": self._info.public_source,
            "model_hash": hashlib.sha256(self._info.source.encode()).hexdigest()[:10],
            "model_family": self._info.family.value,
            "version": __version__,
        }
        return write_png(image, request, record)


def _fetch(tell: Tell, seconds: float) -> None:
    for part in range(_PARTS):
        tell(part * FETCHED_BYTES // _PARTS, FETCHED_BYTES)
        time.sleep(seconds / _PARTS)
        while part and _is_held():
            pass
    tell(0, 0)


def _is_held() -> bool:
    """Whether to wait; a moment later, so that who asks again and again takes nothing from others."""
    if not Path(HELD).exists():
        return False
    time.sleep(SLOW_STEP_S)
    return True


def _hang() -> None:
    while True:
        time.sleep(60)
