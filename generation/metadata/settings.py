"""What a picture file says about how it was made, whichever tool wrote it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from generation.request import GenerationRequest, InvalidRequest, Seed, Size
from generation.sentence import Told, say

Record = Mapping[str, Any]
"""What a picture's bits depend on besides its request: model, versions, device; plain JSON."""

MAX_TEXT = 2 * 2**20
"""Characters in any one text that is read; the largest workflows have a few hundred thousand."""
MAX_BYTES = 4 * MAX_TEXT
"""Of a text before it is decoded: UTF-8 and UTF-16 take up to four for a character."""
MAX_NAME = 200
"""Characters in the name of a model or a sampler; of a longer one the beginning is told."""

NO_SETTINGS = say("This picture holds no settings.")


class UnreadablePicture(Told, ValueError):  # noqa: N818 - it is a sentence for a person
    """A file whose settings cannot be read; the message is a sentence for a person."""


class Tool(StrEnum):
    """What wrote a file, under the names that people know."""

    ATELIER = "Atelier"
    A1111 = "A1111"
    """Or one of the many that write as it does."""
    FORGE = "Forge"
    COMFYUI = "ComfyUI"
    INVOKEAI = "InvokeAI"
    SWARMUI = "SwarmUI"
    NOVELAI = "NovelAI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a picture file says about how it was made; None where it does not say."""

    prompt: str
    negative_prompt: str = ""
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    """A name in SAMPLERS where ours goes by that name, else what the file says."""
    seed: Seed | None = None
    """Other tools have seeds up to 2**64 - 1."""
    size: Size | None = None
    """None too if it is a size that we cannot draw."""
    model: str | None = None
    model_hash: str | None = None
    clip_skip: int | None = None
    strength: float | None = None
    """How far the picture that it started from was undone, 0 to 1; with hires fix, that of the first pass."""
    hires_upscale: float | None = None
    """How many times wider the second pass made it; `size` is that of the first."""
    hires_upscaler: str | None = None
    """What made it larger for that, as the file names it."""
    upscale_by: float | None = None
    """How many times larger it was made when it was done; `size` is that before."""
    upscaler: str | None = None
    mask_blur: int | None = None
    """Pixels."""
    variation_seed: Seed | None = None
    variation_strength: float | None = None
    tool: Tool | None = None
    """What wrote the file."""
    request: GenerationRequest | None = None
    """The exact request, if we drew it."""
    record: Record | None = None
    """The rest of what its bits depend on, if we drew it."""


# What a strange file holds may be anything: each of these is None for what it cannot be ----------------


def as_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def as_name(value: Any) -> str | None:
    """A name on one line."""
    return " ".join(value.split())[:MAX_NAME] or None if isinstance(value, str) else None


def as_stem(value: Any) -> str | None:
    """The name of a model's file, without its folders and its suffix."""
    if (name := as_name(value)) is None:
        return None
    return re.sub(r"\.(safetensors|ckpt|sft|gguf|pth?)$", "", re.split(r"[\\/]", name)[-1]) or None


def as_int(value: Any, least: int, most: int) -> int | None:
    """A whole number within these bounds; JSON may have it as 7, 7.0, "7" or "7.0"."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(-?[0-9]{1,20})(?:\.0{1,20})?\s*", value)
        value = int(match[1]) if match else None
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if least <= value <= most else None


def as_float(value: Any, least: float, most: float) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value[:40])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # An int may be too large for a float: compare first.
    return float(value) if least <= value <= most and math.isfinite(value) else None


def as_seed(value: Any) -> Seed | None:
    seed = as_int(value, 0, 2**64 - 1)
    return None if seed is None else Seed(seed)


def as_steps(value: Any) -> int | None:
    return as_int(value, 1, 10_000)


def as_guidance(value: Any) -> float | None:
    return as_float(value, 0, 1000)


def as_share(value: Any) -> float | None:
    return as_float(value, 0, 1)


def as_size(width: Any, height: Any) -> Size | None:
    across, down = as_int(width, 1, 10**5), as_int(height, 1, 10**5)
    if across is None or down is None:
        return None
    try:
        return Size(width=across, height=down)
    except InvalidRequest:
        return None


def as_clip_skip(value: Any) -> int | None:
    """1 for the last layer of the text encoder; tools that count from the end backwards have it negative."""
    skip = as_int(value, -100, 100)
    return abs(skip) if skip else None


def json_object(text: Any) -> dict[str, Any] | None:
    """A JSON object, or None if it is anything else, too deep, or its numbers are too long."""
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
