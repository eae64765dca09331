"""One scheduler object per image: diffusers' own, made from the model's configuration."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import diffusers

from generation.samplers import SAMPLERS


class Schedulers:
    """Makes schedulers for one model.

    A scheduler remembers where its image is, so no two images share one. Making one anew can take longer
    than a step, copying an unused one a fifth of a millisecond.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._unused: dict[str, Any] = {}

    def make(self, sampler: str, steps: int) -> Any:
        """A fresh scheduler with its time steps set, on the CPU so that asking it never waits for a GPU."""
        if sampler not in self._unused:
            spec = SAMPLERS[sampler]
            cls = getattr(diffusers, spec.scheduler)
            self._unused[sampler] = cls.from_config(self._config, **spec.overrides)
        scheduler = copy.deepcopy(self._unused[sampler])
        scheduler.set_timesteps(steps, device="cpu")
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)
        return scheduler


def takes_generator(scheduler: Any) -> bool:
    """Whether its step draws noise of its own, from the generator it is given."""
    return "generator" in inspect.signature(scheduler.step).parameters
