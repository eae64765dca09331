"""From the CPU onto the device, without waiting for what the device still has to do."""

from __future__ import annotations

import torch


def to_device(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    """A tensor of the CPU's on `device`.

    From ordinary memory CUDA copies only when all it was told before is done, and the host waits for that.
    From pinned memory it copies when the copy's turn comes; torch keeps the pinned copy until then. Whatever
    is told afterwards comes after it, so nobody sees it half done.

    Args:
        dtype: of what is on the device; None: the tensor's own.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device=device, dtype=dtype)
    return tensor.to(dtype=dtype).pin_memory().to(device, non_blocking=True)
