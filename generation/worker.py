"""The worker process: takes commands from one pipe, lets the engine draw, and says what happens into another.

Run as `python -m generation.worker`, by :mod:`generation.backends.process` only. It lives as long as the pipe
it reads: when the bot's process is gone, however it went, so is this one, in the middle of a step if need be.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, assert_never

from generation import loras
from generation.catalogue import Family, MemoryMode, ModelInfo, UnreadableModel
from generation.controlnets import control_folders
from generation.embeddings import SHIPPED, Embeddings
from generation.engine.beside import Beside, Besides
from generation.engine.engine import Engine, OneOfSeveral, Say
from generation.engine.reading import Finish, Tell
from generation.heartbeat import heartbeat
from generation.loras import Loras
from generation.messages import (
    Cancel,
    Describe,
    Described,
    Draw,
    Entered,
    Free,
    Leave,
    Phase,
    Report,
    Stopped,
    Task,
    Unavailable,
    Watch,
)
from generation.safety import DEFAULT_CHECKER
from generation.shelf import Shelf, read_shelf
from generation.wire import encode, read_command

if TYPE_CHECKING:
    from generation.engine.upscalers import UpscalerShelf

log = logging.getLogger(__name__)

UNREADABLE = 64
"""Exit status when the model cannot be had: another worker would not have it either."""

_NICENESS = 5  # the bot's process answers people, and comes first
_ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",  # else it advises about image processors that nothing here uses
    # How long threads spin while they wait for each other, in turns of libgomp's loop. Never spinning makes
    # a small picture take twice as long on two idle cores (benchmarks/README.md); spinning as long as libgomp
    # likes makes it take several times as long when something else wants a core, and starves the bot.
    "GOMP_SPINCOUNT": "30000",
}


def main(arguments: list[str] | None = None) -> None:
    """Load the model and draw until told to leave."""
    options = read_options(arguments)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the bot, which then sends Leave
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(
        level=options.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # the hub's library says each of its requests
    say = _Speaker(_own_stdout())
    inbox: Inbox = queue.SimpleQueue()
    describe: Callable[[Describe], None] | None = None
    if options.describer is not None:
        from generation.engine.describing import answering

        describe = answering(options.describer, say)
    listening = (sys.stdin.buffer, inbox, describe)
    threading.Thread(target=_listen, args=listening, name="commands", daemon=True).start()
    try:
        say(Entered(phase=Phase.LOADING))
        engine, free = _open_engine(options, say)
        Worker(engine, inbox, say, free=free, unload_after=options.unload_after).run()
    except UnreadableModel as error:
        say(Unavailable(reason=error.sentence))
        status = UNREADABLE
    except Exception:  # the edge of the process: the bot is told by its end
        log.exception("the worker cannot go on")
        status = 1
    # Not sys.exit: the interpreter would wait for, or stumble over, the thread that reads commands.
    os._exit(status)


def read_options(arguments: list[str] | None) -> argparse.Namespace:
    """What it was started with."""
    parser = argparse.ArgumentParser(prog="python -m generation.worker")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="the only one")
    which.add_argument("--models", type=Path, help="a file that describes several")
    parser.add_argument("--memory", type=float, help="GiB that loaded models may need together")
    parser.add_argument("--unload-after", type=float, help="seconds without work; then models are put away")
    parser.add_argument("--loras", type=Path, help="a folder of LoRAs")
    parser.add_argument("--embeddings", type=Path, help="a folder of words that were learned beside models")
    parser.add_argument("--upscalers", type=Path, help="a folder of models that make pictures larger")
    parser.add_argument("--controlnets", type=Path, help="a folder of ControlNets")
    parser.add_argument("--depth", type=Path, help="a folder with a model that tells depth in pictures")
    parser.add_argument("--pose", type=Path, help="a folder with a model that tells poses of people")
    parser.add_argument("--people", type=Path, help="a folder with a model that finds people for that")
    parser.add_argument("--describer", type=Path, help="a folder with a model that describes pictures")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--batch", type=int, help="the most images in one call (default: what suits)")
    parser.add_argument("--calibration", type=Path, help="a file that keeps what was measured")
    parser.add_argument("--compile", type=Path, help="compile the UNet, and keep what was compiled here")
    parser.add_argument("--cuda-graphs", action="store_true", help="have what is compiled record CUDA graphs")
    parser.add_argument(
        "--patience", type=float, default=540.0, help="seconds that a reading may stand still"
    )
    parser.add_argument("--safety-checker", default=DEFAULT_CHECKER, help="a folder, or a name on the hub")
    parser.add_argument("--safety-fetch", action="store_true", help="fetch it if it is wanted and not here")
    parser.add_argument("--log-level", default="INFO")
    return parser.parse_args(arguments)


Inbox = queue.SimpleQueue[Draw | Cancel | Watch | Free]


class Worker:
    """The loop of the worker process: commands are taken between two ticks of the engine."""

    def __init__(
        self,
        engine: Engine,
        inbox: Inbox,
        say: Say,
        *,
        free: Callable[[], None] = lambda: None,
        unload_after: float | None = None,
    ) -> None:
        """
        Args:
            free: puts away what the engine has in memory; called when nothing is in hand.
            unload_after: seconds without work after which that is done unasked; None: never.
        """
        self._engine = engine
        self._inbox = inbox
        self._say = say
        self._free = free
        self._unload_after = unload_after
        self._is_to_free = False
        self._waiting: deque[Task] = deque()

    def run(self) -> NoReturn:
        """Draw until the process ends."""
        while True:
            if not self._engine.busy and not self._waiting:
                self._say(Entered(phase=Phase.IDLE))
                self._idle()
            while not self._inbox.empty():
                self._take(self._inbox.get())
            while self._waiting and self._engine.room:
                self._engine.admit(self._waiting.popleft())
            self._engine.tick()

    def _idle(self) -> None:
        """Wait for a command; put the models away first if that is wanted, or after a while."""
        if not self._is_to_free:
            try:
                self._take(self._inbox.get(timeout=self._unload_after))
            except queue.Empty:
                self._is_to_free = True
        if self._is_to_free and self._inbox.empty():
            self._is_to_free = False
            self._free()
            self._take(self._inbox.get())

    def _take(self, command: Draw | Cancel | Watch | Free) -> None:
        match command:
            case Draw(task=task):
                self._is_to_free = False
                self._waiting.append(task)
            case Free():
                self._is_to_free = True
            case Cancel(task=task_id):
                if not self._engine.cancel(task_id):
                    waiting = next((task for task in self._waiting if task.id == task_id), None)
                    if waiting is not None:
                        self._waiting.remove(waiting)
                        self._say(Stopped(task=task_id))
            case Watch(task=task_id):
                self._engine.watch(task_id)
            case _:
                assert_never(command)


def _open_engine(
    options: argparse.Namespace, say: Callable[[Report], None]
) -> tuple[Engine, Callable[[], None]]:
    """What draws, and what puts away all that it has in memory."""
    from generation.engine.footprints import weight_on_disk
    from generation.engine.giving import give_back
    from generation.engine.rack import Rack

    shelf = read_shelf(options.models) if options.models else Shelf.one(options.model)
    for info in shelf.models:
        if info.note:
            log.info("%s", info.note)
    budget = None if options.memory is None else int(options.memory * 2**30)
    upscalers = None if options.upscalers is None else _upscalers(options)
    besides = Besides(lambda: _beside(upscalers, options))
    rack = Rack(
        shelf,
        lambda info, tell: _read(info, options, say, tell, upscalers),
        say,
        budget=budget,
        weigh=weight_on_disk,
        patience=options.patience,
        alive=lambda is_needless: heartbeat(say, unless=is_needless),
        enlarging=_enlarging(upscalers, options, say),
        besides=besides,
    )

    def free() -> None:
        besides.put_all_away()
        rack.put_all_away()
        give_back()

    return rack, free


def _beside(upscalers: UpscalerShelf | None, options: argparse.Namespace) -> list[Beside]:
    """What models share; nothing is imported for it that has not been for a model."""
    found: list[Beside] = [] if upscalers is None else [upscalers]
    if "generation.engine.loop" in sys.modules:
        from generation.engine.annotators import the_annotators
        from generation.engine.guard import the_guard

        found.append(the_guard(options.safety_checker, options.safety_fetch, options.device))
        found.append(the_annotators(options.depth, options.pose, options.people))
    return found


def _upscalers(options: argparse.Namespace) -> UpscalerShelf:
    from generation.engine.models import choose_device, choose_dtype
    from generation.engine.upscalers import UpscalerShelf
    from generation.upscalers import Upscalers

    UpscalerShelf.make_ready()
    device = choose_device(options.device)
    return UpscalerShelf(Upscalers(options.upscalers), device, choose_dtype(options.dtype, device))


def _enlarging(upscalers: UpscalerShelf | None, options: argparse.Namespace, say: Say) -> OneOfSeveral | None:
    if upscalers is None:
        return None
    from generation.engine.enlarging import EnlargingEngine
    from generation.engine.guard import the_guard

    guard = the_guard(options.safety_checker, options.safety_fetch, options.device)
    return EnlargingEngine(upscalers, say, guard=guard)


def _read(
    info: ModelInfo,
    options: argparse.Namespace,
    say: Say,
    tell: Tell,
    upscalers: UpscalerShelf | None = None,
) -> Finish:
    """Fetch and read one model; what it returns makes its engine, on the thread that draws."""
    if info.family is Family.NOISE:
        from generation.engine.noise import NoiseEngine

        noise = NoiseEngine(info, say, tell)
        return lambda: noise
    from generation.engine.downloads import told

    with told(info.name, tell):
        return _read_files(info, options, say, upscalers)


def _read_files(
    info: ModelInfo, options: argparse.Namespace, say: Say, upscalers: UpscalerShelf | None
) -> Finish:
    is_first = "generation.engine.loop" not in sys.modules
    gc.disable()  # all of this stays: to look it through for garbage meanwhile takes a quarter of the time
    from generation.engine.annotators import the_annotators
    from generation.engine.compiling import compiled_in
    from generation.engine.guard import the_guard
    from generation.engine.lane import PipelineEngine
    from generation.engine.loop import DiffusionEngine
    from generation.engine.models import fetched, load
    from generation.engine.pipeline import load_pipeline

    if is_first:
        gc.freeze()  # no model is among it yet
    gc.enable()
    info = fetched(info, device=options.device, dtype=options.dtype)
    guard = the_guard(options.safety_checker, options.safety_fetch, options.device)
    if info.family is Family.OTHER:
        pipeline = load_pipeline(info, device=options.device, dtype=options.dtype)
        pipeline.hash.result()
        return lambda: PipelineEngine(pipeline, say, guard=guard)
    model = load(info, device=options.device, dtype=options.dtype)
    model.record()  # its hashes: else the thread that draws would wait for the disk, and everybody with it
    compiled = None
    if options.compile is not None and model.info.memory not in (MemoryMode.FAST, MemoryMode.BALANCED):
        log.info("%s is not compiled: its memory mode is %s", model.info.name, model.info.memory)
    elif options.compile is not None:
        compiled = compiled_in(options.compile, model.unet, graphs=options.cuda_graphs)
    controlnets = control_folders(options.controlnets)
    controlnets.look()  # the first look reads their headers
    return lambda: DiffusionEngine(
        model,
        say,
        cap=options.batch,
        calibration=options.calibration,
        compiled=compiled,
        guard=guard,
        embeddings=Embeddings(options.embeddings, SHIPPED),
        loras=Loras(options.loras, loras.SHIPPED),
        upscalers=upscalers,
        controlnets=controlnets,
        annotators=the_annotators(options.depth, options.pose, options.people),
    )


def _own_stdout() -> BinaryIO:
    """The pipe for reports, kept from everybody else: what libraries print goes to the log instead."""
    own = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(own, "wb", buffering=0)


class _Speaker:
    """Says reports into the pipe, from any thread."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()

    def __call__(self, report: Report | Described) -> None:
        frame = memoryview(encode(report))
        with self._lock:
            try:
                while frame:
                    frame = frame[self._pipe.write(frame) :]
            except BrokenPipeError:
                os._exit(0)  # nobody listens any more


def _listen(pipe: BinaryIO, inbox: Inbox, describe: Callable[[Describe], None] | None) -> None:
    """Hand commands to the loop; when the pipe ends or says so, end the process at once, mid-step too.

    A step of a large model takes seconds to minutes, and nothing here needs an orderly end.
    """
    while (command := read_command(pipe)) is not None and not isinstance(command, Leave):
        if not isinstance(command, Describe):
            inbox.put(command)
        elif describe is not None:
            describe(command)
    os._exit(0)


if __name__ == "__main__":
    main()
