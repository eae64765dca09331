"""One scheduler object per image: diffusers' own, made from the model's configuration."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import diffusers
import torch
from diffusers import DPMSolverSDEScheduler, UniPCMultistepScheduler
from diffusers.utils.torch_utils import randn_tensor
from torch.overrides import TorchFunctionMode

from generation.engine.uploads import to_device
from generation.samplers import SAMPLERS, SamplerSpec


class Schedulers:
    """Makes schedulers for one model.

    A scheduler remembers where its image is, so no two images share one. Making one anew can take longer
    than a step, and so can spacing its time steps; copying one with its time steps takes less than a
    millisecond.
    """

    _KEPT = 64
    """Unused schedulers with their time steps, of about 50 KB each."""

    def __init__(self, config: Mapping[str, Any], device: torch.device | None = None) -> None:
        """`device` is where the latents are; the CPU if it is not given."""
        self._config = dict(config)
        self._device = device or torch.device("cpu")
        self._bare: dict[str, Any] = {}
        self._spaced: dict[tuple[str, int], Any] = {}

    def make(self, sampler: str, steps: int) -> Any:
        """A fresh scheduler with its time steps set, on the CPU so that asking it never waits for a GPU."""
        key = (sampler, steps)
        unused = self._spaced.pop(key) if key in self._spaced else self._space(sampler, steps)
        self._spaced[key] = unused  # at the end: what was not asked for the longest stands first
        if len(self._spaced) > self._KEPT:
            del self._spaced[next(iter(self._spaced))]
        return copy.deepcopy(unused)

    def _space(self, sampler: str, steps: int) -> Any:
        if sampler not in self._bare:
            spec = SAMPLERS[sampler]
            self._bare[sampler] = _bare(scheduler_class(spec), self._config, spec.overrides)
        scheduler = copy.deepcopy(self._bare[sampler])
        scheduler.set_timesteps(steps, device="cpu")
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(0)  # else its first step looks for its place among the time steps
        if isinstance(scheduler, UniPCMultistepScheduler):
            scheduler.__class__ = _UniPC
            # It moves every noise level to the latents as it needs it, and each time waits for the device.
            scheduler.near, scheduler.sigmas = scheduler.sigmas, scheduler.sigmas.to(self._device)
        return scheduler


def _bare(cls: Any, config: Mapping[str, Any], overrides: Mapping[str, Any]) -> Any:
    """A scheduler whose time steps are still to be set.

    Some constructors space as many steps as the model was trained with, for nothing: it takes seconds, and
    everybody's pictures would wait for them.
    """

    def space_two(self: Any, steps: int, *rest: Any) -> None:
        cls.set_timesteps(self, 2, *rest)

    scheduler = type(cls.__name__, (cls,), {"set_timesteps": space_two}).from_config(config, **overrides)  # type: ignore[attr-defined]
    scheduler.__class__ = cls
    return scheduler


def scheduler_class(spec: SamplerSpec) -> Any:
    """The class that draws this sampler: diffusers' own, or one of ours that changes where noise is from."""
    cls = getattr(diffusers, spec.scheduler)
    return SDEScheduler if cls is DPMSolverSDEScheduler else cls


def _noise_of(
    shape: Sequence[int],
    generator: torch.Generator | list[torch.Generator] | None = None,
    device: torch.device | None = None,
    **how: Any,
) -> torch.Tensor:
    """diffusers' randn_tensor, that is the same numbers; but no host waits until they are on a GPU."""
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu" or device is None:
        drawn: torch.Tensor = randn_tensor(shape, generator=generator, device=device, **how)
        return drawn
    return to_device(torch.randn(shape, generator=generator, **how), device)


# Their steps call it by a name of their modules, and take none from outside.
for _spec in SAMPLERS.values():
    _module = sys.modules[getattr(diffusers, _spec.scheduler).__module__]
    if hasattr(_module, "randn_tensor"):
        _module.randn_tensor = _noise_of  # type: ignore[attr-defined]


class _UniPC(UniPCMultistepScheduler):  # type: ignore[misc]
    """diffusers' UniPC, to the last bit. It solves two equations on the device, and nobody waits to hear
    whether they could be solved: if not, the picture is no numbers, and that is seen at its end."""

    sigmas: torch.Tensor
    near: torch.Tensor
    """Its noise levels on the CPU."""

    def add_noise(self, *args: Any) -> Any:
        there, self.sigmas = self.sigmas, self.near
        try:
            return super().add_noise(*args)
        finally:
            self.sigmas = there

    def step(self, *args: Any, **options: Any) -> Any:
        with _Unasked():
            return super().step(*args, **options)


class _Unasked(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.linalg.solve:
            return torch.linalg.solve_ex(*args, **(kwargs or {}))[0]
        return func(*args, **(kwargs or {}))


def takes_generator(scheduler: Any) -> bool:
    """Whether its step draws noise of its own, from the generator it is given."""
    return "generator" in inspect.signature(scheduler.step).parameters


class SDEScheduler(DPMSolverSDEScheduler):  # type: ignore[misc]
    """diffusers' DPM++ SDE, with its noise from the image's generator.

    Its two stages of a step, from noise level s to the middle m and from s to the end e, must see the same
    Brownian path W. diffusers walks a tree of torchsde that has a seed of its own and draws where the latents
    are: with the same seed each device draws something else, every question costs many draws, and a tree
    that was used cannot be copied. But the questions come in the path's own order, so two draws for each
    step say it all: W(s)-W(m) first, then W(m)-W(e), and the second stage sees their sum.
    """

    _walked: tuple[float, float, torch.Tensor] | None = None
    """Of the first stage: s, m, and W(s)-W(m) divided by its standard deviation, on the CPU."""

    def step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        sample: torch.Tensor,
        generator: torch.Generator | None = None,
        return_dict: bool = True,
        s_noise: float = 1.0,
    ) -> Any:
        """One call of the UNet further; `generator` is on the CPU. Shapes as in diffusers' schedulers."""
        self.noise_sampler: Any = partial(self._noise, generator, sample)
        try:
            return super().step(model_output, timestep, sample, return_dict=return_dict, s_noise=s_noise)
        finally:
            self.noise_sampler = None

    def _noise(
        self, generator: torch.Generator | None, like: torch.Tensor, start: torch.Tensor, end: torch.Tensor
    ) -> torch.Tensor:
        """W(start)-W(end) divided by its standard deviation, in the shape and on the device of `like`."""
        noise = torch.randn(like.shape, generator=generator, dtype=like.dtype)
        if self._walked is None:
            self._walked = (start.item(), end.item(), noise)
        else:
            begin, middle, first = self._walked
            self._walked = None
            share = (begin - middle) / (begin - end.item())
            noise = share**0.5 * first + (1 - share) ** 0.5 * noise
        return to_device(noise, like.device)
