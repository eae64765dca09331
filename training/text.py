"""Teaches the text encoder, before any picture is made, to sort a caption into things and their attributes.

Stable Diffusion pads every prompt to 77 tokens with the end token, and under causal attention each of these
can read the whole prompt. Here they are given a job: by their place they are slots, in turn for the first,
second, third and fourth thing and for the picture as a whole, and small linear heads (thrown away afterwards)
must read the slot's attributes from their hidden states. So the denoiser, which sees the hidden states by
cross-attention, finds the words of "a red star left of a blue heart" already bound to their things.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from training.captions import caption, full_caption
from training.clock import Clock, load_checkpoint, log, save_checkpoint
from training.machine import Machine
from training.models import Widths, new_text_encoder
from training.scenes import (
    COLOURS,
    FULL_MIX,
    KINDS,
    NOUNS,
    Colour,
    Group,
    Mood,
    Pair,
    Position,
    Scene,
    Shape,
    Single,
    Size,
    Style,
    Subject,
    View,
    held_out_scene,
    random_scene,
)

THINGS = 4
ROLES = THINGS + 1
"""Four things and the picture as a whole."""
UNSAID = -100
"""The target of what a kind of picture does not vary; no loss is taken on it."""
PER_THING: Mapping[str, int] = {
    "noun": len(NOUNS) + 1,
    "colour": len(COLOURS) + 1,
    "size": len(Size),
    "position": len(Position),
}
PER_PICTURE: Mapping[str, int] = {"background": len(COLOURS) + 1, "style": len(Style), "mood": len(Mood)}


class Heads(nn.Module):
    """Linear readers of the slots, for training alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.thing = nn.ModuleDict({name: nn.Linear(width, size) for name, size in PER_THING.items()})
        self.picture = nn.ModuleDict({name: nn.Linear(width, size) for name, size in PER_PICTURE.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What the slots should say: per_thing (4, B, 4 attributes), per_picture (B, 3 attributes)."""

    per_thing: Tensor
    per_picture: Tensor


def targets(scenes: Sequence[Scene]) -> Targets:
    things = torch.tensor([_thing_targets(scene) for scene in scenes]).permute(1, 0, 2)
    return Targets(per_thing=things, per_picture=torch.tensor([_picture_targets(s) for s in scenes]))


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> Tensor:
    """(B, 77) ids, padded and cut as the pipeline does it."""
    ids: Tensor = tokenizer(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=tokenizer.model_max_length,
        return_tensors="pt",
    ).input_ids
    return ids


def train_text_encoder(
    folder: Path,
    machine: Machine,
    widths: Widths,
    tokenizer: CLIPTokenizer,
    *,
    minutes: float,
    seed: int,
) -> CLIPTextModel:
    """Trains or goes on training from `folder`/text.pt."""
    torch.manual_seed(seed)
    model = new_text_encoder(widths, tokenizer).to(machine.device).train()
    heads = Heads(widths.text).to(machine.device)
    learned = nn.ModuleDict({"model": model, "heads": heads})
    optimiser = torch.optim.AdamW(learned.parameters(), lr=1.0, betas=(0.9, 0.98), weight_decay=0.01)
    clock = Clock(minutes=minutes)
    path = folder / "text.pt"
    if kept := load_checkpoint(path):
        learned.load_state_dict(kept["learned"])
        optimiser.load_state_dict(kept["optimiser"])
        clock.step, clock.seconds = kept["step"], kept["seconds"]
    rng = Random(seed + clock.step)

    def keep() -> None:
        content = {"learned": learned.state_dict(), "optimiser": optimiser.state_dict()}
        save_checkpoint(path, {**content, "step": clock.step, "seconds": clock.seconds})

    clock.rested()
    while not clock.done:
        scenes = [random_scene(rng, FULL_MIX, styled=0.25) for _ in range(machine.text_batch)]
        ids = tokenize(tokenizer, [caption(scene, rng) for scene in scenes]).to(machine.device)
        for group in optimiser.param_groups:
            group["lr"] = 1.5e-3 * clock.rate()
        with machine.autocast():
            hidden = model(ids).last_hidden_state
        loss = _loss(heads, hidden.float(), ids, targets(scenes), tokenizer.eos_token_id)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        clock.tick()
        if clock.step % 250 == 0:
            shares = measure_text(model, heads, tokenizer, machine)
            said = ", ".join(f"{kind} {share:.2f}" for kind, share in shares.items())
            log(
                folder,
                f"text {clock.progress:.0%} step {clock.step}: loss {loss:.3f}; slots right: {said}",
            )
            keep()
            clock.rested()
    keep()
    return model.eval()


@torch.no_grad()
def measure_text(
    model: CLIPTextModel, heads: Heads, tokenizer: CLIPTokenizer, machine: Machine
) -> Mapping[str, float]:
    """Share of held-out full captions, by kind, whose nouns, colours and background are all read right."""
    rng = Random(4_242)
    shares = {}
    for kind in KINDS:
        scenes = [held_out_scene(rng, kind) for _ in range(64)]
        ids = tokenize(tokenizer, [full_caption(scene) for scene in scenes]).to(machine.device)
        hidden = model(ids).last_hidden_state
        wanted = targets(scenes)
        right = torch.ones(len(scenes), dtype=torch.bool)
        for slot in range(THINGS):
            states = hidden[:, 60 + (slot - 60) % ROLES]
            for index, name in enumerate(("noun", "colour")):
                right &= heads.thing[name](states).argmax(-1).cpu() == wanted.per_thing[slot, :, index]
        states = hidden[:, 60 + (THINGS - 60) % ROLES]
        right &= heads.picture["background"](states).argmax(-1).cpu() == wanted.per_picture[:, 0]
        shares[kind] = right.float().mean().item()
    return shares


def _loss(heads: Heads, hidden: Tensor, ids: Tensor, wanted: Targets, end: int) -> Tensor:
    """Mean over attributes of the cross-entropy at every end token, each read in its role."""
    places = torch.arange(ids.shape[1], device=ids.device)
    ended = ids == end
    losses = []
    for role in range(ROLES):
        at = ended & (places % ROLES == role)
        states, rows = hidden[at], at.nonzero()[:, 0]
        if role < THINGS:
            answers, readers = wanted.per_thing[role], heads.thing
        else:
            answers, readers = wanted.per_picture, heads.picture
        answers = answers.to(ids.device)[rows]
        for index, reader in enumerate(readers.values()):
            answer = answers[:, index]
            if (answer != UNSAID).any():
                losses.append(functional.cross_entropy(reader(states), answer, ignore_index=UNSAID))
    return torch.stack(losses).mean()


def _thing_targets(scene: Scene) -> list[list[int]]:
    match scene:
        case Single():
            size = list(Size).index(scene.size)
            rows = [_thing(scene.thing.shape, scene.thing.colour, size, scene.position)]
        case Pair():
            pairs = zip((scene.first, scene.second), scene.relation.positions, strict=True)
            rows = [_thing(thing.shape, thing.colour, UNSAID, position) for thing, position in pairs]
        case Group():
            rows = [_thing(scene.thing.shape, scene.thing.colour, UNSAID, p) for p in scene.positions]
        case View():
            rows = [_thing(scene.subject, scene.colour, UNSAID, Position.CENTER)]
        case _:
            assert_never(scene)
    nothing = [len(NOUNS), len(COLOURS), UNSAID, UNSAID]
    return rows + [nothing] * (THINGS - len(rows))


def _thing(noun: Shape | Subject, colour: Colour, size: int, position: Position) -> list[int]:
    return [NOUNS.index(noun), COLOURS.index(colour), size, list(Position).index(position)]


def _picture_targets(scene: Scene) -> list[int]:
    background = len(COLOURS) if scene.background is None else COLOURS.index(scene.background)
    mood = scene.mood if isinstance(scene, View) else Mood.NONE
    return [background, list(Style).index(scene.style), list(Mood).index(mood)]
