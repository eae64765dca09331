"""Reading upscalers with spandrel, on a thread of their own."""

from __future__ import annotations

import importlib
import logging
import math
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from generation.engine.building import one_at_a_time
from generation.engine.failures import CannotDraw
from generation.engine.hashes import unchanged
from generation.engine.memory import footprint
from generation.sentence import say
from generation.upscalers import Upscalers

log = logging.getLogger(__name__)


TILE = 256
"""Pixels along the edge of a tile, before it is enlarged; smaller ones are tried when memory runs out."""


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Upscaler:
    """A model that makes pictures `scale` times as large, on the device that works."""

    name: str
    hash: str
    """The first 10 hexadecimal digits of the file's SHA-256."""
    scale: int
    model: Any
    """spandrel's ImageModelDescriptor."""
    device: torch.device
    dtype: torch.dtype
    version: str
    """Of spandrel."""

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Enlarge (1, 3, h, w) to (1, 3, h * scale, w * scale), both float32 from 0 to 1 on the CPU."""
        enlarged: torch.Tensor = self.model(pixels.to(self.device, self.dtype))
        return enlarged.float().cpu()


class UpscalerShelf:
    """The upscalers of the owner's folder, of which the one that was used last stays in memory."""

    def __init__(
        self,
        files: Upscalers,
        device: torch.device,
        dtype: torch.dtype,
        *,
        tile: int = TILE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            device: where it works; None of it is moved before somebody asks for it.
            dtype: what it computes in, if it can.
            tile: pixels along the edge of the tiles that it begins with.
            now: seconds.
        """
        self.tile = tile
        self._files = files
        self._device = device
        self._dtype = dtype
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="upscaler")
        self._last: tuple[tuple[str, int], Future[Upscaler]] | None = None
        self._now = now
        self.used = -math.inf
        """When one was last asked for, in seconds."""

    @property
    def footprint(self) -> int:
        """Bytes of the weights of the one in memory."""
        if self._last is None or not self._last[1].done() or self._last[1].exception() is not None:
            return 0
        return footprint(self._last[1].result().model.model)

    @staticmethod
    def make_ready() -> None:
        """Import what reads upscalers; best before threads import other things, see :func:`_importable`."""
        with _importable():
            importlib.import_module("spandrel")

    def get(self, name: str) -> Future[Upscaler]:
        """The upscaler of this name, as soon as it is read; CannotDraw, if it cannot be.

        Raises:
            CannotDraw: its file went away this very moment.
        """
        self.used = self._now()
        path = self._files.path_of(name)
        if path is None:
            gone: Future[Upscaler] = Future()
            gone.set_exception(
                CannotDraw(say("The upscaler {name} is not among the upscalers any more.", name=name))
            )
            return gone
        try:
            key = name, path.stat().st_mtime_ns
        except OSError as error:
            raise CannotDraw(say("The upscaler {name} went away just now.", name=name)) from error
        if self._last is None or self._last[0] != key or _has_failed(self._last[1]):
            self._last = (
                None  # its memory goes before the next one comes, unless somebody still works with it
            )
            self._last = key, self._reader.submit(self._read, name, path)
        return self._last[1]

    def put_away(self) -> None:
        """Let go of the one in memory, unless somebody works with it."""
        if self._last is None or not self._last[1].done():
            return  # somebody waits for it
        if self._last[1].exception() is not None:
            self._last = None
            return
        key, here = self._last[0], weakref.ref(self._last[1].result())
        self._last = None
        if (still := here()) is not None:
            again: Future[Upscaler] = Future()
            again.set_result(still)
            self._last = key, again

    def close(self) -> None:
        self._reader.shutdown(cancel_futures=True)
        self._last = None

    @one_at_a_time
    def _read(self, name: str, path: Path) -> Upscaler:
        self.make_ready()
        spandrel = sys.modules["spandrel"]
        try:
            with unchanged(path) as digest:
                model = spandrel.ModelLoader().load_from_state_dict(load_file(path))
        except Exception as error:  # whatever a broken file makes the libraries raise
            log.error("could not read the upscaler %s", path, exc_info=error)
            raise CannotDraw(
                say("The upscaler {name} cannot be read; the owner's log says why.", name=name)
            ) from error
        if not isinstance(model, spandrel.ImageModelDescriptor) or model.purpose != "SR" or model.scale < 2:
            raise CannotDraw(
                say(
                    "{name} is a {architecture} that enlarges nothing; choose another upscaler.",
                    name=name,
                    architecture=model.architecture.name,
                )
            )
        if (model.input_channels, model.output_channels) != (3, 3):
            raise CannotDraw(
                say("The upscaler {name} is not for pictures in colour; choose another.", name=name)
            )
        if model.tiling is spandrel.ModelTiling.INTERNAL:
            log.info("%s makes tiles of its own; it gets ours all the same", name)
        dtype = self._kind(model)
        model.eval().to(self._device, dtype)
        log.info("read the upscaler %s: %s, %d times", name, model.architecture.name, model.scale)
        return Upscaler(
            name=name,
            hash=digest,
            scale=model.scale,
            model=model,
            device=self._device,
            dtype=dtype,
            version=importlib.import_module("importlib.metadata").version("spandrel"),
        )

    def _kind(self, model: Any) -> torch.dtype:
        if self._dtype is torch.float16 and model.supports_half:
            return torch.float16
        if self._dtype is torch.bfloat16 and model.supports_bfloat16:
            return torch.bfloat16
        return torch.float32


def _has_failed(future: Future[Upscaler]) -> bool:
    """A file that could not be read is tried again: it may have been replaced."""
    return future.done() and future.exception() is not None


_IMPORTING = threading.Lock()
_PARTS = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")


@contextmanager
def _importable() -> Iterator[None]:
    """In here spandrel can be imported though torchvision cannot.

    It asks torchvision for functions that two of its architectures use, neither of which enlarges pictures. A
    torchvision that was built for another device than torch cannot be imported; that is how pip installs it
    beside a torch for processors.
    """
    with _IMPORTING:
        if "spandrel" in sys.modules:
            yield
            return
        try:
            importlib.import_module(_PARTS[-1])
        except Exception as error:  # whatever is wrong with it: it is not needed
            log.debug("torchvision is not used", exc_info=error)
        else:
            yield
            return
        before = {name: sys.modules.pop(name, None) for name in _PARTS}
        for name in _PARTS:
            module: Any = types.ModuleType(name)
            module.__path__ = []
            sys.modules[name] = module
        module.InterpolationMode = types.SimpleNamespace(NEAREST=0, BILINEAR=1)
        module.rotate = module.normalize = None
        try:
            yield
        finally:
            for name, old in before.items():
                del sys.modules[name]
                if old is not None:
                    sys.modules[name] = old
