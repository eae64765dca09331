"""Autoencoders of every kind behind one face: a picture's latents as models know them, there and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLHunyuanImage,
    AutoencoderKLQwenImage,
    AutoencoderKLWan,
    AutoencoderTiny,
)


class Coder:
    """An autoencoder whose latents are scaled as a whole, and shifted if its configuration says so.

    Latents are (B, channels, h, w) without noise, as the UNet or transformer knows them. Pictures are
    (B, 3, height, width) float32 in -1..1.
    """

    def __init__(self, vae: Any, *, by_channel: bool = False) -> None:
        """`by_channel`: a mean and a spread of each channel count where the configuration has them."""
        self.vae = vae
        self._by_channel = by_channel

    @property
    def channels(self) -> int:
        return int(self.vae.config.latent_channels)

    @property
    def factor(self) -> int:
        """Pixels along one edge of a latent."""
        config = self.vae.config
        for each in (self.vae, config):
            if (told := getattr(each, "spatial_compression_ratio", None)) is not None:
                return int(told)
        if (told := getattr(config, "scale_factor_spatial", None)) is not None:
            return int(told)
        return int(2 ** (len(config.block_out_channels) - 1))

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        """The latents of pictures, float32 wherever the autoencoder is."""
        own = self._encoded(pictures.to(self.vae.dtype)).float()
        scale, shift = self._numbers(own)
        return (own - shift) * scale

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        scale, shift = self._numbers(latents)
        return self._decoded((latents / scale + shift).to(self.vae.dtype)).float()

    def _numbers(self, latents: torch.Tensor) -> tuple[torch.Tensor | float, torch.Tensor | float]:
        """How many times larger models know them, and what the autoencoder's own are shifted by."""
        config = self.vae.config
        scale = float(getattr(config, "scaling_factor", None) or 1.0)
        mean, std = getattr(config, "latents_mean", None), getattr(config, "latents_std", None)
        if self._by_channel and mean is not None and std is not None:  # as diffusers' SDXL pipeline does
            return scale / _along(std, latents), _along(mean, latents)
        return scale, float(getattr(config, "shift_factor", None) or 0.0)

    def _encoded(self, pictures: torch.Tensor) -> torch.Tensor:
        """As the autoencoder itself has them."""
        said = self.vae.encode(pictures)
        for name in ("latent", "latents"):
            if (found := getattr(said, name, None)) is not None:
                plain: torch.Tensor = found
                return plain
        mean: torch.Tensor = said.latent_dist.mean
        return mean

    def _decoded(self, own: torch.Tensor) -> torch.Tensor:
        pictures: torch.Tensor = self.vae.decode(own, return_dict=False)[0]
        return pictures


class _OfFilms(Coder):
    """One that was made for films, of which a picture is the only frame: Qwen-Image's and Wan's."""

    @property
    def channels(self) -> int:
        return int(self.vae.config.z_dim)

    def _numbers(self, latents: torch.Tensor) -> tuple[torch.Tensor | float, torch.Tensor | float]:
        config = self.vae.config
        return 1 / _along(config.latents_std, latents), _along(config.latents_mean, latents)

    def _encoded(self, pictures: torch.Tensor) -> torch.Tensor:
        return super()._encoded(pictures[:, :, None])[:, :, 0]

    def _decoded(self, own: torch.Tensor) -> torch.Tensor:
        return super()._decoded(own[:, :, None])[:, :, 0]


class _OfCells(Coder):
    """Flux 2's: each place in a cell of 2 x 2 latents has a mean and a spread of its own."""

    def _numbers(self, latents: torch.Tensor) -> tuple[torch.Tensor | float, torch.Tensor | float]:
        norm, config = self.vae.bn, self.vae.config
        std = torch.sqrt(norm.running_var.float() + config.batch_norm_eps)
        high, wide = latents.shape[-2] // 2, latents.shape[-1] // 2

        def everywhere(values: torch.Tensor) -> torch.Tensor:
            """(1, channels, h, w) of one for each channel and place in a cell."""
            cells = values.to(latents.device, torch.float32).view(1, -1, 1, 1)
            return out_of_cells(cells).repeat(1, 1, high, wide)

        return 1 / everywhere(std), everywhere(norm.running_mean)


_KINDS: Sequence[tuple[type, Callable[[Any], Coder]]] = (
    (AutoencoderKLFlux2, _OfCells),
    (AutoencoderKLQwenImage, _OfFilms),
    (AutoencoderKLWan, _OfFilms),
    (AutoencoderKL, Coder),
    (AutoencoderDC, Coder),
    (AutoencoderKLHunyuanImage, Coder),
    (AutoencoderTiny, Coder),
)


def coder_of(vae: Any) -> Coder | None:
    """The face of the autoencoder of a pipeline; None for one whose latents are not known here."""
    return next((make(vae) for kind, make in _KINDS if isinstance(vae, kind)), None)


def out_of_cells(latents: torch.Tensor) -> torch.Tensor:
    """(B, 4 * channels, h, w) into (B, channels, 2 * h, 2 * w), as Flux 2 has cells of 2 x 2 in one place."""
    batch, channels, high, wide = latents.shape
    cells = latents.reshape(batch, channels // 4, 2, 2, high, wide).permute(0, 1, 4, 2, 5, 3)
    return cells.reshape(batch, channels // 4, 2 * high, 2 * wide)


def _along(values: Sequence[float], latents: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, device=latents.device, dtype=torch.float32).view(1, -1, 1, 1)
