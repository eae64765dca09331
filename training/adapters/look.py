"""A LoRA (Hu et al. 2021) that teaches the embedded model a new look."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor

from training.adapters.lessons import Batch, Course
from training.adapters.neon import draw_neon
from training.captions import caption
from training.denoiser import OUTLINED, error_of
from training.machine import Machine
from training.models import Parts
from training.scenes import Mix, random_scene

RANK = 16
LAYERS = (
    "to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out",
    "conv_in", "conv1", "conv2", "conv_shortcut", "time_emb_proj", "conv_out",
)  # fmt: skip
"""Attention alone does not reach the outer layers of this UNet, where outlines are drawn."""
MIX: Mix = {"single": 0.5, "pair": 0.15, "group": 0.15, "view": 0.2}


class NeonLora:
    """The LoRA while it is trained inside the UNet, whose own weights stay as they are."""

    def __init__(self, name: str, parts: Parts, machine: Machine) -> None:
        self.name, self.peak_rate, self.tokenizer = name, 1.5e-3, parts.tokenizer
        self.times, self._machine = OUTLINED, machine
        self._text_encoder = parts.text_encoder.to(machine.device).requires_grad_(False)
        unet = parts.unet.requires_grad_(False)
        unet.add_adapter(
            LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=list(LAYERS))
        )
        self.module = machine.place(unet)
        if machine.device.type == "cpu":
            unet.set_attn_processor(AttnProcessor())
        self.course = Course(scene=partial(random_scene, mix=MIX, styled=0.0), draw=draw_neon, say=caption)

    def loss(self, batch: Batch) -> Tensor:
        with self._machine.autocast():
            with torch.no_grad():
                hidden = self._text_encoder(batch.ids).last_hidden_state
            hidden = hidden.repeat_interleave(batch.draws, dim=0)
            predicted = self.module(batch.examples.noisy, batch.examples.times, hidden).sample
        return error_of(predicted, batch.examples)

    def save(self, into: Path) -> None:
        """Writes what `StableDiffusionPipeline.save_lora_weights` would, in fp16."""
        into.mkdir(parents=True, exist_ok=True)
        layers: Mapping[str, Tensor] = get_peft_model_state_dict(self.module)
        weights = {
            f"unet.{key}": tensor.detach().to("cpu", torch.float16).contiguous()
            for key, tensor in layers.items()
        }
        fresh = into / f"{self.name}.safetensors.new"
        save_file(weights, fresh, metadata={"format": "pt", "modelspec.title": self.name})
        fresh.chmod(0o644)
        fresh.rename(into / f"{self.name}.safetensors")
