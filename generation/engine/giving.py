"""Gives memory that nothing uses any more back to the system and the device."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys


def give_back() -> None:
    """Collect what is unreachable, and let go of what allocators keep for later.

    Takes up to a second. What torch itself and a CUDA context need stays.
    """
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None:
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        elif torch.backends.mps.is_available():
            torch.mps.empty_cache()
    if sys.platform == "linux":  # glibc keeps freed memory in its arenas; other libraries have no such call
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
