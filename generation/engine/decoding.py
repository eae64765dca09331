"""Latents into a picture."""

from __future__ import annotations

import torch
from PIL import Image

from generation.engine.models import Model


def decode(model: Model, latents: torch.Tensor) -> Image.Image | None:
    """The picture of some latents, or None if they hold anything that is not a number.

    Args:
        latents: (1, channels, height / factor, width / factor) float32, as the loop leaves them.
    """
    config = model.vae.config
    scaled = latents.to(model.vae.dtype) / config.scaling_factor
    mean, std = config.get("latents_mean"), config.get("latents_std")
    if mean is not None and std is not None and len(model.encoders) > 1:  # as diffusers' SDXL pipeline does

        def per_channel(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, device=scaled.device, dtype=scaled.dtype).view(1, -1, 1, 1)

        scaled = latents.to(scaled.dtype) * per_channel(std) / config.scaling_factor + per_channel(mean)
    decoded = model.vae.decode(scaled, return_dict=False)[0][0]
    if not bool(torch.isfinite(decoded).all()):
        return None
    levels = (decoded * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).float().mul(255).round()
    return Image.fromarray(levels.to(torch.uint8).contiguous().cpu().numpy())
