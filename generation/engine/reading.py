"""One model being fetched and read on a thread of its own, and whether that still goes on."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from generation.engine.engine import ModelEngine
from generation.sentence import say

log = logging.getLogger(__name__)

Tell = Callable[[int, int], None]
"""Takes the bytes that were fetched, and how many there are in all; may be called from any thread."""
Finish = Callable[[], ModelEngine]
"""Makes the engine of a model that was read; on the thread that draws, since it may measure."""
Alive = Callable[[Callable[[], bool]], AbstractContextManager[None]]
"""What to enter while a model is read, so that it is seen to go on; it is given whether that is needless."""

_THREADS = "model"
"""How the names of threads begin that read a model, or its hash."""
_ALIVE_CPU_S = 0.02
"""Of the processor's time; who hangs takes less in minutes."""
_LOOK_S = 0.25


class Reading:
    """A model on its way. It begins at once, and cannot be ended: what hangs in the system hangs.

    A reading that is given up is left alone, tells nothing more, and drops what it read if it ever ends.
    """

    def __init__(
        self,
        source: str,
        read: Callable[[Tell], Finish],
        tell: Tell,
        alive: Alive = lambda is_needless: nullcontext(),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            source: of the model.
            alive: entered while it is read.
            now: seconds.
        """
        self.source = source
        self._read = read
        self._tell = tell
        self._alive = alive
        self._now = now
        self._outcome: Future[Finish] = Future()
        self._given_up = False
        self._moved_at = now()
        self._looked_at = now()
        self._used = _processor_time()
        # Not a pool's thread, which the interpreter would wait for when it ends.
        threading.Thread(target=self._run, name=_THREADS, daemon=True).start()

    @property
    def is_over(self) -> bool:
        return self._outcome.done()

    def result(self) -> Finish:
        """What was read; raises what went wrong."""
        return self._outcome.result()

    def wait(self, seconds: float) -> None:
        """Until it is over, but no longer."""
        with suppress(TimeoutError):
            self._outcome.exception(timeout=seconds)

    def still_for(self) -> float:
        """Seconds since it was seen to move: something was fetched, or it took time of the processor."""
        now = self._now()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at, used = now, _processor_time()
            if abs(used - self._used) > _ALIVE_CPU_S:  # less than before: a thread has ended
                self._moved_at, self._used = now, used
        return now - self._moved_at

    def give_up(self) -> None:
        """Want it no more."""
        self._given_up = True

    def _run(self) -> None:
        try:
            with self._alive(lambda: self._given_up):
                finish = self._read(self._note)
        except BaseException as error:  # noqa: BLE001 - the edge of a thread: raised again in result()
            self._outcome.set_exception(error)
            return
        if self._given_up:
            log.info(
                "%s was read after all, too late; it is read again when somebody asks for it", self.source
            )
            del finish
            self._outcome.set_exception(TimeoutError())
        else:
            self._outcome.set_result(finish)

    def _note(self, fetched: int, total: int) -> None:
        self._moved_at = self._now()
        if not self._given_up:
            self._tell(fetched, total)


def duration(seconds: float) -> str:
    """Of a wait, in words."""
    if seconds >= 120:
        return say("{minutes:.0f} minutes", minutes=seconds / 60)
    return say("{seconds:g} seconds", seconds=seconds)


def _processor_time() -> float:
    """Seconds of the processor that the threads have used which read models.

    Only Linux tells it of each thread. Elsewhere it is that of the whole process, so that one which hangs
    beside others' drawing passes for one that goes on.
    """
    if not hasattr(os, "sysconf") or not Path("/proc/self/task").is_dir():
        return time.process_time()
    ticks = 0
    for thread in threading.enumerate():
        if thread.name.startswith(_THREADS):
            with suppress(OSError):  # it has just ended
                stat = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
                user, system = stat.rpartition(")")[2].split()[11:13]
                ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")
