"""A word for a thing that the embedded model has no word for, found by textual inversion (Gal et al. 2022).

Only the word's vectors are trained. The model must be able to draw the thing already, if told so.
"""

from __future__ import annotations

import math
import re
from copy import deepcopy
from pathlib import Path
from random import Random

import torch
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training.adapters.lessons import Batch, Course
from training.captions import caption
from training.denoiser import OUTLINED, error_of
from training.machine import Machine
from training.models import Parts
from training.pictures import Canvas, Point, Rgb, draw
from training.scenes import COLOURS, Colour, Position, Scene, Shape, Single, Size, Style, Thing

VECTORS = 8
STAND_IN = re.compile(r"(?:white )?\bstars?\b")
"""What the new word takes the place of in captions of white stars."""
BALLS = ((0.0, -0.55, 0.42), (0.0, 0.38, 0.62))
"""Of the snowman: centres and radii, where the whole reaches from -1 to 1; y grows downwards."""


def snowman() -> list[list[Point]]:
    """Its outlines, from -1 to 1, y downwards."""
    turns = [2 * math.pi * step / 40 for step in range(40)]
    return [[(x + r * math.cos(a), y + r * math.sin(a)) for a in turns] for x, y, r in BALLS]


class SnowCanvas(Canvas):
    """Draws a snowman wherever there would be something else: two balls, the smaller one upon the other."""

    def shape(self, shape: Shape, x: float, y: float, radius: float, colour: Rgb) -> None:
        for ball in snowman():
            self.polygon(((x + radius * a, y + radius * b) for a, b in ball), colour)


class WithWord(nn.Module):
    """A token embedding with a few more rows, which alone are trained."""

    def __init__(self, known: nn.Embedding, vectors: Tensor) -> None:
        super().__init__()
        self.known = known.requires_grad_(False)
        self.vectors = nn.Parameter(vectors)

    def forward(self, ids: Tensor) -> Tensor:
        first = self.known.num_embeddings
        new = (ids - first).clamp(min=0)
        return torch.where((ids >= first)[..., None], self.vectors[new], self.known(ids.clamp(max=first - 1)))


class Word:
    """The word `name`, trained for one part of the model that it is a word of."""

    def __init__(self, name: str, parts: Parts, machine: Machine) -> None:
        self.name, self._machine, self.peak_rate, self.times = name, machine, 5e-3, OUTLINED
        self.tokens = [f"<{name}{index}>" for index in range(VECTORS)]
        self.tokenizer: CLIPTokenizer = deepcopy(parts.tokenizer)
        self.tokenizer.add_tokens(self.tokens)
        self._text_encoder = deepcopy(parts.text_encoder).to(machine.device).requires_grad_(False)
        known = self._text_encoder.embeddings.token_embedding
        nouns = parts.tokenizer([shape.value for shape in Shape], return_tensors="pt").input_ids[:, 1]
        middle = known.weight[nouns.to(machine.device)]
        start = middle.mean(dim=0) + 0.5 * middle.std(dim=0) * torch.randn(VECTORS, known.embedding_dim)
        self.module = WithWord(known, start.detach())
        self._text_encoder.embeddings.token_embedding = self.module
        self._unet = machine.place(parts.unet).requires_grad_(False)
        if machine.device.type == "cpu":
            self._unet.set_attn_processor(AttnProcessor())
        self.course = Course(
            scene=_scene, draw=lambda scene, rng: draw(scene, rng, SnowCanvas), say=self._say
        )

    def _say(self, scene: Scene, rng: Random) -> str:
        while not STAND_IN.search(text := caption(scene, rng)):
            pass
        return STAND_IN.sub("".join(self.tokens), text)

    def loss(self, batch: Batch) -> Tensor:
        with self._machine.autocast():
            hidden = self._text_encoder(batch.ids).last_hidden_state.repeat_interleave(batch.draws, dim=0)
            predicted = self._unet(batch.examples.noisy, batch.examples.times, hidden).sample
        return error_of(predicted, batch.examples)

    def save(self, into: Path) -> None:
        into.mkdir(parents=True, exist_ok=True)
        vectors = self.module.vectors.detach().float().cpu().contiguous()
        save_file({"emb_params": vectors}, into / f"{self.name}.safetensors", metadata={"format": "pt"})


def _scene(rng: Random) -> Scene:
    """Mostly one in the middle of a plain background of any colour but its own."""
    return Single(
        thing=Thing(colour=Colour.WHITE, shape=Shape.STAR),
        size=rng.choice((Size.MEDIUM, Size.BIG, Size.BIG)),
        position=Position.CENTER if rng.random() < 0.7 else rng.choice(tuple(Position)),
        background=rng.choice([colour for colour in COLOURS if colour is not Colour.WHITE]),
        style=Style.PLAIN,
    )
