"""How far the loop may run ahead of a GPU, which does what it is told later."""

from __future__ import annotations

from collections import deque
from typing import Any

import torch

AHEAD = 2
"""Calls that may be queued on a GPU before the loop waits for the oldest: else steps are told that have not
happened, and a cancelled image goes on."""


def finish(device: torch.device) -> None:
    """Wait until a GPU has done all that it was told; it is told far ahead."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class Pace:
    """Called after each call of a UNet; waits on a GPU until no more than AHEAD of them are queued."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._queued: deque[Any] = deque()

    def __call__(self) -> None:
        if self._device.type != "cuda":
            return
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        self._queued.append(event)
        if len(self._queued) > AHEAD:
            self._queued.popleft().synchronize()
