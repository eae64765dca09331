"""Pictures to start from: into latents, blended in at every step, and pasted around what was drawn anew."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageChops, ImageFilter

from generation.engine.failures import CannotDraw
from generation.engine.models import Model
from generation.messages import Blob
from generation.request import Digest, Start
from generation.sentence import say


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What stays while the rest is drawn anew; all (1, channels or 1, h, w), float32 on the device."""

    latents: torch.Tensor
    noise: torch.Tensor
    mask: torch.Tensor
    """1 where it is drawn anew."""

    def blended(self, drawn: torch.Tensor, scheduler: Any, time: torch.Tensor | None) -> torch.Tensor:
        """`drawn`, and around it the kept latents with as much noise as it has at `time`; None: with none."""
        around = self.latents
        if time is not None:
            around = noised(around, self.noise, scheduler, time)
        return (1 - self.mask) * around + self.mask * drawn


def noised(clean: torch.Tensor, noise: torch.Tensor, scheduler: Any, time: torch.Tensor) -> torch.Tensor:
    """Latents with as much noise as there is at a time: what the scheduler's add_noise gives, bit for bit.

    That would take the noise levels to the latents each time, and a GPU's host would wait for them. So it is
    asked on the CPU what the two are multiplied by.
    """
    one, none, times = torch.ones(1), torch.zeros(1), time[None]
    signal, dirt = scheduler.add_noise(one, none, times)[0], scheduler.add_noise(none, one, times)[0]
    noisy: torch.Tensor = signal * clean + dirt * noise
    return noisy


def start_picture(files: Mapping[Digest, Blob], start: Start) -> Image.Image:
    return _opened(files, start.picture).convert("RGB")


def start_mask(files: Mapping[Digest, Blob], start: Start) -> Image.Image | None:
    return None if start.mask is None else _opened(files, start.mask).convert("L")


def _opened(files: Mapping[Digest, Blob], digest: Digest) -> Image.Image:
    if digest not in files:
        raise CannotDraw(say("The picture that this starts from is not there any more."))
    return Image.open(io.BytesIO(files[digest]))


def encode(model: Model, picture: Image.Image, generator: torch.Generator) -> torch.Tensor:
    """The latents of a picture, (1, channels, h, w) float32: drawn from the encoder's spread.

    In plain memory order: the encoder leaves them in that of its input, on which the UNet's last bits depend.

    Args:
        picture: RGB, of a size that the VAE takes.
    """
    return encode_pixels(model, pixels_of(picture), generator)


def pixels_of(picture: Image.Image) -> torch.Tensor:
    """(1, 3, height, width) float32 from -1 to 1."""
    return 2.0 * (torch.from_numpy(np.array(picture)[None]).permute(0, 3, 1, 2) / 255.0) - 1.0


def encode_pixels(model: Model, pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The latents of what :func:`pixels_of` makes; see :func:`encode`."""
    config = model.vae.config
    latents: torch.Tensor = model.vae.encode(pixels.to(model.device, model.vae.dtype)).latent_dist.sample(
        generator
    )
    latents, scale = latents.float().contiguous(), float(config.scaling_factor)
    mean, std = config.get("latents_mean"), config.get("latents_std")
    if mean is not None and std is not None and len(model.encoders) > 1:  # as diffusers' SDXL pipeline does

        def per_channel(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, device=latents.device).view(1, -1, 1, 1)

        return (latents - per_channel(mean)) * scale / per_channel(std)
    return latents * scale


def latent_mask(mask: Image.Image, factor: int, device: torch.device) -> torch.Tensor:
    """(1, 1, h, w): 1 in every cell of which any pixel is to be drawn anew."""
    levels = torch.from_numpy(np.array(mask)).to(device, torch.float32)[None, None]
    return torch.nn.functional.max_pool2d((levels > 0).float(), factor)


def pasted(files: Mapping[Digest, Blob], start: Start, drawn: Image.Image) -> Image.Image:
    """What was drawn, inside the mask; outside of it every pixel is as it was."""
    if (mask := start_mask(files, start)) is None:
        return drawn
    return Image.composite(drawn, start_picture(files, start), feathered(mask, start.blur))


def feathered(mask: Image.Image, blur: int) -> Image.Image:
    """The mask with a soft edge of about `blur` pixels that lies inside it: what is black stays black."""
    if blur == 0:
        return mask
    smaller = Image.fromarray(eroded(np.array(mask), blur))
    return ImageChops.darker(smaller.filter(ImageFilter.GaussianBlur(blur / 2)), mask)


def eroded(levels: np.ndarray[Any, np.dtype[np.uint8]], margin: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Each level (h, w) becomes the least within `margin` to every side; beyond the edge there is nothing.

    Row by row, then column by column, over windows that double: a wide margin costs little more than a narrow
    one.
    """
    for axis in (0, 1):
        reach = [(0, 0), (0, 0)]
        reach[axis] = (margin, margin)
        least, window = np.moveaxis(np.pad(levels, reach, mode="edge"), axis, 0), 1
        while window < 2 * margin + 1:
            step = min(window, 2 * margin + 1 - window)
            least, window = np.minimum(least[:-step], least[step:]), window + step
        levels = np.ascontiguousarray(np.moveaxis(least, 0, axis))
    return levels
