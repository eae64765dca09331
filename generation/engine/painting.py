"""What a UNet made for inpainting is told besides the latents: where to draw, and what is around that."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from PIL import Image

from generation.engine.inputs import encode_pixels, latent_mask, pixels_of, start_mask, start_picture
from generation.engine.models import Model
from generation.messages import Blob
from generation.request import Digest, Size, Start


def paints(model: Model) -> bool:
    """Whether its UNet reads nine channels: the latents, a mask, and the latents of what is around that."""
    return int(model.unet.config.in_channels) == 2 * int(model.vae.config.latent_channels) + 1


def told_around(
    model: Model, files: Mapping[Digest, Blob], start: Start | None, size: Size, generator: torch.Generator
) -> torch.Tensor:
    """The mask, and the latents of the picture without what is inside; where there is no mask, all is inside.

    As diffusers' StableDiffusionInpaintPipeline has it for a mask of whole cells: one that covers part of a
    cell is grown to all of it, since all of it is drawn anew.

    Args:
        generator: has drawn the noise already.

    Returns:
        (1, 1 + channels, h, w) in the model's dtype, on its device.
    """
    factor, mask = model.vae_factor, None if start is None else start_mask(files, start)
    if start is None or mask is None:
        cells = torch.ones(1, 1, size.height // factor, size.width // factor, device=model.device)
        picture = Image.new("RGB", (size.width, size.height))
    else:
        cells = latent_mask(mask, factor, model.device)
        picture = start_picture(files, start)
    inside = cells.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    around = pixels_of(picture).to(model.device) * (inside < 0.5)
    return torch.cat([cells, encode_pixels(model, around, generator)], dim=1).to(model.dtype)
