"""The samplers people may choose, by their usual names: data that the engine reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType

from generation.sentence import enumerated, say, shortened

_Overrides = Mapping[str, str | bool | int]


class Schedule(StrEnum):
    """How a sampler spaces its noise levels, under A1111's names."""

    AUTOMATIC = "Automatic"
    """As the model's own configuration has them spaced; a sampler's name alone means this."""
    KARRAS = "Karras"
    EXPONENTIAL = "Exponential"
    BETA = "Beta"
    SGM_UNIFORM = "SGM Uniform"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerSpec:
    """One sampler: a diffusers scheduler made from the model's own configuration with these overrides."""

    name: str
    """What people choose and what a request carries."""
    sampler: str
    """The name without the schedule."""
    schedule: Schedule
    scheduler: str
    """The name of a class in diffusers."""
    overrides: _Overrides
    """Said in full where a model's own configuration could say otherwise: "Euler" is never Karras."""
    infotext: str
    """What A1111 calls it under `Sampler`."""
    schedule_types: tuple[str, ...]
    """What A1111 calls its spacing under `Schedule type`; the first is what we write."""
    max_steps: int | None
    """How many steps it can take at the most, if it is the sampler that sets a limit."""


# Schedules -----------------------------------------------------------------------------------------------
# As diffusers maps A1111's schedule types (docs/source/en/api/schedulers/overview.md). There Simple and SGM
# Uniform are the same noise levels, so Simple is another spelling here and no entry of its own.

_PLAIN: _Overrides = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}
_SIGMAS: Mapping[Schedule, _Overrides] = {
    Schedule.AUTOMATIC: _PLAIN,
    Schedule.KARRAS: {**_PLAIN, "use_karras_sigmas": True},
    Schedule.EXPONENTIAL: {**_PLAIN, "use_exponential_sigmas": True, "timestep_spacing": "linspace"},
    Schedule.BETA: {**_PLAIN, "use_beta_sigmas": True, "timestep_spacing": "linspace"},
    Schedule.SGM_UNIFORM: {**_PLAIN, "timestep_spacing": "trailing"},
}
"""For schedulers that step from one noise level to the next, wherever they are."""
_STEPS: Mapping[Schedule, _Overrides] = {
    Schedule.AUTOMATIC: {},
    Schedule.SGM_UNIFORM: {"timestep_spacing": "trailing"},
}
"""For schedulers that know only the time steps the model was trained with."""
_OWN: Mapping[Schedule, _Overrides] = {Schedule.AUTOMATIC: {}}
"""For schedulers whose time steps are those of a distillation."""

_SPELLINGS: Mapping[Schedule, tuple[str, ...]] = {
    Schedule.AUTOMATIC: ("Uniform", "Normal"),
    Schedule.SGM_UNIFORM: ("SGM Uniform", "SGMUniform", "Simple"),
}
_ELSEWHERE = ("Polyexponential", "KL Optimal", "Align Your Steps", "DDIM")
"""Schedules that A1111 has and diffusers has not."""


# Samplers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sampler:
    name: str
    scheduler: str
    overrides: _Overrides = field(default_factory=dict)
    schedules: Mapping[Schedule, _Overrides] = field(default_factory=lambda: _SIGMAS)
    infotext: str | None = None
    """What A1111 calls it, if not by our name."""
    automatic: Schedule = Schedule.AUTOMATIC
    """What A1111 takes for it when the schedule type is Automatic."""
    max_steps: int | None = None


_DPM: _Overrides = {"solver_order": 2, "use_lu_lambdas": False, "use_flow_sigmas": False}
_ODE: _Overrides = {**_DPM, "algorithm_type": "dpmsolver++", "solver_type": "midpoint"}
_SDE: _Overrides = {**_DPM, "algorithm_type": "sde-dpmsolver++", "solver_type": "midpoint"}
# Latents have no range to clip to; a configuration written for another scheduler does not say so.
_UNCLIPPED: _Overrides = {"clip_sample": False}
_DISTILLED: _Overrides = {**_UNCLIPPED, "original_inference_steps": 50}

_TABLE: tuple[_Sampler, ...] = (
    _Sampler(
        name="DDPM",
        scheduler="DDPMScheduler",
        overrides={**_UNCLIPPED, "variance_type": "fixed_small"},
        schedules=_STEPS,
    ),
    _Sampler(name="DDIM", scheduler="DDIMScheduler", overrides=_UNCLIPPED, schedules=_STEPS),
    _Sampler(name="Euler", scheduler="EulerDiscreteScheduler"),
    _Sampler(name="Euler a", scheduler="EulerAncestralDiscreteScheduler", schedules=_STEPS),
    _Sampler(
        name="DPM++ 2M",
        scheduler="DPMSolverMultistepScheduler",
        overrides=_ODE,
        automatic=Schedule.KARRAS,
    ),
    _Sampler(
        name="DPM++ 2M SDE",
        scheduler="DPMSolverMultistepScheduler",
        overrides=_SDE,
        automatic=Schedule.EXPONENTIAL,
    ),
    # Its noise comes from the image's generator by a class of our own, see generation/engine/schedulers.py.
    _Sampler(name="DPM++ SDE", scheduler="DPMSolverSDEScheduler", automatic=Schedule.KARRAS),
    _Sampler(name="UniPC", scheduler="UniPCMultistepScheduler", overrides={"solver_type": "bh2"}),
    _Sampler(name="Heun", scheduler="HeunDiscreteScheduler"),
    _Sampler(name="LMS", scheduler="LMSDiscreteScheduler"),
    _Sampler(name="DPM2", scheduler="KDPM2DiscreteScheduler", automatic=Schedule.KARRAS),
    _Sampler(name="DPM2 a", scheduler="KDPM2AncestralDiscreteScheduler", automatic=Schedule.KARRAS),
    _Sampler(name="DEIS", scheduler="DEISMultistepScheduler", overrides={"algorithm_type": "deis"}),
    _Sampler(
        name="PNDM",
        scheduler="PNDMScheduler",
        overrides={"skip_prk_steps": True},
        schedules=_STEPS,
        infotext="PLMS",
    ),
    _Sampler(name="LCM", scheduler="LCMScheduler", overrides=_DISTILLED, schedules=_OWN, max_steps=50),
    # Its eta, the share of fresh noise, stays the 0.3 that its step has where nothing else is said.
    _Sampler(name="TCD", scheduler="TCDScheduler", overrides=_DISTILLED, schedules=_OWN, max_steps=50),
)


def _specs() -> Iterator[SamplerSpec]:
    for row in _TABLE:
        for schedule, spacing in row.schedules.items():
            types = _SPELLINGS.get(schedule, (schedule.value,))
            if schedule is row.automatic:
                # What A1111 does by itself we call by its name, except where it does what we do.
                automatic = Schedule.AUTOMATIC.value
                types = (automatic, *types) if schedule is Schedule.AUTOMATIC else (*types, automatic)
            yield SamplerSpec(
                name=row.name if schedule is Schedule.AUTOMATIC else f"{row.name} {schedule}",
                sampler=row.name,
                schedule=schedule,
                scheduler=row.scheduler,
                overrides=MappingProxyType({**row.overrides, **spacing}),
                infotext=row.infotext or row.name,
                schedule_types=types,
                max_steps=row.max_steps,
            )


SAMPLERS: Mapping[str, SamplerSpec] = MappingProxyType({spec.name: spec for spec in _specs()})
"""Every sampler by the name that people choose; each draws its noise from the image's own generator."""


# Names ---------------------------------------------------------------------------------------------------


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _spellings(spec: SamplerSpec) -> Iterator[str]:
    for sampler in dict.fromkeys((spec.sampler, spec.infotext)):
        if spec.schedule is Schedule.AUTOMATIC:
            yield sampler
            yield f"{sampler} {Schedule.AUTOMATIC}"
        for schedule in spec.schedule_types:
            if schedule != Schedule.AUTOMATIC:
                yield f"{sampler} {schedule}"


_BY_SPELLING = {_folded(text): spec for spec in SAMPLERS.values() for text in _spellings(spec)}


def find_sampler(text: str) -> SamplerSpec | None:
    """The sampler of this name, however it is written: "euler simple", "PLMS", "DPM++ 2M  karras"."""
    return _BY_SPELLING.get(_folded(text))


def unknown_sampler(text: str) -> str:
    """What to say to whoever asked for a sampler that :func:`find_sampler` does not find."""
    wanted = _folded(text)
    for schedule in dict.fromkeys((*Schedule, *_SPELLINGS[Schedule.SGM_UNIFORM], *_ELSEWHERE)):
        for row in _TABLE:
            if wanted == _folded(f"{row.name} {schedule}"):
                has = [
                    f"{spec.schedule} (`{spec.name}`)"
                    for spec in SAMPLERS.values()
                    if spec.sampler == row.name
                ]
                return say(
                    "{sampler} has no schedule {schedule}; it has {names}.",
                    sampler=row.name,
                    schedule=schedule,
                    names=enumerated(has),
                )
    shown = shortened(text, 40).replace("`", "'")
    if near := get_close_matches(wanted, _BY_SPELLING, n=1, cutoff=0.6):
        return say(
            "I do not know the sampler `{shown}`; did you mean `{name}`?",
            shown=shown,
            name=_BY_SPELLING[near[0]].name,
        )
    return say(
        "I do not know the sampler `{shown}`; I have {names}, "
        "most of them with schedules as in `DPM++ 2M Karras`.",
        shown=shown,
        names=enumerated([row.name for row in _TABLE]),
    )


def sampler_reason(name: str, steps: int) -> str | None:
    """Why nothing can be drawn with this sampler in so many steps, as a sentence for a person, or None."""
    if (spec := SAMPLERS.get(name)) is None:
        return unknown_sampler(name)
    if spec.max_steps is not None and steps > spec.max_steps:
        return say(
            "{sampler} takes {most} steps at the most, not {steps}.",
            sampler=spec.name,
            most=spec.max_steps,
            steps=steps,
        )
    return None
