"""Several models in one worker: loaded when they are asked for, put away when their memory is needed."""

from __future__ import annotations

import gc
import logging
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from generation.catalogue import ModelInfo, UnreadableModel
from generation.engine.engine import Engine, Say
from generation.engine.turns import Turns
from generation.messages import Stopped, Task, TaskFailed, TaskId
from generation.shelf import Shelf

log = logging.getLogger(__name__)

ROOM = 64
LOOK_S = 0.02
"""While there is nothing to do but wait for a model, the loop looks up so often for what people take back."""

Finish = Callable[[], Engine]
"""Makes the engine of a model that was read; on the thread that draws, since it may measure."""
Read = Callable[[ModelInfo], Finish]
"""Reads a model, on any thread; raises UnreadableModel."""


@dataclass(slots=True)
class _Loading:
    source: str
    finish: Future[Finish]


class Rack:
    """See :class:`generation.engine.engine.Engine`: hands each task to the engine of its model.

    The default model is loaded at once. Others are read beside the drawing: what is in flight goes on.
    When their weights together need more than the budget, the one that was used least recently leaves; if all
    are drawing, its turn to leave comes when it has drawn what it has begun.
    """

    def __init__(
        self,
        shelf: Shelf,
        read: Read,
        say: Say,
        *,
        budget: int | None = None,
        weigh: Callable[[ModelInfo], int] = lambda model: 0,
        alive: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """
        Args:
            budget: bytes that the weights of all loaded models may need; None: no limit.
            weigh: tells before it is read about how many bytes a model needs.
            alive: entered while a model is read, to say that this still goes on.

        Raises:
            UnreadableModel: the default model cannot be read.
        """
        self._shelf = shelf
        self._read = read
        self._say = say
        self._budget = budget
        self._weigh = weigh
        self._alive = alive
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        """By the model's source, the most recently used last."""
        self._waiting: dict[str, deque[Task]] = {}
        self._loading: _Loading | None = None
        self._leaving: str | None = None
        """Takes in nothing more, since its memory is needed."""
        self._turns: Turns[str] = Turns()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="model")
        with alive():
            self._engines[shelf.default.source] = read(shelf.default)()

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
        self._hand_out()
        busy = {source: 1.0 for source, engine in self._engines.items() if engine.busy}
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
            engine = self._engines.get(source)
            if engine is None:
                self._load(source)
                continue
            waiting = self._waiting[source]
            while waiting and engine.room and source != self._leaving:
                self._engines.move_to_end(source)
                engine.admit(waiting.popleft())
            if not waiting:
                del self._waiting[source]

    def _load(self, source: str) -> None:
        """Begin to read a model, or to make room for it."""
        if self._loading is not None:
            return
        model = self._shelf.by_source(source)
        assert model is not None, "only models of the shelf are waited for"
        if not self._makes_room_for(self._weigh(model)):
            return
        self._leaving = None

        def read() -> Finish:
            with self._alive():
                return self._read(model)

        self._loading = _Loading(source, self._reader.submit(read))

    def _makes_room_for(self, weight: int) -> bool:
        """Whether there is room now; if not, the least recently used model is on its way out."""
        while self._budget is not None and self._engines and self.footprint + weight > self._budget:
            oldest = next(iter(self._engines))
            if self._engines[oldest].busy:
                self._leaving = oldest
                return False
            self._put_away(oldest)
        return True

    def _take_in_what_was_read(self) -> None:
        if self._loading is None or not self._loading.finish.done():
            return
        source, finish = self._loading.source, self._loading.finish
        self._loading = None
        try:
            engine = finish.result()()
        except UnreadableModel as error:
            log.error("%s", error)
            for task in self._waiting.pop(source, ()):
                name = model.name if (model := self._shelf.by_source(source)) else source
                reason = f"The model {name} cannot be used at the moment; the owner's log says why."
                self._say(TaskFailed(task=task.id, reason=reason))
            return
        self._engines[source] = engine
        # It may need more than its files said.
        for other in list(self._engines)[:-1]:
            if self._budget is None or self.footprint <= self._budget:
                break
            if not self._engines[other].busy:
                self._put_away(other)

    def _put_away(self, source: str) -> None:
        log.info("putting %s away: its memory is needed", source)
        self._engines.pop(source).close()
        if self._leaving == source:
            self._leaving = None
        gc.collect()


def _wait(reading: Future[Finish]) -> None:
    with suppress(TimeoutError):
        reading.exception(timeout=LOOK_S)


def weight_on_disk(model: ModelInfo) -> int:
    """About how many bytes a model's weights need, from its files; 0 for one that must be fetched first."""
    path = Path(model.source).expanduser()
    if path.is_file():
        return path.stat().st_size
    files = [file for file in path.glob("*/*.safetensors") if not file.name.endswith(".fp16.safetensors")]
    return sum(file.stat().st_size for file in files or path.glob("*/*.safetensors"))
