"""Signs of life of something long: fetching or reading a model."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from generation.messages import Entered, Phase, Report

_BEAT_S = 5.0
_ALIVE_CPU_S = 0.02
"""Of processor time between two beats; waiting for nothing takes less."""


@contextlib.contextmanager
def heartbeat(say: Callable[[Report], None], *, unless: Callable[[], bool]) -> Iterator[None]:
    """While something long runs, say that it still does, as long as it uses the processor.

    Not while `unless` holds.

    Fetching and reading a model may take an hour; standing still for minutes is a hang.
    """
    stop = threading.Event()

    def beat() -> None:
        used = time.process_time()
        while not stop.wait(_BEAT_S):
            now = time.process_time()
            if now - used > _ALIVE_CPU_S and not unless():
                say(Entered(phase=Phase.LOADING))
            used = now

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
