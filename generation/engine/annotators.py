"""Preprocessors that have weights of the owner's: depth and poses. Read when they are wanted."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Protocol

import torch
from PIL import Image

from generation.controlfiles import WEIGHTED, Preprocessor
from generation.engine.awaited import Awaited
from generation.engine.building import one_at_a_time
from generation.engine.depths import Depths
from generation.engine.failures import CannotDraw
from generation.engine.fetching import first_line
from generation.engine.poses import Poses
from generation.modelfiles import UnreadableModel
from generation.sentence import say

log = logging.getLogger(__name__)


class _Annotator(Protocol):
    @property
    def hash(self) -> str:
        """Of the weights."""
        ...

    @property
    def footprint(self) -> int:
        """Bytes of its weights."""
        ...

    def __call__(self, picture: Image.Image, device: torch.device) -> Image.Image: ...


class Annotators:
    """They stay on the CPU and come to the device for as long as they look at a picture."""

    def __init__(
        self, *, depth: Path | None = None, pose: Path | None = None, people: Path | None = None
    ) -> None:
        """
        Args:
            depth: a folder in the format of transformers; None: depth cannot be told.
            pose: likewise.
            people: the folder of what finds people for `pose`; None: a picture shows one.
        """
        self._sources: dict[Preprocessor, Callable[[], _Annotator]] = {}
        if depth is not None:
            self._sources[Preprocessor.DEPTH] = lambda: Depths(depth)
        if pose is not None:
            self._sources[Preprocessor.POSE] = lambda: Poses(pose, people)
        self._readings: dict[Preprocessor, Awaited[_Annotator]] = {}
        self._reader: ThreadPoolExecutor | None = None
        self.used = -math.inf
        """When one was last asked for, in seconds."""

    @property
    def footprint(self) -> int:
        """Bytes of the weights of all that are here."""
        return sum(each.footprint for each in self._here.values())

    def put_away(self) -> None:
        """Let go of those that are here; on the thread that draws, nobody works with them meanwhile."""
        for preprocessor in self._here:
            del self._readings[preprocessor]

    @property
    def _here(self) -> dict[Preprocessor, _Annotator]:
        futures = {name: reading.future for name, reading in self._readings.items() if reading.future.done()}
        return {name: each.result() for name, each in futures.items() if each.exception() is None}

    @property
    def wanted(self) -> Collection[Preprocessor]:
        """Those that cannot do without weights."""
        return WEIGHTED

    def are_here(self, preprocessors: Iterable[Preprocessor]) -> bool:
        """Whether all of these are here; those that are not are read from now on.

        Raises:
            CannotDraw: one cannot be had.
        """
        here = [self._is_here(each) for each in preprocessors if each in self.wanted]  # all are begun
        return all(here)

    def wait(self, seconds: float) -> None:
        """Until what is being read is here, but not longer than this."""
        if reading := [each.future for each in self._readings.values() if not each.future.done()]:
            wait(reading, timeout=seconds)

    def hash_of(self, preprocessor: Preprocessor) -> str | None:
        """Of the weights of one that is here; None for one without."""
        return None if preprocessor not in self.wanted else self._readings[preprocessor].future.result().hash

    def __call__(self, preprocessor: Preprocessor, picture: Image.Image, device: torch.device) -> Image.Image:
        """What one that is here makes of a picture, in RGB of its size."""
        return self._readings[preprocessor].future.result()(picture, device)

    def _is_here(self, preprocessor: Preprocessor) -> bool:
        self.used = time.monotonic()
        if preprocessor not in self._readings:
            if (source := self._sources.get(preprocessor)) is None:
                raise CannotDraw(preprocessor.missing)
            self._reader = self._reader or ThreadPoolExecutor(1, thread_name_prefix="annotator")
            future = self._reader.submit(_read, preprocessor, source)
            self._readings[preprocessor] = Awaited(
                future, say("what makes a {kind} picture", kind=preprocessor)
            )
        reading = self._readings[preprocessor]
        if not reading.is_over():
            return False
        try:
            reading.future.result()
        except UnreadableModel as error:
            log.error("%s", error)
            del self._readings[preprocessor]
            raise CannotDraw(
                say(
                    "What makes a {kind} picture cannot be used at the moment; the owner's log says why.",
                    kind=preprocessor,
                )
            ) from error
        return True


@functools.cache
def the_annotators(depth: Path | None, pose: Path | None, people: Path | None) -> Annotators:
    """Those that all engines of this process share."""
    return Annotators(depth=depth, pose=pose, people=people)


@one_at_a_time
def _read(preprocessor: Preprocessor, make: Callable[[], _Annotator]) -> _Annotator:
    """
    Raises:
        UnreadableModel: it cannot be read; a sentence for the owner.
    """
    try:
        return make()
    except Exception as error:  # whatever a broken file makes the libraries raise
        if not isinstance(error, UnreadableModel):
            log.exception("could not read what makes a %s picture", preprocessor)
        raise UnreadableModel(
            f"{preprocessor.upper()}_MODEL names a folder which cannot be read: {first_line(error)}"
        ) from error
