"""Steers a stage by the minutes it may train, and keeps its checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

SLOWEST = 1.5
"""A step that takes longer than this many of the quickest was paused or robbed of its processor from outside;
the rest of its time is not counted."""


@dataclass(slots=True, kw_only=True)
class Clock:
    """How far a stage is: counted in seconds of training, so that a stage survives pauses and restarts."""

    minutes: float
    warmup_steps: int = 100
    step: int = 0
    seconds: float = 0.0
    now: Callable[[], float] = time.monotonic
    _last: float = math.nan
    _quickest: float = math.inf

    def __post_init__(self) -> None:
        self._last = self.now()

    def tick(self) -> None:
        now = self.now()
        took = now - self._last
        self._quickest = min(self._quickest, took)
        self.seconds += min(took, SLOWEST * self._quickest)
        self._last = now
        self.step += 1

    def rested(self) -> None:
        """Leaves what happened since the last tick (saving, drawing a sample) out of the count."""
        self._last = self.now()

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.seconds / (60 * self.minutes))

    @property
    def done(self) -> bool:
        return self.progress >= 1.0

    def rate(self, *, flat: float = 0.0) -> float:
        """The share of the peak learning rate now: warm-up, flat for a share of the time, cosine to zero."""
        warm = min(1.0, (self.step + 1) / self.warmup_steps)
        fall = max(0.0, (self.progress - flat) / (1 - flat))
        return warm * 0.5 * (1 + math.cos(math.pi * fall))


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Writes beside the old file and renames, so that a kill never leaves half a checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    torch.save(content, fresh)
    fresh.rename(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content


def log(folder: Path, text: str) -> None:
    """One line to the terminal and to log.txt, which others may follow."""
    line = f"{time.strftime('%H:%M:%S')} {text}"
    print(line, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
