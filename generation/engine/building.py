"""One at a time: who makes modules without weights changes torch.nn.Module for all threads meanwhile.

diffusers (by way of accelerate) and PEFT do so. A module that another thread makes in that moment never gets
its weights, and of two who do it at once the second may put the first one's change back for good.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_lock = threading.RLock()
_since: float | None = None
"""When whoever holds the lock took it; None: nobody does."""


@contextmanager
def building(patience: float = -1) -> Iterator[None]:
    """In here no other thread makes modules of files.

    Args:
        patience: seconds to wait for those who do; -1: as long as it takes.

    Raises:
        TimeoutError: they took longer.
    """
    global _since
    if not _lock.acquire(timeout=patience):
        raise TimeoutError("other weights are being read")
    before, _since = _since, time.monotonic() if _since is None else _since
    try:
        yield
    finally:
        _since = before
        _lock.release()


def busy_for() -> float:
    """Seconds for which somebody has been making modules of files without a break; 0: nobody is."""
    since = _since
    return 0.0 if since is None else time.monotonic() - since


def is_free(patience: float = 0) -> bool:
    """Whether nobody makes modules of files now, or within so many seconds."""
    free = _lock.acquire(timeout=patience)
    if free:
        _lock.release()
    return free


def one_at_a_time(read: Callable[_P, _T]) -> Callable[_P, _T]:
    """What reads a file makes its modules while nobody else does."""

    @functools.wraps(read)
    def alone(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with building():
            return read(*args, **kwargs)

    return alone
