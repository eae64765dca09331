"""Whether a model was distilled to draw in few steps without guidance, as its small files and name tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generation.model import Defaults, Family
from generation.modelfiles import read_json
from generation.request import OWN_SAMPLER

_STEPS = 4
_NO_GUIDANCE = 1.0
"""At 1 or less the prompt alone is asked, in half the rows."""
_TOLD_GUIDANCE = 8.5
"""What diffusers tells a latent consistency model, whose UNet takes the guidance as an input."""

_LCM = re.compile(r"(?<![A-Za-z])lcm(?![a-z])|(?<![A-Z])LCM(?![A-Z])")
_FAST = re.compile(r"turbo|lightning", re.IGNORECASE)
_NAMED_STEPS = re.compile(r"(?<!\d)([1-8])[ _-]?steps?(?![a-z])", re.IGNORECASE)
_OTHERS = (
    (re.compile(r"z-?image-?turbo", re.IGNORECASE), 9),
    (re.compile(r"turbo|lightning|schnell", re.IGNORECASE), 4),
)
"""Of families that their own pipelines draw, with the steps that suit them."""
_SMALL_TURBO = re.compile(r"(?<![a-z])sd[-_]?(xl[-_]?)?turbo", re.IGNORECASE)


def distilled(names: str, family: Family, folder: Path | None = None) -> Defaults | None:
    """What suits a distilled model; None for any other.

    Args:
        names: of its file, folder or repository.
        folder: in diffusers' format, if its configuration can be read.
    """
    if family is Family.OTHER:
        fitting = [steps for name, steps in _OTHERS if name.search(names)]
        return Defaults(steps=fitting[0], guidance=0.0, sampler=OWN_SAMPLER) if fitting else None
    scheduler = _config(folder, "scheduler/scheduler_config.json")
    kind = scheduler.get("_class_name")
    is_told = _config(folder, "unet/config.json").get("time_cond_proj_dim") is not None
    if is_told or kind in ("LCMScheduler", "TCDScheduler") or _LCM.search(names):
        guidance = _TOLD_GUIDANCE if is_told else _NO_GUIDANCE
        return Defaults(
            steps=_steps(names), guidance=guidance, sampler="TCD" if kind == "TCDScheduler" else "LCM"
        )
    if not _FAST.search(names) and not _is_fast(scheduler):
        return None
    # As the folders of SDXL Turbo, SD Turbo and SDXL Lightning have it, whatever a merge was saved with.
    ancestral = "ancestral" in str(kind).lower() if folder else family is Family.SDXL
    ancestral = ancestral and "lightning" not in names.lower()
    sampler = "Euler a SGM Uniform" if ancestral else "Euler SGM Uniform"
    return Defaults(steps=_steps(names), guidance=_NO_GUIDANCE, sampler=sampler)


def native_of_turbo(name: str) -> int | None:
    """The first turbo models draw 512 x 512 pixels, that of SDXL too; merges are as large as others."""
    return 512 if _SMALL_TURBO.search(name) else None


def _is_fast(scheduler: Mapping[str, Any]) -> bool:
    """Time steps spaced from the last one on, but not for the sake of a schedule that ends in pure noise."""
    return (
        scheduler.get("_class_name") in ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
        and scheduler.get("timestep_spacing") == "trailing"
        and scheduler.get("prediction_type", "epsilon") == "epsilon"
        and not scheduler.get("rescale_betas_zero_snr")
    )


def _steps(names: str) -> int:
    """As the name says, like that of sdxl_lightning_8step."""
    return int(found[1]) if (found := _NAMED_STEPS.search(names)) else _STEPS


def _config(folder: Path | None, place: str) -> Mapping[str, Any]:
    return read_json(folder / place) if folder is not None and (folder / place).is_file() else {}
