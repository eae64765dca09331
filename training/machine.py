"""What the training runs on, and the batch sizes that suit it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from training.team import Team

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    device: torch.device
    workers: int
    """Processes that draw pictures."""
    team: Team
    """Who computes the parts of a batch."""
    autoencoder_batch: int
    text_batch: int
    unet_batch: int
    pictures: int
    """How many pictures are drawn once and kept as latents."""
    samples: int = 512
    """How many pictures tell the mean and the deviation of latents; an eighth of them, how true they are."""

    @property
    def parts(self) -> int:
        """Into how many parts a batch is split: one for every core, since smaller ones take longer."""
        return self.team.threads

    def place(self, model: Model) -> Model:
        """Moves a model of convolutions here, in the memory order that this machine multiplies faster."""
        order = torch.channels_last if self.device.type == "cpu" else torch.contiguous_format
        model.to(device=self.device)
        for parameter in model.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=order)
        return model

    def autocast(self) -> torch.autocast:
        """bfloat16 where the processor multiplies it faster than float32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=_has_fast_bf16(self.device))


def choose_machine(name: str) -> Machine:
    """`name` is auto, cuda or cpu."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    cores = os.cpu_count() or 1
    if device.type == "cuda":
        return Machine(
            device=device,
            workers=min(cores, 16),
            team=Team(1),
            autoencoder_batch=256,
            text_batch=512,
            unet_batch=768,
            pictures=400_000,
        )
    return Machine(
        device=device,
        workers=0,
        team=Team(cores),
        autoencoder_batch=16,
        text_batch=32,
        unet_batch=64,
        pictures=18_000,
    )


@cache
def _has_fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    facts = Path("/proc/cpuinfo")
    return facts.exists() and "avx512_bf16" in facts.read_text(encoding="utf-8")
