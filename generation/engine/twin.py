"""Which calls of the UNet its compiled twin makes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from generation.engine.batch import BatchKey, Image, call_unet, first_row
from generation.engine.compiling import Compiled
from generation.engine.entry import Entry
from generation.engine.failures import CannotDraw
from generation.engine.memory import APART, LAYERED, Memory, is_out_of_memory
from generation.engine.models import Model
from generation.sentence import say

log = logging.getLogger(__name__)

_NOT_COMPILED = say("It was drawn by a compiled model, which cannot be compiled here.")


class Twin:
    """The compiled twin of a model's UNet, if it has one; it has no LoRAs."""

    def __init__(
        self,
        model: Model,
        memory: Memory,
        compiled: Compiled | None,
        calls: Sequence[tuple[int, int]] | None,
    ) -> None:
        """
        Args:
            calls: to draw a picture again: which of its calls the twin makes, as its record says.
        """
        self._model = model
        self._memory = memory
        self._compiled = compiled
        self._calls = calls

    def makes(self, entry: Entry) -> bool:
        """Whether it is to make the next call of an image."""
        if self._compiled is None or self._memory.rung >= LAYERED or _is_beyond_it(entry):
            return False
        if self._calls is not None:
            image = entry.image or entry.first_pass
            number = 0 if image is None else image.earlier_calls + image.calls
            return any(first <= number < first + length for first, length in self._calls)
        if entry.image is not None and not entry.compiled:
            return False  # as a pass began, it goes on
        return self._compiled.is_ready(entry.shape)

    def prepare_for(self, entry: Entry) -> None:
        """Have it made ready for an image's shape, unless it is that already."""
        image = entry.image
        if self._compiled is None or image is None or image.refining or self._memory.rung >= APART:
            return
        if _is_beyond_it(entry):
            return
        if self._calls is not None:
            if not self._compiled.prepare(entry.shape, first_row(self._model, image)).result():
                raise CannotDraw(_NOT_COMPILED)
        elif not self._compiled.is_ready(entry.shape):
            self._compiled.prepare(entry.shape, first_row(self._model, image))

    def called(
        self, key: BatchKey, images: Sequence[Image], *, padded: bool
    ) -> tuple[torch.Tensor, ...] | None:
        """Its prediction for each image; None if it is not their kind, or cannot be called now."""
        if not key.compiled or self._compiled is None or self._memory.rung >= LAYERED:
            return None
        try:
            # To draw a picture again, each call must be made as it was.
            with self._compiled.free(wait=self._calls is not None) as unet:
                return None if unet is None else call_unet(self._model, images, padded=padded, unet=unet)
        except Exception as error:  # an edge: the call is made without
            if is_out_of_memory(error):
                raise
            if self._calls is not None:
                raise CannotDraw(_NOT_COMPILED) from error
            log.exception("the compiled UNet failed; pictures of %s are drawn without it", key)
            error.__traceback__ = None  # it holds the frames, and those the tensors
            self._compiled.give_up((key.height, key.width, key.chunks))
            return None

    def close(self) -> None:
        """Let go of it."""
        if self._compiled is not None:
            self._compiled.close()


def _is_beyond_it(entry: Entry) -> bool:
    """LoRAs and looks are in the UNet itself only, and ControlNets steer only that."""
    request = entry.task.request
    return bool(entry.admitted_as.loras or request.controls or request.look)
