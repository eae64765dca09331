"""A compiled twin of the UNet, made in the background while pictures are drawn without it."""

from __future__ import annotations

import copy
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from diffusers import Transformer2DModel

from generation.engine.memory import is_out_of_memory

log = logging.getLogger(__name__)

Shape = tuple[int, int, int]
"""Height and width of the latents, and the chunks of the prompts."""
Arguments = Mapping[str, Any]
"""Of one call of the UNet with one row."""
MOST_VERSIONS = 256
WARMED_ROWS = (2, 3, 1)
"""Row counts that are compiled for: the number is then left open, but that one row is always its own case."""

_tracing = threading.Lock()
"""Held while anything is compiled, and while any twin is called. torch's tracer marks the whole process, and
a compiled block that is called meanwhile, on whatever thread, raises (torch._dynamo.eval_frame, 2.13)."""

_LOOK_S = 0.2


class Compiled:
    """The twin has the UNet's own weights, and its repeated blocks go through `torch.compile`.

    Compiling takes from seconds to minutes for each new shape. Whoever asks for one that is not ready starts
    that, and goes without. torch keeps what it compiled in a folder (TORCHINDUCTOR_CACHE_DIR), so that after
    the next start a shape is ready in seconds.
    """

    def __init__(
        self, unet: Any, *, backend: str | Callable[..., Any] = "inductor", graphs: bool = False
    ) -> None:
        """
        Args:
            backend: what compiles, or torch's name for it.
            graphs: have it record CUDA graphs, so that the host has less to tell the device in each call.
        """
        _allow_versions()
        shared: dict[int, Any] = {id(part): part for part in (*unet.parameters(), *unet.buffers())}
        self.unet: Any = copy.deepcopy(unet, shared)
        how: dict[str, Any] = {"options": {"triton.cudagraphs": True}} if graphs else {}
        self.unet.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend, **how)
        self._graphs = graphs
        for module in self.unet.modules():
            if isinstance(module, Transformer2DModel):  # it holds such blocks, and is not compiled itself
                module.register_forward_pre_hook(self._leave_if_closed)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compile")
        self._shapes: dict[Shape, Future[bool | None]] = {}  # the thread that compiles leaves it alone
        self._closed = threading.Event()

    def is_ready(self, shape: Shape) -> bool:
        """Whether calls of this shape can be made now."""
        future = self._shapes.get(shape)
        return future is not None and _is_over(future) and future.result() is True

    def prepare(self, shape: Shape, example: Arguments) -> Future[bool | None]:
        """Begin to compile for a shape, unless that was begun before.

        Args:
            example: see :data:`Arguments`; the tensors are not kept.

        Returns:
            Whether it comes to something; None if memory runs out, and then the next call tries it again.
        """
        future = self._shapes.get(shape)
        if future is None or (_is_over(future) and future.result() is None):
            future = self._thread.submit(self._compile, shape, dict(example))
            self._shapes[shape] = future
        return future

    def give_up(self, shape: Shape) -> None:
        """Never be ready for a shape again: a call of it has failed."""
        self._shapes[shape] = Future()
        self._shapes[shape].set_result(False)

    @contextmanager
    def free(self, *, wait: bool = False) -> Iterator[Any | None]:
        """The twin, to be called in here; None while anything is being compiled, unless it waits for that."""
        if not _tracing.acquire(blocking=wait):
            yield None
            return
        try:
            self._begin_call()
            yield self.unet
        finally:
            _tracing.release()

    def close(self) -> None:
        """Let go of the twin. What is being compiled is left before the next few blocks of the UNet."""
        self._closed.set()
        self._thread.shutdown(cancel_futures=True)

    def _leave_if_closed(self, module: Any, arguments: Any) -> None:
        if self._closed.is_set():
            raise _Closed

    def _begin_call(self) -> None:
        """What the last call left in the memory of its graphs may be written over."""
        if self._graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def _compile(self, shape: Shape, example: Arguments) -> bool | None:
        while not _tracing.acquire(timeout=_LOOK_S):
            if self._closed.is_set():
                return False
        started = time.monotonic()
        _allow_versions()  # torch's settings are each thread's own
        try:
            for rows in WARMED_ROWS:
                self._begin_call()
                self.unet(**repeated(example, rows), return_dict=False)
        except _Closed:
            return False
        except Exception as error:  # the edge of a thread: pictures are drawn without
            if is_out_of_memory(error) or self._has_moved(example):
                log.warning("memory ran out while compiling for %s; it is tried again later", shape)
                verdict = None
            else:
                log.exception("cannot compile for %s; pictures of that shape are drawn without", shape)
                verdict = False
            error.__traceback__ = None  # it holds the frames, and those the tensors
            return verdict
        finally:
            _tracing.release()
        log.info("compiled for latents of %d x %d in %.1f s", shape[1], shape[0], time.monotonic() - started)
        return True

    def _has_moved(self, example: Arguments) -> bool:
        """Whether the weights have left the device meanwhile, for want of memory."""
        device: torch.device = example["sample"].device
        return any(weight.device.type != device.type for weight in self.unet.parameters())


class _Closed(Exception):  # noqa: N818 - no error
    """Nobody wants what is being compiled any more."""


def _is_over(future: Future[bool | None]) -> bool:
    """Whether it has a result; one that closing cancelled never gets any."""
    return future.done() and not future.cancelled()


def _allow_versions() -> None:
    """To torch all blocks of all models are one piece of code, which it compiles for each width anew."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_VERSIONS)


def compiled_in(folder: Path, unet: Any, *, graphs: bool = False) -> Compiled | None:
    """A twin; what torch compiles is kept in this folder from now on. None, told in the log: it cannot be.

    Args:
        graphs: see :class:`Compiled`; they are for CUDA alone.
    """
    if graphs and unet.device.type != "cuda":
        log.warning(
            "CUDA_GRAPHS is true, but the model draws on %s: it is compiled without.", unet.device.type
        )
        graphs = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        log.error(
            "Nothing is compiled: %s cannot be written (%s). Make it writable, or set COMPILE=false.",
            *(folder, error.strerror),
        )
        return None
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder.absolute())
    return Compiled(unet, graphs=graphs)


def repeated(arguments: Arguments, rows: int) -> dict[str, Any]:
    """The arguments of a call with so many equal rows."""

    def spread(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.expand(rows, *value.shape[1:]).contiguous()
        if isinstance(value, Mapping):
            return {name: spread(each) for name, each in value.items()}
        return value

    return {name: spread(value) for name, value in arguments.items()}
