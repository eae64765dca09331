"""One scheduler object per image: diffusers' own, made from the model's configuration."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import diffusers

from generation.samplers import SamplerSpec


def make_scheduler(spec: SamplerSpec, config: Mapping[str, Any], steps: int) -> Any:
    """A fresh scheduler with its time steps set, on the CPU so that asking it never waits for a GPU."""
    scheduler = getattr(diffusers, spec.scheduler).from_config(dict(config), **spec.overrides)
    scheduler.set_timesteps(steps, device="cpu")
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    return scheduler


def takes_generator(scheduler: Any) -> bool:
    """Whether its step draws noise of its own, from the generator it is given."""
    return "generator" in inspect.signature(scheduler.step).parameters
