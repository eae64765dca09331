"""How many images one call of a UNet should draw: measured once for a model on a machine, and kept."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeGuard

import torch

from generation import __version__
from generation.catalogue import Family
from generation.engine.memory import free, is_out_of_memory
from generation.engine.models import Model
from generation.engine.pacing import finish

log = logging.getLogger(__name__)

TRIED = (1, 2, 4, 8, 16)
WORTH_IT = 1.1
"""Twice the images in a call must draw a tenth more of them in a second, else they only delay each other."""
ROUNDS = 3
LARGEST = 32


def cap_for(native_cap: int, *, native_area: int, area: int) -> int:
    """How many images of a latent area a call should draw, from what suits the model's native one."""
    return max(1, min(LARGEST, round(native_cap * native_area / area)))


def calibrated_cap(model: Model, kept_in: Path | None) -> int:
    """The most images in one call of native size that still pay; what was measured before is in the file.

    Args:
        kept_in: a JSON file, made if it is missing; None keeps nothing.
    """
    key = _key(model)
    kept = _read(kept_in)
    found = kept.get(key)
    if _is_cap(found):
        return int(found)
    parts = _parts(found)
    if key in kept and not parts:
        log.warning("what %s holds about %s is none of my figures; measuring again", kept_in, model.info.name)
    started = time.monotonic()

    def seconds(images: int) -> float:
        if images not in parts:
            parts[images] = _seconds(model, images)
            # Each as soon as it is there: on a slow machine all of them take minutes, and it may be stopped.
            _keep(kept_in, key, {str(number): took for number, took in parts.items()})
        return parts[images]

    cap = knee(seconds)
    log.info("%d images in one call suit %s here (%.1f s)", cap, model.info.name, time.monotonic() - started)
    _keep(kept_in, key, cap)
    return cap


def knee(seconds: Callable[[int], float]) -> int:
    """The largest of TRIED up to which every doubling was worth it.

    Args:
        seconds: how long a call with so many images takes; may run out of memory.
    """
    best, rate = 1, 0.0
    for images in TRIED:
        try:
            now = images / seconds(images)
        except Exception as error:
            if is_out_of_memory(error) and images > 1:
                return best
            raise
        if now < WORTH_IT * rate:
            return best
        best, rate = images, now
    return best


@torch.inference_mode()
def _seconds(model: Model, images: int) -> float:
    """The shortest of some calls with two rows for each image, of the model's native size."""
    rows, edge = 2 * images, model.info.native // model.vae_factor
    config, device, dtype = model.unet.config, model.device, model.dtype
    latents = torch.zeros(rows, config.in_channels, edge, edge, device=device, dtype=dtype)
    states = torch.zeros(rows, 77, config.cross_attention_dim, device=device, dtype=dtype)
    added = {}
    if model.info.family is Family.SDXL:
        width = model.encoders[-1].model.config.projection_dim
        added = {
            "text_embeds": torch.zeros(rows, width, device=device, dtype=dtype),
            "time_ids": torch.zeros(rows, 6, device=device, dtype=dtype),
        }
    width = config.get("time_cond_proj_dim")
    told = None if width is None else torch.zeros(rows, width, device=device, dtype=dtype)
    times = torch.full((rows,), 500.0, device=device)
    took = []
    try:
        for _ in range(ROUNDS):
            started = time.perf_counter()
            model.unet(
                latents, times, timestep_cond=told, encoder_hidden_states=states, added_cond_kwargs=added
            )
            finish(device)
            took.append(time.perf_counter() - started)
    finally:
        free(device)
    return min(took)


def _key(model: Model) -> str:
    """All that the measurement depends on."""
    record = model.record()
    names = ("model_hash", "device", "dtype", "memory", "threads", "torch")
    parts = [record[name] for name in names]
    return " | ".join(str(part) for part in (*parts, model.info.native, __version__))


def _is_cap(found: object) -> TypeGuard[int]:
    return isinstance(found, int) and not isinstance(found, bool) and 1 <= found <= LARGEST


def _parts(found: object) -> dict[int, float]:
    """How many seconds a call with so many images took, from a calibration that did not come to its end."""
    if not isinstance(found, dict):
        return {}
    return {
        images: took
        for images in TRIED
        if isinstance(took := found.get(str(images)), float) and 0 < took < math.inf
    }


def _read(path: Path | None) -> dict[str, object]:
    if path is None or not path.exists():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        log.warning("what was measured before cannot be read (%s); measuring again", error)
        return {}
    if not isinstance(content, dict):
        log.warning("what was measured before cannot be read (%s holds no figures); measuring again", path)
        return {}
    return content


def _keep(path: Path | None, key: str, figures: object) -> None:
    if path is not None:
        _write(path, {**_read(path), key: figures})


def _write(path: Path, content: dict[str, object]) -> None:
    """Another bot may do the same at this moment: written aside, then renamed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        fresh.replace(path)
    except OSError as error:
        log.warning("what was measured could not be kept: %s", error)
