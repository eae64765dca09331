"""In which memory mode a model is read: its owner's, or if it does not fit so, one that needs less."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import replace

from generation.catalogue import MemoryMode, ModelInfo, UnreadableModel
from generation.engine.engine import ModelEngine
from generation.engine.reading import Finish, Tell
from generation.sentence import say

log = logging.getLogger(__name__)

_LESS = {
    MemoryMode.FAST: MemoryMode.SMALL,
    MemoryMode.BALANCED: MemoryMode.SMALL,
    MemoryMode.SMALL: MemoryMode.SMALLER,
}
"""In which mode to try what does not fit in this one. "smallest" changes pictures: that is its owner's."""


class Modes:
    """The memory modes in which models fit, as far as that was tried."""

    def __init__(self) -> None:
        self._lowered: dict[str, MemoryMode] = {}
        """By the model's source, where it is not what the owner chose."""

    def of(self, model: ModelInfo) -> ModelInfo:
        """The model as it is to be read."""
        return replace(model, memory=self._lowered.get(model.source, model.memory))

    def spares(self, model: ModelInfo) -> bool:
        """After it did not fit: whether it is to be read again, to be drawn with in less memory."""
        if (mode := _LESS.get(self.of(model).memory)) is None:
            return False
        self._lowered[model.source] = mode
        log.warning(
            'there is not memory enough for %s; it is read again with memory = "%s", which is slower. '
            "Say so in models.toml, and it is read so at once.",
            model.name,
            mode.value,
        )
        return True

    def begun(self, model: ModelInfo, read: Callable[[ModelInfo, Tell], Finish], tell: Tell) -> ModelEngine:
        """The engine of the default model, in the first mode in which it fits.

        Raises:
            UnreadableModel: it cannot be read, or there is not memory to draw with it in any.
        """
        while True:
            try:
                return read(self.of(model), tell)()
            except Exception as error:
                if not is_shortage(error):
                    raise
                if not self.spares(model):
                    raise UnreadableModel(
                        say(
                            "There is not memory enough to draw with {model}, not even one picture; "
                            "try DTYPE=float16 or a smaller model.",
                            model=model.name,
                        )
                    ) from error
                forget_frames(error)
            gc.collect()


def forget_frames(error: BaseException | None) -> None:
    """Let go of the frames through which it went, and what it was raised from: they hold what was read."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def is_shortage(error: BaseException | None) -> bool:
    """Whether memory ran out, here or in what this was raised from; without importing torch."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        error = error.__cause__
    return False
