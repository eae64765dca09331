"""How much arithmetic a picture is, and how much of it a second this device can do at the most."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from generation.engine.pacing import finish
from generation.request import GenerationRequest

_PEAKS = {"H200": 790e12}
"""FLOP/s in float16 and bfloat16 that matrix products reach, by a part of the device's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """FLOP (a multiplication and an addition are two), counted on the meta device."""

    unet_row: float
    decode: float
    encode: float
    """One prompt through all text encoders."""

    def of(self, request: GenerationRequest) -> float:
        """One picture with guidance: two UNet rows a step, its own prompt, its decoding.

        The empty negative prompt is the same for all and counted for none.
        """
        return 2 * request.steps * self.unet_row + self.encode + self.decode


def arithmetic(model: Any, width: int, height: int) -> Arithmetic:
    """What one picture of this size takes with a model's `unet`, `vae` and `encoders`."""
    factor = model.vae_factor
    with torch.device("meta"), torch.inference_mode():
        unet = type(model.unet).from_config(model.unet.config).eval()
        vae = type(model.vae).from_config(model.vae.config).eval()
        encoders = [type(encoder.model)(encoder.model.config).eval() for encoder in model.encoders]
        latents = torch.empty(1, unet.config.in_channels, height // factor, width // factor)
        states = torch.empty(1, 77, unet.config.cross_attention_dim)
        ids = torch.zeros(1, 77, dtype=torch.long)
        added = {}
        if unet.config.addition_embed_type == "text_time":
            width_of_ids = 6 * unet.config.addition_time_embed_dim
            pooled = unet.config.projection_class_embeddings_input_dim - width_of_ids
            added = {"text_embeds": torch.empty(1, pooled), "time_ids": torch.empty(1, 6)}
        return Arithmetic(
            unet_row=_count(
                unet, latents, torch.empty(1), encoder_hidden_states=states, added_cond_kwargs=added
            ),
            decode=_count(vae.decode, latents),
            encode=sum(_count(encoder, ids) for encoder in encoders),
        )


def _count(compute: Callable[..., Any], *given: Any, **named: Any) -> float:
    with FlopCounterMode(display=False) as counter:
        compute(*given, **named)
    return float(counter.get_total_flops())


def known_peak(device: torch.device, dtype: torch.dtype) -> float | None:
    """What is known of this GPU, or None: then a matrix product measured in the run is the peak."""
    if device.type != "cuda" or dtype is torch.float32:
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in _PEAKS.items() if part in name), None)


def matmul_flops(device: torch.device, dtype: torch.dtype, edge: int | None = None) -> float:
    """FLOP/s of a square matrix product: the best of five."""
    edge = edge or (8192 if device.type == "cuda" else 2048)
    left, right = (torch.randn(edge, edge, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(6):  # the first warms up
        finish(device)
        start = time.perf_counter()
        left @ right
        finish(device)
        best = min(best, time.perf_counter() - start)
    return 2 * edge**3 / best
