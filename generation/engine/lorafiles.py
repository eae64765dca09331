"""What is in the file of a LoRA: under which names, whether it fits a model, and read without warnings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import torch

from generation.engine.awaited import Awaited
from generation.engine.building import busy_for, is_free
from generation.engine.hashes import hashes_of
from generation.loras import Lora, quoted
from generation.sentence import say


class Hashes:
    """Of the files of LoRAs, read once for that beside the drawing; then they are soon read again."""

    def __init__(self) -> None:
        self._reading: dict[Lora, Awaited[tuple[str, str]]] = {}

    def are_here(self, loras: Sequence[Lora]) -> bool:
        """Whether these can be put into a model without keeping others waiting; else they are read now.

        Raises:
            CannotDraw: one has been waited for too long.
        """
        over = [self._is_over(lora) for lora in loras]  # all are begun
        if not all(over):
            return False
        if not loras or is_free():
            return True
        for lora in loras:
            self._reading[lora].check(held_up=busy_for())  # it may be from a request that was taken back
        return False

    def wait(self, seconds: float) -> None:
        """Until something that is waited for is here, but not longer than this."""
        if reading := [each.future for each in self._reading.values() if not each.future.done()]:
            wait(reading, timeout=seconds)
        else:
            is_free(seconds)

    def take(self, lora: Lora) -> tuple[str, str]:
        """See :func:`generation.engine.hashes.hashes_of`; read now, if nobody has.

        Raises:
            OSError: it cannot be read.
        """
        reading = self._reading.pop(lora, None)
        return hashes_of(lora.path) if reading is None else reading.future.result()

    def _is_over(self, lora: Lora) -> bool:
        if lora not in self._reading:
            thread = ThreadPoolExecutor(1, thread_name_prefix="lora")
            whose = say("the LoRA {lora}", lora=quoted(lora.name))
            self._reading[lora] = Awaited(thread.submit(hashes_of, lora.path), whose)
            thread.shutdown(wait=False)
        return self._reading[lora].is_over()


_BARE = ("unet.", "text_encoder.", "text_encoder_2.")


def prefixed(state: Mapping[str, Any] | None) -> dict[str, Any]:
    """`save_lora_adapter` of a UNet alone names no part."""
    if not state or any(name.startswith(_BARE) for name in state):
        return dict(state or {})
    return {f"unet.{name}": value for name, value in state.items()}


def fits(name: str, weights: Mapping[str, torch.Tensor], layers: Mapping[str, Any]) -> bool:
    """Whether a weight `layer.lora_A.weight` or `layer.lora_B.weight` is made for a layer that is there, and
    so is the other, without which PEFT would leave a layer that no memory holds."""
    place, _, which = name.partition(".lora_")
    layer = layers.get(place)
    weight = getattr(layer, "weight", None) if layer is not None else None
    if which not in ("A.weight", "B.weight") or weight is None or weight.ndim not in (2, 4):
        return False
    down, up = (weights.get(f"{place}.lora_{side}.weight") for side in "AB")
    if down is None or up is None or not down.ndim == up.ndim == weight.ndim:
        return False
    is_whole = 0 < down.shape[0] == up.shape[1]
    return is_whole and down.shape[1:] == weight.shape[1:] and up.shape[0] == weight.shape[0]


@contextmanager
def quietly() -> Iterator[None]:
    """In here the libraries do not warn that a LoRA has no part for one encoder, that it is not the only one,
    that it was in force when it left, or that its weights are new: they are read just then."""
    loggers = [
        logging.getLogger(name)
        for name in ("diffusers.loaders.peft", "diffusers.loaders.lora_base", "transformers.modeling_utils")
    ]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`", UserWarning)
            warnings.filterwarnings("ignore", "Adapter .* was active which is now deleted", UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
