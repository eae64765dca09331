"""A1111's text of settings, read as modules/infotext_utils.py of stable-diffusion-webui reads it."""

from __future__ import annotations

import json
import re
from itertools import islice

from generation.metadata.settings import (
    MAX_TEXT,
    NO_SETTINGS,
    Settings,
    Tool,
    UnreadablePicture,
    as_clip_skip,
    as_float,
    as_guidance,
    as_int,
    as_name,
    as_seed,
    as_share,
    as_size,
    as_steps,
)
from generation.samplers import SAMPLERS, find_sampler

_MAX_LINE = 2**16
_MAX_SETTINGS = 500

# A1111's own expression, except that its parts have a length: on hostile text it would take quadratic time.
_SETTING = re.compile(r'(\w[\w /-]{0,60}?):\s{0,8}("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')


def parse_infotext(text: str) -> Settings:
    """What A1111's text says: the prompt, `Negative prompt: ...`, and one line of settings at the end.

    Raises:
        UnreadablePicture: it holds nothing.
    """
    *lines, last = text[:MAX_TEXT].strip().split("\n")
    matches = islice(_SETTING.finditer(last[:_MAX_LINE]), _MAX_SETTINGS)
    found = {match[1]: _unquoted(match[2]) for match in matches}
    if len(found) < 3:
        lines.append(last)
        found = {}
    prompt, negative = _prompts(lines)
    if not prompt and not found:
        raise UnreadablePicture(NO_SETTINGS)
    return Settings(
        prompt=prompt,
        negative_prompt=negative,
        steps=as_steps(found.get("Steps")),
        guidance=as_guidance(found.get("CFG scale")),
        sampler=_sampler(as_name(found.get("Sampler")), as_name(found.get("Schedule type"))),
        seed=as_seed(found.get("Seed")),
        size=as_size(*_edges(found.get("Size", ""))),
        model=as_name(found.get("Model")),
        model_hash=as_name(found.get("Model hash")),
        clip_skip=as_clip_skip(found.get("Clip skip")),
        strength=as_share(found.get("Denoising strength")),
        hires_upscale=as_float(found.get("Hires upscale"), 0, 100),
        hires_upscaler=as_name(found.get("Hires upscaler")),
        upscale_by=as_float(found.get("Postprocess upscale by"), 0, 100),
        upscaler=as_name(found.get("Postprocess upscaler")),
        mask_blur=as_int(found.get("Mask blur"), 0, 1000),
        variation_seed=as_seed(found.get("Variation seed")),
        variation_strength=as_float(found.get("Variation seed strength"), 0, 1),
        tool=_tool(found.get("Version", "")) if found else None,
    )


def _prompts(lines: list[str]) -> tuple[str, str]:
    prompt: list[str] = []
    negative: list[str] = []
    told = prompt
    for line in map(str.strip, lines):
        if line.startswith("Negative prompt:"):
            told = negative
            line = line.removeprefix("Negative prompt:").strip()
        told.append(line)
    return "\n".join(prompt).strip(), "\n".join(negative).strip()


def _unquoted(value: str) -> str:
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except (ValueError, RecursionError):
            return value
    return value.strip()


def _edges(size: str) -> tuple[str | None, str | None]:
    width, by, height = size.partition("x")
    return (width, height) if by else (None, None)


def _tool(version: str) -> Tool:
    if version.startswith("atelier "):
        return Tool.ATELIER
    if re.match(r"f\d", version):  # such as f2.0.1v1.10.1-previous-664-gd557aef9
        return Tool.FORGE
    return Tool.COMFYUI if version.startswith("ComfyUI") else Tool.A1111


def _sampler(name: str | None, schedule: str | None) -> str | None:
    if name is None:
        return None
    if not schedule:  # A1111 before 1.9, which had the schedule in the sampler's name
        found = find_sampler(name)
        return name if found is None else found.name
    for spec in SAMPLERS.values():
        types = {known.casefold() for known in spec.schedule_types}
        if spec.infotext.casefold() == name.casefold() and schedule.casefold() in types:
            return spec.name
    return name if schedule == "Automatic" else f"{name} {schedule}"
