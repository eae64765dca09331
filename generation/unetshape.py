"""The few numbers by which it can be told whether something fits a model's UNet, read without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from generation.model import Family, ModelInfo
from generation.modelfiles import UnreadableModel, hub_snapshot, read_json

_WIDTHS = {Family.SD1: 768, Family.SD2: 1024, Family.SDXL: 2048}
_FIRST, _LATENTS = 320, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class UnetShape:
    """Of a UNet, or of what was made for one."""

    words: int | None
    """The width of the encoded prompts that it reads; None: it reads none."""
    first: int
    """Channels of its first layer."""
    latents: int
    """Channels of its latents."""

    def suits(self, unet: UnetShape) -> bool:
        """Whether what has this shape goes with such a UNet."""
        return (self.first, self.latents) == (unet.first, unet.latents) and self.words in (None, unet.words)


def shape_of(model: ModelInfo) -> UnetShape | None:
    """The shape of a model's UNet; None for one without.

    Of what is still to be fetched, and of single files, its family's. Reads a small file.
    """
    if model.family not in _WIDTHS:
        return None
    folder = hub_snapshot(model.source) or Path(model.source).expanduser()
    try:
        config = read_json(folder / "unet" / "config.json")
        return UnetShape(
            words=int(config["cross_attention_dim"]),
            first=int(config["block_out_channels"][0]),
            # One made for inpainting reads more besides them.
            latents=_LATENTS if model.inpainting else int(config.get("in_channels", _LATENTS)),
        )
    except (UnreadableModel, OSError, KeyError, TypeError, ValueError, IndexError):
        return UnetShape(words=_WIDTHS[model.family], first=_FIRST, latents=_LATENTS)
