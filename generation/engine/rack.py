"""Several models in one worker: loaded when they are asked for, put away when their memory is needed."""

from __future__ import annotations

import gc
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from generation.catalogue import ModelInfo, UnreadableModel
from generation.engine.engine import Engine
from generation.engine.turns import Turns
from generation.messages import Entered, Phase, Ready, Stopped, Task, TaskFailed, TaskId, WorkerReport
from generation.modelfiles import hub_snapshot
from generation.shelf import Shelf

log = logging.getLogger(__name__)

ROOM = 64
LOOK_S = 0.2
"""While there is nothing to do but wait for a model, the loop looks up so often for what people take back.
More often would be taken for a sign of life of the reading itself."""
BROKEN_S = 60.0
"""So long a model that could not be read is refused at once, and nothing is put away for another try."""

Finish = Callable[[], Engine]
"""Makes the engine of a model that was read; on the thread that draws, since it may measure."""
Read = Callable[[ModelInfo], Finish]
"""Reads a model, on any thread; raises UnreadableModel."""
Alive = Callable[[Callable[[], bool]], AbstractContextManager[None]]
"""What to enter while a model is read; it is given whether something is drawn meanwhile."""


@dataclass(slots=True)
class _Loading:
    source: str
    finish: Future[Finish]


class Rack:
    """See :class:`generation.engine.engine.Engine`: hands each task to the engine of its model.

    The default model is loaded at once. Others are read beside the drawing: what is in flight goes on. When
    their weights together need more than the budget, the one that was used least recently leaves; if it is
    drawing, when it has drawn what it has begun. One that was just read stays until it got what it came for.
    """

    def __init__(
        self,
        shelf: Shelf,
        read: Read,
        say: Callable[[WorkerReport], None],
        *,
        budget: int | None = None,
        weigh: Callable[[ModelInfo], int] = lambda model: 0,
        alive: Alive = lambda is_drawing: nullcontext(),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            budget: bytes that the weights of all loaded models may need; None: no limit.
            weigh: tells before it is read about how many bytes a model needs.
            alive: entered while a model is read, to say that this still goes on unless something is drawn.
            now: seconds.

        Raises:
            UnreadableModel: the default model cannot be read.
        """
        self._shelf = shelf
        self._read = read
        self._say = say
        self._budget = budget
        self._weigh = weigh
        self._alive = alive
        self._now = now
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        """By the model's source, the most recently used last."""
        self._waiting: dict[str, deque[Task]] = {}
        self._owed: dict[str, int] = {}
        """How many tasks a model is yet to be given of those that it was read for: until then it stays."""
        self._loading: _Loading | None = None
        self._leaving: str | None = None
        """Takes in nothing more, since its memory is needed."""
        self._broken: dict[str, float] = {}
        """When a model could not be read."""
        self._is_drawing = False
        self._turns: Turns[str] = Turns()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="model")
        with alive(lambda: False):
            self._install(shelf.default.source, read(shelf.default)())

    @property
    def batch(self) -> int:
        return max(engine.batch for engine in self._engines.values())

    @property
    def footprint(self) -> int:
        return sum(engine.footprint for engine in self._engines.values())

    @property
    def room(self) -> int:
        return ROOM - sum(map(len, self._waiting.values()))

    @property
    def busy(self) -> bool:
        return (
            bool(self._waiting)
            or self._loading is not None
            or any(engine.busy for engine in self._engines.values())
        )

    @property
    def loaded(self) -> tuple[str, ...]:
        """The sources of the models in memory, the most recently used last."""
        return tuple(self._engines)

    def admit(self, task: Task) -> None:
        model = self._shelf.by_source(task.request.model)
        if model is None and self._shelf.several:
            reason = (
                f"This was to be drawn with {task.request.model}, which is not among the models any more."
            )
            self._say(TaskFailed(task=task.id, reason=reason))
            return
        # The only model says itself what it is not for.
        self._waiting.setdefault((model or self._shelf.default).source, deque()).append(task)

    def cancel(self, task: TaskId) -> bool:
        for source, waiting in self._waiting.items():
            for one in waiting:
                if one.id == task:
                    waiting.remove(one)
                    if not waiting:
                        del self._waiting[source]
                    self._say(Stopped(task=task))
                    return True
        return any(engine.cancel(task) for engine in self._engines.values())

    def watch(self, task: TaskId) -> None:
        for engine in self._engines.values():
            engine.watch(task)

    def tick(self) -> None:
        self._take_in_what_was_read()
        self._load_what_is_waited_for()
        self._hand_out()
        self._shed()
        busy = {source: 1.0 for source, engine in self._engines.items() if engine.busy}
        self._is_drawing = bool(busy)
        if (source := self._turns.next(busy)) is not None:
            self._engines[source].tick()
        elif self._loading is not None:
            _wait(self._loading.finish)

    def close(self) -> None:
        self._reader.shutdown()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    # Models come and go -------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        for source in list(self._waiting):
            engine, waiting = self._engines.get(source), self._waiting[source]
            while engine is not None and waiting and engine.room and source != self._leaving:
                self._engines.move_to_end(source)
                self._owed[source] = max(0, self._owed[source] - 1)
                engine.admit(waiting.popleft())
            if not waiting:
                del self._waiting[source]

    def _load_what_is_waited_for(self) -> None:
        """Begin to read the model that was waited for longest, or to make room for it."""
        self._leaving = None
        wanted = [source for source in self._waiting if source not in self._engines]
        if self._loading is not None or not wanted:
            return
        source = wanted[0]
        model = self._shelf.by_source(source)
        assert model is not None, "only models of the shelf are waited for"
        if self._now() - self._broken.get(source, -BROKEN_S) < BROKEN_S:
            self._refuse(source)
            return
        if not self._makes_room_for(self._weigh(model)):
            return
        # Should reading it end this process, these are what it was read for.
        for task in self._waiting[source]:
            self._say(Entered(phase=Phase.LOADING, task=task.id))

        def read() -> Finish:
            with self._alive(lambda: self._is_drawing):
                return self._read(model)

        self._loading = _Loading(source, self._reader.submit(read))

    def _makes_room_for(self, weight: int) -> bool:
        """Whether there is room now; if not, the least recently used model is on its way out."""
        while self._budget is not None and self._engines and self.footprint + weight > self._budget:
            may_go = [source for source in self._engines if not self._must_stay(source)]
            if not may_go:
                return False
            if self._engines[may_go[0]].busy:
                self._leaving = may_go[0]
                return False
            self._put_away(may_go[0])
        return True

    def _must_stay(self, source: str) -> bool:
        """Whether it was read for tasks that still wait for it; some may have been taken back."""
        return self._owed[source] > 0 and source in self._waiting

    def _shed(self) -> None:
        """A model may need more than its files said: then others leave as soon as they have nothing to do."""
        for source in list(self._engines)[:-1]:
            if self._budget is None or self.footprint <= self._budget:
                return
            if not self._engines[source].busy and source not in self._waiting:
                self._put_away(source)

    def _take_in_what_was_read(self) -> None:
        if self._loading is None or not self._loading.finish.done():
            return
        source, finish = self._loading.source, self._loading.finish
        self._loading = None
        try:
            with self._alive(lambda: False):
                engine = finish.result()()
        except Exception as error:  # the edge: the others draw on
            idle = next((s for s, e in self._engines.items() if not e.busy and not self._must_stay(s)), None)
            if idle is not None and _is_shortage(error):
                log.warning("%s", error)
                self._put_away(idle)  # and it is read again
                return
            if isinstance(error, UnreadableModel):
                log.error("%s", error)
            else:
                log.error("could not begin to draw with %s", source, exc_info=error)
            error.__traceback__ = None
            self._broken[source] = self._now()
            self._refuse(source)
            return
        self._broken.pop(source, None)
        self._install(source, engine)

    def _install(self, source: str, engine: Engine) -> None:
        self._engines[source] = engine
        self._owed[source] = len(self._waiting.get(source, ()))
        self._say(Ready(model=source, images=engine.batch))

    def _refuse(self, source: str) -> None:
        model = self._shelf.by_source(source)
        name = source if model is None else model.name
        for task in self._waiting.pop(source, ()):
            reason = f"The model {name} cannot be used at the moment; the owner's log says why."
            self._say(TaskFailed(task=task.id, reason=reason))

    def _put_away(self, source: str) -> None:
        log.info("putting %s away: its memory is needed", source)
        self._engines.pop(source).close()
        del self._owed[source]
        gc.collect()


def _is_shortage(error: BaseException | None) -> bool:
    """Whether memory ran out, here or in what this was raised from; without importing torch."""
    while error is not None:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return True
        error = error.__cause__
    return False


def _wait(reading: Future[Finish]) -> None:
    with suppress(TimeoutError):
        reading.exception(timeout=LOOK_S)


def weight_on_disk(model: ModelInfo) -> int:
    """About how many bytes a model's weights need, from its files; 0 for one that must be fetched first."""
    path = hub_snapshot(model.source) or Path(model.source).expanduser()
    if path.is_file():
        return path.stat().st_size
    files = [file for file in path.glob("*/*.safetensors") if not file.name.endswith(".fp16.safetensors")]
    return sum(file.stat().st_size for file in files or path.glob("*/*.safetensors"))
