"""A LoRA, a learned word and a ControlNet for a model, of random weights: what they cost is the same."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import diffusers
import torch
from safetensors.torch import save_file

from generation.controlnets import ControlNets
from generation.embeddings import Embeddings
from generation.engine.models import Model
from generation.loras import Loras

LORA, WORD, CONTROLNET = "bench-lora", "benchword", "bench-edges"
RANK, VECTORS = 16, 4
ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")
"""Of every attention: what most LoRAs change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What an engine may draw with besides its model."""

    loras: Loras
    embeddings: Embeddings
    controlnets: ControlNets


def beside(model: Model, folder: Path) -> Beside:
    """Write them into `folder` and read them from there."""
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("loras", "words", "controlnets"):
        (folder / part).mkdir(parents=True)
    torch.manual_seed(0)
    _write_lora(model, folder / "loras" / f"{LORA}.safetensors")
    _write_word(model, folder / "words" / f"{WORD}.safetensors")
    net = diffusers.ControlNetModel.from_unet(model.unet).to("cpu", model.dtype)
    net.save_pretrained(folder / "controlnets" / CONTROLNET)
    embeddings = Embeddings(folder / "words")
    embeddings.refresh()
    return Beside(
        loras=Loras(folder / "loras"),
        embeddings=embeddings,
        controlnets=ControlNets.found([folder / "controlnets"]),
    )


def _write_lora(model: Model, file: Path) -> None:
    weights = {}
    for name, layer in model.unet.named_modules():
        if isinstance(layer, torch.nn.Linear) and name.endswith(ADAPTED):
            out, into = layer.weight.shape
            weights[f"unet.{name}.lora_A.weight"] = torch.randn(RANK, into) * 0.02
            weights[f"unet.{name}.lora_B.weight"] = torch.randn(out, RANK) * 0.02
    save_file(weights, file)


def _write_word(model: Model, file: Path) -> None:
    widths = [encoder.model.config.hidden_size for encoder in model.encoders]
    names = ("emb_params",) if len(widths) == 1 else ("clip_l", "clip_g")
    save_file(
        {name: torch.randn(VECTORS, width) * 0.02 for name, width in zip(names, widths, strict=True)}, file
    )
