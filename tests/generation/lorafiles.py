"""LoRA files for toy models, written as diffusers and as kohya's scripts write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

UNET_LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "ff.net.2", "resnets.0.conv1"]
TEXT_LAYERS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


def trained(model: Any, layers: list[str], *, rank: int, seed: int, strength: float) -> dict[str, Any]:
    """The weights of a LoRA for these layers of a model, as if it had learned something; PEFT's names.

    The model is as it was, afterwards.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, layer in model.named_modules():
        if getattr(layer, "weight", None) is None or not name.endswith(tuple(layers)):
            continue
        out, *into = layer.weight.shape
        single = (1,) * (len(into) - 1)  # of a convolution
        weights[f"{name}.lora_A.weight"] = torch.randn(rank, *into, generator=generator) / prod(into[1:])
        weights[f"{name}.lora_B.weight"] = torch.randn(out, rank, *single, generator=generator) * strength
    return weights


def weights_for(
    pipe: Any, *, rank: int = 2, seed: int = 0, strength: float = 0.5, texts: bool = True
) -> dict[str, dict[str, Any]]:
    """The same for each part of a pipeline."""
    parts = {"unet": trained(pipe.unet, UNET_LAYERS, rank=rank, seed=seed, strength=strength)}
    for name in ("text_encoder", "text_encoder_2") if texts else ():
        if (encoder := getattr(pipe, name, None)) is not None:
            parts[name] = trained(encoder, TEXT_LAYERS, rank=rank, seed=seed + 1, strength=strength)
    return parts


def write_peft(path: Path, parts: dict[str, dict[str, Any]]) -> Path:
    """As diffusers' `save_lora_weights` writes it."""
    from diffusers import StableDiffusionXLPipeline

    StableDiffusionXLPipeline.save_lora_weights(
        path.parent,
        unet_lora_layers=parts["unet"],
        text_encoder_lora_layers=parts.get("text_encoder"),
        text_encoder_2_lora_layers=parts.get("text_encoder_2"),
        weight_name=path.name,
    )
    return path


def write_kohya(
    path: Path,
    parts: dict[str, dict[str, Any]],
    *,
    alpha: float = 1.0,
    notes: dict[str, str] | None = None,
    published: Mapping[str, str] | None = None,
) -> Path:
    """As kohya's scripts write it: other names, and what each layer's weights are multiplied by.

    Args:
        published: the names that the UNet's layers were published with, which stand in LoRAs for SDXL.
    """
    import torch
    from safetensors.torch import save_file

    several = "text_encoder_2" in parts
    prefixes = {
        "unet": "lora_unet_",
        "text_encoder": f"lora_te{'1' if several else ''}_text_model_",
        "text_encoder_2": "lora_te2_text_model_",
    }
    state = {}
    for part, weights in parts.items():
        for name, tensor in weights.items():
            layer, _, side = name.rpartition(".lora_")
            layer = (published or {}).get(layer, layer) if part == "unet" else layer
            theirs = prefixes[part] + layer.removeprefix("text_model.").replace(".", "_")
            state[f"{theirs}.lora_{'down' if side == 'A.weight' else 'up'}.weight"] = tensor
            state[f"{theirs}.alpha"] = torch.tensor(alpha)
    save_file(state, path, metadata=notes)
    return path


def tag_frequencies(**counts: int) -> dict[str, str]:
    """What kohya's scripts note of the captions."""
    return {"ss_tag_frequency": json.dumps({"10_pictures": counts})}
