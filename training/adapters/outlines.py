"""A ControlNet (Zhang et al. 2023) that has the embedded model draw along given edges."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import ControlNetModel
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from torch import Tensor, nn

from generation.engine.edges import edges
from training.adapters.lessons import Batch, Course
from training.captions import caption
from training.denoiser import error_of
from training.machine import Machine
from training.models import Parts, save_part
from training.pictures import draw
from training.scenes import Mix, Position, Scene, Single, Size, random_scene

HINT_WIDTHS = (16, 32, 64, 96)
"""Of the layers that bring the edges down to the size of the latents."""
PLACED = (300, 1000)
"""The times at which it is decided where things stand."""
MIX: Mix = {"single": 0.6, "pair": 0.15, "group": 0.1, "view": 0.15}


class EdgeControl:
    """The ControlNet while it is trained beside the UNet, which stays as it is."""

    def __init__(self, name: str, parts: Parts, machine: Machine) -> None:
        self.name, self.peak_rate, self.tokenizer = name, 1e-3, parts.tokenizer
        self.times, self._machine = PLACED, machine
        self._text_encoder = parts.text_encoder.to(machine.device).requires_grad_(False)
        self._unet = machine.place(parts.unet).requires_grad_(False)
        self.module = machine.place(
            ControlNetModel.from_unet(parts.unet, conditioning_embedding_out_channels=HINT_WIDTHS)
        ).requires_grad_(True)
        _wake(self.module.controlnet_cond_embedding)
        if machine.device.type == "cpu":
            self._unet.set_attn_processor(AttnProcessor())
            self.module.set_attn_processor(AttnProcessor())
        self.course = Course(
            scene=partial(random_scene, mix=MIX, styled=0.0), draw=draw, say=say, outlined=True
        )

    def loss(self, batch: Batch) -> Tensor:
        examples = batch.examples
        with self._machine.autocast():
            with torch.no_grad():
                hidden = self._text_encoder(batch.ids).last_hidden_state.repeat_interleave(batch.draws, dim=0)
            outlines = batch.outlines.repeat_interleave(batch.draws, dim=0)
            down, middle = self.module(
                examples.noisy, examples.times, hidden, controlnet_cond=outlines, return_dict=False
            )
            predicted = self._unet(
                examples.noisy,
                examples.times,
                hidden,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
            ).sample
        return error_of(predicted, examples)

    def save(self, into: Path) -> None:
        folder = into / self.name
        folder.mkdir(parents=True, exist_ok=True)
        save_part(folder, "diffusion_pytorch_model", self.module, dict(self.module.config))


@torch.no_grad()
def _wake(hint: ControlNetConditioningEmbedding) -> None:
    """Starts the layers that read the edges so that what they say is as loud as the latents are.

    As diffusers makes them they say nothing, and learn little before the layers at the ends, which begin at
    nought too, have learned something.
    """
    rng = Random(0)
    shown = [np.asarray(edges(draw(random_scene(rng, MIX, styled=0.0), rng))) for _ in range(16)]
    seen = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float() / 255
    layers = [layer for layer in hint.modules() if isinstance(layer, nn.Conv2d)]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    last = hint.conv_out
    last.weight.div_(hint(seen.to(last.weight.device)).std())


def say(scene: Scene, rng: Random) -> str:
    """Mostly what does not tell where and how big things are, or nothing at all: the edges say that."""
    roll = rng.random()
    if roll < 0.3:
        return ""
    if isinstance(scene, Single) and roll < 0.8:
        plain = scene.__class__(
            thing=scene.thing,
            size=Size.MEDIUM,
            position=Position.CENTER,
            background=scene.background,
            style=scene.style,
        )
        while not _is_silent(text := caption(plain, rng)):
            pass
        return text
    return caption(scene, rng)


def _is_silent(text: str) -> bool:
    return not any(word in text for word in ("center", "centre", "middle", "medium"))
