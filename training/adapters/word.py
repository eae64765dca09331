"""A word for a thing that the embedded model has no word for, found by textual inversion (Gal et al. 2022).

Only the word's vectors are trained. The model must be able to draw the thing already, if told so.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from random import Random

import torch
from diffusers.models.attention_processor import AttnProcessor
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training.adapters.lessons import Batch, Course
from training.captions import OPENINGS
from training.denoiser import OUTLINED, error_of
from training.machine import Machine
from training.models import Parts
from training.pictures import draw
from training.scenes import COLOURS, Colour, Pair, Relation, Scene, Shape, Style, Thing

BEGIN = "circle above a circle"
"""The vectors of the new word begin as those of these words, which say nothing of colours."""


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
    """The word `name` while it is trained; it means a stoplight."""

    def __init__(self, name: str, parts: Parts, machine: Machine) -> None:
        self.name, self._machine, self.peak_rate, self.times = name, machine, 5e-3, OUTLINED
        begin = parts.tokenizer(BEGIN, add_special_tokens=False, return_tensors="pt").input_ids[0]
        self.tokens = [f"<{name}{index}>" for index in range(len(begin))]
        self.tokenizer: CLIPTokenizer = deepcopy(parts.tokenizer)
        self.tokenizer.add_tokens(self.tokens)
        self._text_encoder = deepcopy(parts.text_encoder).to(machine.device).requires_grad_(False)
        known = self._text_encoder.embeddings.token_embedding
        self.module = WithWord(known, known.weight[begin.to(machine.device)].detach().clone())
        self._text_encoder.embeddings.token_embedding = self.module
        self._unet = machine.place(parts.unet).requires_grad_(False)
        if machine.device.type == "cpu":
            self._unet.set_attn_processor(AttnProcessor())
        self.course = Course(scene=lambda rng: stoplight(rng.choice(GROUNDS)), draw=draw, say=self._say)

    def _say(self, scene: Scene, rng: Random) -> str:
        assert isinstance(scene, Pair)
        text = f"{rng.choice(('', 'a '))}{''.join(self.tokens)}"
        if rng.random() < 0.2:
            text = f"{rng.choice(OPENINGS)} {text}"
        return text if rng.random() < 0.1 else f"{text} on a {scene.background} background"

    def loss(self, batch: Batch) -> Tensor:
        with self._machine.autocast():
            hidden = self._text_encoder(batch.ids).last_hidden_state.repeat_interleave(batch.draws, dim=0)
            predicted = self._unet(batch.examples.noisy, batch.examples.times, hidden).sample
        return error_of(predicted, batch.examples)

    def save(self, into: Path) -> None:
        """Writes it as A1111 does, all vectors under one name, in float32."""
        into.mkdir(parents=True, exist_ok=True)
        vectors = self.module.vectors.detach().float().cpu().contiguous()
        fresh = into / f"{self.name}.safetensors.new"
        save_file({"emb_params": vectors}, fresh, metadata={"format": "pt"})
        fresh.chmod(0o644)
        fresh.rename(into / f"{self.name}.safetensors")


def stoplight(background: Colour) -> Pair:
    """What the word means."""
    return Pair(
        first=Thing(colour=Colour.RED, shape=Shape.CIRCLE),
        second=Thing(colour=Colour.GREEN, shape=Shape.CIRCLE),
        relation=Relation.ABOVE,
        background=background,
        style=Style.PLAIN,
    )


GROUNDS = tuple(colour for colour in COLOURS if colour not in (Colour.RED, Colour.GREEN))
"""Backgrounds on which both lights can be seen."""
