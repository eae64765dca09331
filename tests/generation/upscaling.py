"""Upscalers at toy size, with random weights, in the folder of an owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from generation.engine.upscalers import UpscalerShelf


def build_upscaler(path: Path, *, kind: str = "compact", scale: int = 2, seed: int = 0) -> Path:
    """A real model of spandrel's, saved as a .safetensors file: "compact", "esrgan" or "span"."""
    import torch
    from safetensors.torch import save_file

    UpscalerShelf.make_ready()
    torch.manual_seed(seed)
    model: Any
    if kind == "compact":
        from spandrel.architectures.Compact import Compact

        model = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=scale)
    elif kind == "esrgan":
        from spandrel.architectures.ESRGAN import ESRGAN

        model = ESRGAN(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=scale)
    else:
        from spandrel.architectures.SPAN import SPAN

        model = SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path
