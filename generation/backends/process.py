"""The default place where pictures are drawn: one worker process on this machine, watched and replaced."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, assert_never

from generation.backends.ending import end_at_once, how_it_ended, put_down, stdin, stdout
from generation.backends.questions import CannotDescribe, Questions
from generation.messages import (
    Cancel,
    Describe,
    Described,
    Draw,
    Drawn,
    Entered,
    Free,
    Loading,
    Lost,
    NotLoaded,
    Phase,
    Previewed,
    PutAway,
    Ready,
    Report,
    Stepped,
    Stopped,
    Task,
    TaskFailed,
    TaskId,
    Unavailable,
    Watch,
)
from generation.request import GenerationRequest
from generation.sentence import say
from generation.wire import encode, read_report

log = logging.getLogger(__name__)

SPARE = 1
"""Tasks of one model and size handed over beyond those that are drawn at once, so that the worker never waits
for the bot. The others stay in the studio, where people take turns."""
SIZES = 3
"""So many times the tasks drawn at once may be handed over in all, if they are of several sizes: those cannot
be drawn in one batch, but take turns."""
SHORT = 2
"""A task overtakes into a worker that is full if it needs at most one in SHORT of any other's steps there."""

PATIENCE: Mapping[Phase, float] = {
    Phase.STARTING: 120.0,
    Phase.LOADING: 600.0,  # without a sign of life; who fetches or reads gives one every few seconds
    Phase.DRAWING: 600.0,  # for one step: a large model on a small processor
    Phase.DECODING: 600.0,
}
"""Seconds without a report after which a worker counts as hung. Idleness has no end."""

READING = 0.9
"""After this share of the patience for LOADING a worker gives up a model whose reading stands still and draws
with the others; when all of the patience is over, the worker itself counts as hung."""

FAILED_STARTS = 3
"""After so many starts in a row that came to nothing, people are told; it goes on trying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Seconds until the next start: `first` after a failed one, twice as long after each further one."""

    first: float
    most: float

    def after(self, failures: int) -> float:
        return min(self.most, self.first * 2.0 ** (failures - 1))


@dataclass(slots=True)
class _Held:
    """A task that the worker has; the files that it starts from are there, not here."""

    request: GenerationRequest
    left: int
    """Steps that are not done."""
    drawn: bool = False
    """Its drawing has begun."""
    begun: bool = False


class ProcessBackend:
    """Draws in a worker process of its own, see :class:`generation.backend.Backend`.

    The pipe is the truth about the worker: what it says is read to the end, and the end of the pipe is its
    death. A worker that says nothing for longer than its phase may take is killed. Either way another one
    is started. One that cannot read its model leaves with a sentence; then it is tried again, but slowly.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        models: Path | None = None,
        memory: float | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch: int | None = None,
        calibration: Path | None = None,
        compiled: Path | None = None,
        graphs: bool = False,
        folders: Mapping[str, Path | None] | None = None,
        safety_checker: str | None = None,
        safety_fetch: bool = False,
        patience: Mapping[Phase, float] | None = None,
        restart: Backoff = Backoff(first=1.0, most=60.0),
        reread: Backoff = Backoff(first=30.0, most=600.0),
        unload_after: float | None = None,
    ) -> None:
        """
        Args:
            model: what draws, if it is only one.
            models: a file that describes several; see docs/models.md.
            memory: GiB that the loaded ones may need together; None: no limit.
            batch: the most images in one call of the model; None: what suits this machine.
            calibration: a file in which is kept what was measured about that.
            compiled: a folder for a compiled UNet; None: it is not compiled.
            graphs: what is compiled records CUDA graphs.
            safety_checker: a folder or a name on Hugging Face; None: the usual one.
            safety_fetch: it may be fetched when it is first wanted.
            unload_after: seconds without work after which all models are put away; None: never.
            folders: the owner's, by what is in them: `embeddings`, `upscalers`; see generation/worker.py.
        """
        chosen = ["--model", str(model)] if models is None else ["--models", str(models.absolute())]
        self._patience = {**PATIENCE, **(patience or {})}
        still = self._patience[Phase.LOADING] * READING
        self._arguments = [*chosen, "--device", device, "--dtype", dtype, "--patience", str(still)]
        more = {
            "--memory": memory,
            "--unload-after": unload_after,
            "--batch": batch,
            "--calibration": calibration and calibration.absolute(),
            "--compile": compiled and compiled.absolute(),
            **{f"--{what}": place and place.absolute() for what, place in (folders or {}).items()},
            "--safety-checker": safety_checker,
        }
        for name, value in more.items():
            self._arguments += [] if value is None else [name, str(value)]
        self._arguments += ["--safety-fetch"] if safety_fetch else []
        self._arguments += ["--cuda-graphs"] if graphs else []
        self._restart = restart
        self._reread = reread
        self._reports: asyncio.Queue[Report | None] = asyncio.Queue()
        self._questions = Questions()
        self._held: dict[TaskId, _Held] = {}
        self._batches: dict[str, int] = {}
        """How many images the worker draws at once with each model that it has loaded, by its source."""
        self._achieved = False
        """This worker has brought a task to its end."""
        self._process: asyncio.subprocess.Process | None = None
        self._ready = False
        self._phase = Phase.STARTING
        self._watch: asyncio.Timeout | None = None
        self._due: float | None = None
        """When the worker counts as hung."""

    async def __aenter__(self) -> Self:
        self._supervisor = asyncio.create_task(self._supervise(), name="worker process")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._supervisor.cancel()
        await asyncio.wait({self._supervisor})

    def reject_reason(self, task: Task) -> str | None:
        if not self._ready:
            return "The drawing process is not ready yet."
        if self._is_full_for(task.request):
            return "The drawing process has its hands full."
        return None

    def _is_full_for(self, request: GenerationRequest) -> bool:
        alike = [held for held in self._held.values() if _together(held.request) == _together(request)]
        batch = 1 if request.upscale is not None else self._batches.get(request.model, 1)
        if len(alike) < batch + SPARE:
            return len(self._held) >= SIZES * max(self._batches.values(), default=1) + SPARE
        return len(alike) >= 2 * batch + SPARE or any(
            held.left < SHORT * request.steps_taken for held in alike
        )

    async def submit(self, task: Task) -> None:
        if self._process is None:  # it has died since it was asked, and what it held may be told already
            reason = "the drawing process was gone before it got this"
            self._reports.put_nowait(Lost(suspects=(), bystanders=(task.id,), reason=reason))
            return
        self._held[task.id] = _Held(task.request, left=task.request.steps_taken)
        self._send(Draw(task=task))
        if self._watch is not None and self._watch.when() is None:  # an idle worker had no deadline so far
            self._due = self._deadline()
            self._watch.reschedule(self._due)

    async def cancel(self, task: TaskId) -> None:
        if task in self._held:
            self._send(Cancel(task=task))

    def watch(self, task: TaskId) -> None:
        if task in self._held:
            self._send(Watch(task=task))

    async def describe(self, picture: bytes) -> str:
        """What is to be seen in a picture, in words; only where there is a folder `describer`.

        Raises:
            CannotDescribe: the message says why not.
        """
        if self._process is None:
            raise CannotDescribe(say("The drawing process is only starting; please try again in a moment."))
        return await self._questions.ask(lambda number: self._send(Describe(number=number, picture=picture)))

    def free(self) -> None:
        self._send(Free())

    async def reports(self) -> AsyncIterator[Report]:
        while (report := await self._reports.get()) is not None:
            yield report
        if not self._supervisor.cancelled():
            self._supervisor.result()  # raises what ended it

    @property
    def pid(self) -> int | None:
        """The worker's process id, while there is one."""
        return self._process.pid if self._process else None

    # The worker's lives -------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        failures, fruitless, said = 0, 0, None
        try:
            while True:
                self._enter(Phase.STARTING)
                unavailable, reason, was_ready = await self._one_life()
                if self._held or (unavailable is None and was_ready):
                    self._lose(reason)
                failures = 0 if was_ready else failures + 1
                if failures == 0:
                    said = None
                    fruitless = 0 if self._achieved else fruitless + 1
                    if fruitless > 1:  # it starts, and what it is given ends it: not as fast as it can
                        await asyncio.sleep(self._restart.after(fruitless - 1))
                    continue
                backoff = self._restart if unavailable is None else self._reread
                if unavailable is None and failures >= FAILED_STARTS:
                    unavailable = say(
                        "The drawing process ended {times} times in a row before it could draw; "
                        "the last time {reason}. I keep trying.",
                        times=FAILED_STARTS,
                        reason=reason,
                    )
                if unavailable is not None and unavailable != said:
                    said = unavailable
                    self._reports.put_nowait(Unavailable(reason=unavailable))
                log.warning("%s; starting another in %.3g s", reason, backoff.after(failures))
                await asyncio.sleep(backoff.after(failures))
        finally:
            self._reports.put_nowait(None)

    async def _one_life(self) -> tuple[str | None, str, bool]:
        """Start a worker and take in what it says until it is gone.

        Returns why its model cannot be read, if that is so; what became of it; whether it ever was ready.
        """
        try:
            process = await self._spawn()
        except OSError as error:
            return None, say("the drawing process could not be started ({error})", error=error), False
        self._process = process
        was_ready, unavailable, broken = False, None, None
        self._achieved, self._batches = False, {}
        self._due = self._deadline()
        try:
            while True:
                try:
                    async with asyncio.timeout_at(self._due) as self._watch:
                        report = await read_report(stdout(process))
                except TimeoutError:
                    broken = self._hung()
                    break
                if report is None:
                    break
                if isinstance(report, Described):
                    self._questions.take_in(report)
                    continue
                if isinstance(report, Unavailable):
                    unavailable = report.reason
                elif self._is_known(report):
                    self._take_in(report)
                    was_ready = was_ready or self._ready
                else:
                    broken = say("the drawing process told of a picture that it does not have")
                    break
                # A download that goes on says nothing about the drawing beside it.
                if not (isinstance(report, Loading) and any(held.drawn for held in self._held.values())):
                    self._due = self._deadline()
            if broken is not None:
                end_at_once(process)
        finally:
            self._watch, self._process, self._ready = None, None, False
            self._questions.lose()
            await put_down(process)
        return unavailable, broken or how_it_ended(process.returncode), was_ready

    def _hung(self) -> str:
        seconds = self._patience[Phase.DRAWING if self._phase is Phase.IDLE else self._phase]
        return say(
            "the drawing process hung ({phase}: no sign of life for {seconds:g} s)",
            phase=self._phase,
            seconds=seconds,
        )

    async def _spawn(self) -> asyncio.subprocess.Process:
        # A program of its own rather than multiprocessing's child, which would import the bot's __main__.
        root = str(Path(__file__).parents[2])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        own_group: dict[str, Any] = {"start_new_session": True}  # the terminal's Ctrl-C is the bot's matter
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.BELOW_NORMAL_PRIORITY_CLASS
            own_group = {"creationflags": flags}
        level = logging.getLevelName(log.getEffectiveLevel())
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "generation.worker", *self._arguments, "--log-level", level),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            **own_group,
        )

    def _is_known(self, report: Report) -> bool:
        """Whether it is about no picture, or about one that the worker has."""
        match report:
            case Loading() | NotLoaded() | Ready() | PutAway() | Previewed() | Unavailable() | Lost():
                return True  # a last preview may come when its picture is done
        return report.task is None or report.task in self._held

    def _take_in(self, report: Report) -> None:
        match report:
            case Entered(phase=phase, task=task):
                self._enter(phase, task)
                return
            case Ready(model=model, images=images):
                self._batches[model] = images
            case Stepped(task=task, step=step, steps=steps):
                self._phase = Phase.DRAWING
                self._held[task].begun = self._held[task].drawn = True
                self._held[task].left = steps - step
            case Loading() | NotLoaded() | PutAway() | Previewed():
                pass
            case Drawn(task=task) | TaskFailed(task=task) | Stopped(task=task):
                del self._held[task]
                self._achieved = True
            case Unavailable() | Lost():
                raise AssertionError(f"{report} is not for a worker to say here")
            case _:
                assert_never(report)
        self._reports.put_nowait(report)

    def _enter(self, phase: Phase, task: TaskId | None = None) -> None:
        self._phase = phase
        self._ready = self._ready or phase is Phase.IDLE
        if task is not None:
            self._held[task].begun = True
            self._held[task].drawn = phase is not Phase.LOADING
        self._reports.put_nowait(Entered(phase=phase, task=task))

    def _lose(self, reason: str) -> None:
        lost, self._held = self._held, {}
        self._reports.put_nowait(
            Lost(
                suspects=tuple(task for task, held in lost.items() if held.begun),
                bystanders=tuple(task for task, held in lost.items() if not held.begun),
                reason=reason,
            )
        )

    def _deadline(self) -> float | None:
        """When the worker will count as hung, in the loop's time, if nothing comes from it until then."""
        phase = Phase.DRAWING if self._phase is Phase.IDLE and self._held else self._phase
        patience = self._patience.get(phase)
        return None if patience is None else asyncio.get_running_loop().time() + patience

    def _send(self, command: Draw | Cancel | Watch | Free | Describe) -> None:
        if self._process is not None:  # else it has just died, and what it held is told as lost
            stdin(self._process).write(encode(command))


def _together(request: GenerationRequest) -> object:
    """What is equal for requests that take each other's room."""
    return None if request.upscale is not None else (request.model, request.size)
