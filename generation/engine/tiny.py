"""A tiny decoder beside a model's own: pictures of what is still being drawn, for little work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny

from generation.catalogue import UnreadableModel
from generation.engine.downloads import fetch
from generation.engine.fetching import first_line
from generation.modelfiles import check_taesd
from generation.sentence import say

FILES = ("config.json", "diffusion_pytorch_model.safetensors")


def load_tiny(source: str, *, channels: int | None, device: torch.device, dtype: torch.dtype) -> Any:
    """The AutoencoderTiny of a folder or on the hub, which is fetched if need be.

    Args:
        channels: of the model's latents; None: it is not known.

    Raises:
        UnreadableModel: it cannot be had, or does not fit the model; a sentence for the owner.
    """
    path = Path(source).expanduser()
    try:
        folder = path if path.exists() else fetch(source, FILES)
        tiny = AutoencoderTiny.from_pretrained(str(folder), dtype=dtype, use_safetensors=True)
    except Exception as error:  # whatever a broken file makes the libraries raise
        raise UnreadableModel(
            say("The taesd {source} could not be loaded: {error}", source=source, error=first_line(error))
        ) from error
    check_taesd(source)
    found = tiny.config.latent_channels
    if channels is not None and found != channels:
        raise UnreadableModel(
            say(
                "The taesd {source} has {found} channels in its latents, and this model's have {channels}.",
                source=source,
                found=found,
                channels=channels,
            )
        )
    return tiny.eval().requires_grad_(False).to(device)
