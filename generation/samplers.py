"""The samplers people may choose, by their usual names: data that the engine reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerSpec:
    """One sampler: a diffusers scheduler made from the model's own configuration with these overrides."""

    name: str
    """What people choose and what a request carries."""
    scheduler: str
    """The name of a class in diffusers."""
    overrides: Mapping[str, str | bool | int] = field(default_factory=dict)
    """Said in full where a model's own configuration could say otherwise: "Euler" is never Karras."""
    infotext: str
    """What A1111 calls it under `Sampler`."""
    schedule_type: str
    """What A1111 calls its spacing of noise levels under `Schedule type`."""


_Overrides = Mapping[str, str | bool | int]

_PLAIN: _Overrides = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}
_KARRAS: _Overrides = {**_PLAIN, "use_karras_sigmas": True}
_DPM: _Overrides = {"solver_order": 2, "use_lu_lambdas": False, "use_flow_sigmas": False}
_DPM_ODE: _Overrides = {**_DPM, "algorithm_type": "dpmsolver++", "solver_type": "midpoint"}
_DPM_SDE: _Overrides = {**_DPM, "algorithm_type": "sde-dpmsolver++", "solver_type": "midpoint"}

_TABLE: tuple[tuple[str, str, _Overrides, str, str], ...] = (
    # Latents have no range to clip to; a configuration written for another scheduler does not say so.
    ("DDPM", "DDPMScheduler", {"clip_sample": False, "variance_type": "fixed_small"}, "DDPM", "Automatic"),
    ("DDIM", "DDIMScheduler", {"clip_sample": False}, "DDIM", "Automatic"),
    ("Euler", "EulerDiscreteScheduler", _PLAIN, "Euler", "Automatic"),
    ("Euler Karras", "EulerDiscreteScheduler", _KARRAS, "Euler", "Karras"),
    ("Euler a", "EulerAncestralDiscreteScheduler", {}, "Euler a", "Automatic"),
    ("DPM++ 2M", "DPMSolverMultistepScheduler", {**_DPM_ODE, **_PLAIN}, "DPM++ 2M", "Automatic"),
    ("DPM++ 2M Karras", "DPMSolverMultistepScheduler", {**_DPM_ODE, **_KARRAS}, "DPM++ 2M", "Karras"),
    ("DPM++ 2M SDE", "DPMSolverMultistepScheduler", {**_DPM_SDE, **_PLAIN}, "DPM++ 2M SDE", "Automatic"),
    ("DPM++ 2M SDE Karras", "DPMSolverMultistepScheduler", {**_DPM_SDE, **_KARRAS}, "DPM++ 2M SDE", "Karras"),
    ("UniPC", "UniPCMultistepScheduler", {**_PLAIN, "solver_type": "bh2"}, "UniPC", "Automatic"),
    ("Heun", "HeunDiscreteScheduler", _PLAIN, "Heun", "Automatic"),
    ("DPM2", "KDPM2DiscreteScheduler", _PLAIN, "DPM2", "Automatic"),
    ("DPM2 a", "KDPM2AncestralDiscreteScheduler", _PLAIN, "DPM2 a", "Automatic"),
    ("DEIS", "DEISMultistepScheduler", {**_PLAIN, "algorithm_type": "deis"}, "DEIS", "Automatic"),
    ("PNDM", "PNDMScheduler", {"skip_prk_steps": True}, "PLMS", "Automatic"),
)

SAMPLERS: Mapping[str, SamplerSpec] = MappingProxyType(
    {
        name: SamplerSpec(
            name=name,
            scheduler=scheduler,
            overrides=MappingProxyType(dict(overrides)),
            infotext=infotext,
            schedule_type=schedule_type,
        )
        for name, scheduler, overrides, infotext, schedule_type in _TABLE
    }
)
"""Every sampler by the name that people choose; each draws its noise from the image's own generator."""
