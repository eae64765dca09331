"""The loop that all adapters are trained in: goes on from a checkpoint and writes what was learned."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Protocol

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training.adapters.lessons import Batch, Course, Lessons
from training.clock import Clock, load_checkpoint, log, save_checkpoint
from training.denoiser import noised
from training.machine import Machine
from training.models import SCHEDULER, Parts
from training.text import tokenize

KEEP_MINUTES = 1.0
DRAWS = 2
"""Each captioned picture of a batch is seen at this many times."""
FLAT = 0.4
"""Share of the time at the full learning rate, before the cosine to zero."""


class Pupil(Protocol):
    """An adapter that is being trained, while the model that it belongs to stays as it is."""

    @property
    def name(self) -> str: ...
    @property
    def module(self) -> nn.Module:
        """Holds what is trained; what needs no gradient in it is frozen."""

    @property
    def tokenizer(self) -> CLIPTokenizer: ...
    @property
    def peak_rate(self) -> float: ...
    @property
    def times(self) -> tuple[int, int]:
        """Between which of the 1000 times what it has to learn is decided."""

    @property
    def course(self) -> Course: ...

    def loss(self, batch: Batch) -> Tensor: ...

    def save(self, into: Path) -> None: ...


def teach(
    pupil: Pupil, parts: Parts, folder: Path, machine: Machine, *, minutes: float, seed: int, into: Path
) -> None:
    """Trains or goes on training from `folder`/NAME.pt, and writes the adapter into `into`."""
    learned = [parameter for parameter in pupil.module.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learned, lr=1.0, betas=(0.9, 0.98), weight_decay=0.0)
    clock = Clock(minutes=minutes, warmup_steps=20)
    path = folder / f"{pupil.name}.pt"
    if kept := load_checkpoint(path):
        for parameter, value in zip(learned, kept["learned"], strict=True):
            parameter.data.copy_(value)
        optimiser.load_state_dict(kept["optimiser"])
        clock.step, clock.seconds = kept["step"], kept["seconds"]
    rng = Random(seed + clock.step)
    torch.manual_seed(seed + clock.step)
    lessons = Lessons(
        pupil.course, parts.autoencoder, machine, seed=seed + clock.step, capacity=machine.pictures // 6
    )
    lessons.grow(machine.pictures // 36)
    rows = max(DRAWS, machine.unet_batch // 2)  # there is less to learn than for the whole model
    alphas = DDPMScheduler.from_config(SCHEDULER).alphas_cumprod.to(machine.device)

    def keep() -> None:
        content = {"learned": learned, "optimiser": optimiser.state_dict()}
        save_checkpoint(path, {**content, "step": clock.step, "seconds": clock.seconds})
        pupil.save(into)

    def next_batch() -> Batch:
        lessons.grow(max(1, rows // 16))
        captions, latents, outlines = lessons.sample(rows // DRAWS, rng)
        several = latents.to(machine.device).repeat_interleave(DRAWS, dim=0)
        ids = tokenize(pupil.tokenizer, captions).to(machine.device)
        return Batch(
            examples=noised(alphas, several, pupil.times), ids=ids, outlines=outlines.to(machine.device)
        )

    running, saved = math.nan, clock.seconds
    coming = machine.team.begin(next_batch)
    clock.rested()
    while not clock.done:
        batch = coming.result()
        if clock.seconds - saved > 60 * KEEP_MINUTES:
            saved = clock.seconds
            keep()
            clock.rested()
        coming = machine.team.begin(next_batch)
        for group in optimiser.param_groups:
            group["lr"] = pupil.peak_rate * clock.rate(flat=FLAT)
        loss = machine.team.backward(pupil.module, pupil.loss, batch.split(machine.parts))
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        running = loss if math.isnan(running) else running + 0.02 * (loss - running)
        clock.tick()
        if clock.step % 50 == 0:
            rate = clock.step * rows / clock.seconds
            log(
                folder,
                f"{pupil.name} {clock.progress:.1%} step {clock.step}: loss {running:.4f}, {rate:.0f} rows/s",
            )
            clock.rested()
    coming.result()
    keep()
