"""How many images a call may have: what suits the machine, and fewer where memory ran out."""

from __future__ import annotations

from generation.engine.batch import BatchKey
from generation.engine.calibration import cap_for
from generation.engine.models import Model


class Caps:
    """By kind of call."""

    def __init__(self, model: Model, native: int, *, fixed: bool) -> None:
        """
        Args:
            native: for pictures of the model's native size.
            fixed: that holds for every size.
        """
        self._native_area = (model.info.native // model.vae_factor) ** 2
        self.native = native
        self._fixed = fixed
        self.lowered: dict[BatchKey, int] = {}
        """Those that memory turned out to be too small for."""

    def of(self, key: BatchKey) -> int:
        """The most images of this kind in one call."""
        if key in self.lowered:
            return self.lowered[key]
        if self._fixed:
            return self.native
        return cap_for(self.native, native_area=self._native_area, area=key.area)
