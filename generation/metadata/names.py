"""What other tools call samplers and schedules, in our names."""

from __future__ import annotations

from collections.abc import Mapping

from generation.metadata.settings import as_name
from generation.samplers import find_sampler

_SAMPLERS: Mapping[str, str] = {
    "ddim": "DDIM",
    "ddim_v3": "DDIM",
    "ddpm": "DDPM",
    "deis": "DEIS",
    "dpm_2": "DPM2",
    "dpm_2_a": "DPM2 a",
    "dpm_2_ancestral": "DPM2 a",
    "dpmpp_2": "DPM++ 2M",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_sde_gpu": "DPM++ SDE",
    "euler": "Euler",
    "euler_a": "Euler a",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "kdpm_2": "DPM2",
    "kdpm_2_a": "DPM2 a",
    "lcm": "LCM",
    "lms": "LMS",
    "plms": "PNDM",
    "pndm": "PNDM",
    "tcd": "TCD",
    "uni_pc": "UniPC",
    "uni_pc_bh2": "UniPC",
    "unipc": "UniPC",
}
"""ComfyUI's names (comfy/samplers.py: KSAMPLER_NAMES), InvokeAI's (DenoiseLatentsInvocation) and NovelAI's;
the last and InvokeAI 2 put k_ before them."""
_SCHEDULES: Mapping[str, str] = {
    "": "",
    "automatic": "",
    "beta": "Beta",
    "exponential": "Exponential",
    "karras": "Karras",
    "native": "",
    "normal": "",
    "sgm_uniform": "SGM Uniform",
    "simple": "Simple",
}


def our_sampler(sampler: object, schedule: object = "") -> str | None:
    """Our name of a sampler that goes by these; what they say, if we have none."""
    said, given = as_name(sampler), as_name(schedule) or ""
    if said is None:
        return None
    stem, spacing = said.removeprefix("k_"), given
    if not spacing and stem not in _SAMPLERS and stem.endswith("_k"):  # as InvokeAI writes Karras
        stem, spacing = stem.removesuffix("_k"), "karras"
    if (words := _SCHEDULES.get(spacing.casefold())) is not None:
        found = find_sampler(f"{_SAMPLERS.get(stem, said)} {words}")
        if found is not None:
            return found.name
    return f"{said} {given}" if _SCHEDULES.get(given.casefold(), given) else said
