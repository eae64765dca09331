"""A compiled twin of the UNet, made in the background while pictures are drawn without it."""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torch._dynamo

log = logging.getLogger(__name__)

Shape = tuple[int, int, int]
"""Height and width of the latents, and the chunks of the prompts."""
Arguments = Mapping[str, Any]
"""Of one call of the UNet with one row."""
MOST_VERSIONS = 256
WARMED_ROWS = (2, 3, 1)
"""Row counts that are compiled for: the number is then left open, but that one row is always its own case."""


class Compiled:
    """The twin has the UNet's own weights, and its repeated blocks go through `torch.compile`.

    Compiling takes from seconds to minutes for each new shape. Whoever asks for one that is not ready starts
    that, and goes without. torch keeps what it compiled in a folder (TORCHINDUCTOR_CACHE_DIR), so that after
    the next start a shape is ready in seconds.
    """

    def __init__(self, unet: Any, *, backend: str | Callable[..., Any] = "inductor") -> None:
        """`backend` is what compiles, or torch's name for it."""
        _allow_versions()
        shared: dict[int, Any] = {id(part): part for part in (*unet.parameters(), *unet.buffers())}
        self.unet: Any = copy.deepcopy(unet, shared)
        self.unet.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compile")
        self._shapes: dict[Shape, Future[bool]] = {}

    def ready(self, shape: Shape, example: Arguments, *, wait: bool = False) -> bool:
        """Whether calls of this shape can be made now; if not, they will be, unless it fails.

        Args:
            example: see :data:`Arguments`; the tensors are not kept.
            wait: until it is known.
        """
        if shape not in self._shapes:
            self._shapes[shape] = self._thread.submit(self._compile, shape, dict(example))
        future = self._shapes[shape]
        return future.result() if wait or future.done() else False

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    @torch.inference_mode()
    def _compile(self, shape: Shape, example: Arguments) -> bool:
        started = time.monotonic()
        _allow_versions()  # torch's settings are each thread's own
        try:
            for rows in WARMED_ROWS:
                self.unet(**repeated(example, rows), return_dict=False)
        except Exception:
            log.exception("cannot compile for %s; pictures of that shape are drawn without", shape)
            return False
        log.info("compiled for latents of %d x %d in %.1f s", shape[1], shape[0], time.monotonic() - started)
        return True


def _allow_versions() -> None:
    """To torch all blocks of all models are one piece of code, which it compiles for each width anew."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_VERSIONS)


def keep_compiled_in(folder: Path) -> None:
    """Where torch keeps what it compiles, from now on in this process."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder.absolute())


def repeated(arguments: Arguments, rows: int) -> dict[str, Any]:
    """The arguments of a call with so many equal rows."""

    def spread(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.expand(rows, *value.shape[1:]).contiguous()
        if isinstance(value, Mapping):
            return {name: spread(each) for name, each in value.items()}
        return value

    return {name: spread(value) for name, value in arguments.items()}
