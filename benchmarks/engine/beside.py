"""All that an engine may draw with besides its model, of random weights: what it costs is the same."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import diffusers
import torch
from safetensors.torch import save_file

from benchmarks.engine.companions import (
    TOY,
    Sizes,
    write_checker,
    write_depth,
    write_ip_adapter,
    write_pose,
    write_upscaler,
)
from generation.controlnets import ControlNets
from generation.embeddings import Embeddings
from generation.engine.annotators import Annotators
from generation.engine.guard import Guard
from generation.engine.models import Model
from generation.engine.upscalers import UpscalerShelf
from generation.loras import Loras
from generation.upscalers import Upscalers

LORA, WORD, CONTROLNET, UPSCALER = "bench-lora", "benchword", "bench-edges", "bench-upscaler"
RANK, VECTORS = 16, 4
ADAPTED = ("to_q", "to_k", "to_v", "to_out.0")
"""Of every attention: what most LoRAs change."""
_PUBLISHED = 768
"""The width of the prompts that Stable Diffusion 1 reads, the narrowest that people draw with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What an engine may draw with besides its model."""

    loras: Loras
    embeddings: Embeddings
    controlnets: ControlNets
    annotators: Annotators
    guard: Guard
    upscalers: UpscalerShelf


def beside(model: Model, folder: Path, sizes: Sizes) -> tuple[Beside, Model]:
    """Write them into `folder` and read them from there; the model, with an IP-Adapter."""
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
    upscaler = write_upscaler(sizes, folder / "upscalers" / f"{UPSCALER}.safetensors")
    # A look is encoded once, before anything is timed: a small UNet does without the gigabytes for that.
    encoder = sizes if model.unet.config.cross_attention_dim >= _PUBLISHED else TOY
    adapter = write_ip_adapter(encoder, model.unet, folder / "look")
    made = Beside(
        loras=Loras(folder / "loras"),
        embeddings=embeddings,
        controlnets=ControlNets.found([folder / "controlnets"]),
        annotators=Annotators(
            depth=write_depth(sizes, folder / "depth"), pose=write_pose(sizes, folder / "pose")
        ),
        guard=Guard(
            str(write_checker(sizes, folder / "checker")), may_fetch=False, device=model.device, patience=600
        ),
        upscalers=UpscalerShelf(Upscalers(upscaler.parent), model.device, model.dtype),
    )
    return made, replace(model, info=replace(model.info, ip_adapter=str(adapter)))


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
