"""A small picture of an image that is still being drawn, for whoever watches: cheap, and only then made."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image as Pictures

from generation.engine.batch import Image
from generation.engine.coders import Coder
from generation.engine.memory import APART, Memory, free
from generation.engine.models import Model
from generation.engine.prediction import clean_latents
from generation.messages import Previewed

log = logging.getLogger(__name__)

EDGE = 256
"""Pixels along the longer edge of a preview."""
_FIELDS = 24
_CELLS = 8
_NEAR_ENOUGH = 12.0
"""Mean error (of 255 levels) up to which colours may be told by a linear function of the channels."""
_QUALITY = 70


class Previews:
    """Shows what the UNet believes the finished picture to be."""

    def __init__(self, model: Model, memory: Memory) -> None:
        self._memory = memory
        self._device = model.device
        coder = Coder(model.vae, by_channel=len(model.encoders) > 1)
        self.look = Look(coder, model.tiny, model.device, need_vae=lambda: memory.need("vae"))

    def shown(self, image: Image) -> Previewed | None:
        """A look at an image that is watched, to be said. The look may fail; the picture may not."""
        try:
            webp = self.draw(image)
        except Exception as error:  # an edge: the picture goes on without
            log.warning("no preview of %s", image.task.id, exc_info=error)
            error.__traceback__ = None
            free(self._device)
            webp = None
        image.seen = None
        return None if webp is None else Previewed(task=image.task.id, webp=webp)

    def draw(self, image: Image) -> bytes | None:
        """A WebP file of at most EDGE pixels; None before the first step, or where it would cost too much."""
        if image.seen is None:
            return None
        if self._memory.rung == APART and self.look.wants_vae:
            return None  # the UNet would have to leave the device for it, and come back
        return self.look.webp(clean_latents(image.scheduler, *image.seen))


class Look:
    """What latents look like. A tiny decoder shows them best; without one, about a pixel for each cell does.

    In the usual autoencoders a cell's colour is nearly a linear function of its channels. The function is
    fitted once, to fields of colour that the model's own autoencoder encodes. Where that is too far off, as
    with the embedded model's, latents of half the edge are decoded: a quarter of the work for a picture.
    """

    def __init__(
        self, coder: Coder | None, tiny: Any | None, device: torch.device, *, need_vae: Callable[[], None]
    ) -> None:
        """
        Args:
            coder: the model's own autoencoder; not asked, and not needed, if there is a tiny decoder.
            tiny: an AutoencoderTiny on the device.
            need_vae: has the VAE on the device.
        """
        self._coder = coder
        self._tiny = tiny
        self._device = device
        self._need_vae = need_vae
        self.colours: torch.Tensor | None = None
        """(channels + 1, 3), where a linear function is near enough."""
        self._is_fitted = tiny is not None

    @property
    def wants_vae(self) -> bool:
        return self._tiny is None and self.colours is None

    def webp(self, latents: torch.Tensor) -> bytes:
        """A picture of at most EDGE pixels.

        Args:
            latents: (1, channels, h, w) without noise, as the UNet or transformer knows them.
        """
        if self._tiny is not None:
            rgb = _pixels(self._tiny.decode(latents.to(self._tiny.dtype), return_dict=False)[0])
        else:
            assert self._coder is not None, "there is one where there is no tiny decoder"
            rgb = self._shown(self._coder, latents.float())
        levels = rgb.float().nan_to_num().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
        return _webp(Pictures.fromarray(levels))

    def _shown(self, coder: Coder, latents: torch.Tensor) -> torch.Tensor:
        """(height, width, 3) in 0..1: a pixel for each cell, or half the picture's edge."""
        if not self._is_fitted:
            self.colours, self._is_fitted = self._fitted(coder), True
        if self.colours is not None:
            return _coloured(latents, self.colours)[0]
        self._need_vae()
        half = (max(1, latents.shape[2] // 2), max(1, latents.shape[3] // 2))
        return _pixels(coder.decode(torch.nn.functional.interpolate(latents, size=half, mode="area")))

    def _fitted(self, coder: Coder) -> torch.Tensor | None:
        """(channels + 1, 3): what each channel, and a constant, adds to red, green and blue in 0..1."""
        self._need_vae()
        fields = _fields(_CELLS * coder.factor)
        wanted = torch.nn.functional.avg_pool2d(fields, coder.factor)
        latents = coder.encode((2 * fields - 1).to(self._device)).cpu()
        rows = torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1).movedim(1, -1).flatten(0, 2)
        # A little ridge: channels that these fields leave at rest must not be weighed by accident.
        square = rows.T @ rows + 1e-3 * len(rows) * torch.eye(rows.shape[1])
        weights: torch.Tensor = torch.linalg.solve(square, rows.T @ wanted.movedim(1, -1).flatten(0, 2))
        error = (_coloured(latents, weights) - wanted.movedim(1, -1)).abs().mean().item() * 255
        return weights.to(self._device) if error <= _NEAR_ENOUGH else None


def _pixels(decoded: torch.Tensor) -> torch.Tensor:
    """(1, 3, height, width) in -1..1 into (height, width, 3) in 0..1."""
    return decoded[0].permute(1, 2, 0) / 2 + 0.5


def _fields(edge: int) -> torch.Tensor:
    """(2 * _FIELDS, 3, edge, edge) in 0..1: colours that run into each other, and blocks of them."""
    generator = torch.Generator("cpu").manual_seed(0)
    smooth = torch.rand(_FIELDS, 3, 3, 3, generator=generator)
    blocks = torch.rand(_FIELDS, 3, 4, 4, generator=generator)
    grown = torch.nn.functional.interpolate
    return torch.cat([grown(smooth, size=edge, mode="bilinear"), grown(blocks, size=edge, mode="nearest")])


def _coloured(latents: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(B, channels, h, w) into (B, h, w, 3)."""
    channels = torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1)
    return torch.einsum("bchw,ck->bhwk", channels, weights)


def _webp(small: Any) -> bytes:
    scale = EDGE / max(small.size)
    size = (max(1, round(small.width * scale)), max(1, round(small.height * scale)))
    file = io.BytesIO()
    small.resize(size, Pictures.Resampling.BICUBIC).save(file, format="WEBP", quality=_QUALITY)
    return file.getvalue()
