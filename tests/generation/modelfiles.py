"""The small files by which a model is known, and the headers of checkpoint files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

INPUT = "model.diffusion_model.input_blocks.0.0.weight"
SD1 = {
    INPUT: [320, 4, 3, 3],
    "cond_stage_model.transformer.text_model.final_layer_norm.bias": [768],
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [320, 768],
}
SD2 = {
    INPUT: [320, 4, 3, 3],
    "cond_stage_model.model.ln_final.bias": [1024],
    "model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight": [320, 1024],
}
SDXL = {INPUT: [320, 4, 3, 3], "conditioner.embedders.1.model.positional_embedding": [77, 1280]}
REFINER = {INPUT: [384, 4, 3, 3], "conditioner.embedders.0.model.positional_embedding": [77, 1280]}


def a_folder(
    path: Path,
    *,
    pipeline: str | list[str] = "StableDiffusionPipeline",
    unet: dict[str, Any] | None = None,
    weights: str | None = "diffusion_pytorch_model.safetensors",
) -> Path:
    """The small files of a model in diffusers' format, those of SD 1.5 unless said otherwise."""
    sd15 = {
        "sample_size": 64,
        "in_channels": 4,
        "block_out_channels": [320, 640, 1280, 1280],
        "cross_attention_dim": 768,
    }
    for part, config in (
        ("unet", sd15 if unet is None else unet),
        ("vae", {"block_out_channels": [128, 256, 512, 512], "latent_channels": 4}),
    ):
        (path / part).mkdir(parents=True)
        (path / part / "config.json").write_text(json.dumps(config))
    (path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    if weights is not None:
        (path / "unet" / weights).touch()
    return path
