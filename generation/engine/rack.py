"""Several models in one worker: loaded when they are asked for, put away when their memory is needed."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import nullcontext

from generation.catalogue import ModelInfo, UnreadableModel
from generation.engine.beside import Besides
from generation.engine.engine import ModelEngine, OneOfSeveral
from generation.engine.giving import give_back
from generation.engine.modes import Modes, forget_frames, is_shortage
from generation.engine.reading import Alive, Finish, Reading, Tell, duration
from generation.engine.turns import Turns, evened
from generation.messages import (
    Entered,
    Loading,
    NotLoaded,
    Phase,
    PutAway,
    Ready,
    Report,
    Stopped,
    Task,
    TaskFailed,
    TaskId,
)
from generation.model import public
from generation.sentence import joined, say
from generation.shelf import Shelf

log = logging.getLogger(__name__)

ROOM = 64
LOOK_S = 0.2
"""While there is nothing to do but wait for a model, the loop looks up so often for what people take back.
More often would be taken for a sign of life of the reading itself."""
BROKEN_S = 60.0
"""So long a model that could not be read is refused at once, and nothing is put away for another try."""

_ENLARGING = ""
"""Whose turn it is when pictures are made larger; no model has that source."""

STILL_S = 540.0
"""So long a reading may stand still before it is given up."""

Read = Callable[[ModelInfo, Tell], Finish]
"""Fetches and reads a model, on any thread, and tells of it; raises UnreadableModel."""


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
        say: Callable[[Report], None],
        *,
        budget: int | None = None,
        weigh: Callable[[ModelInfo], int] = lambda model: 0,
        alive: Alive = lambda is_needless: nullcontext(),
        patience: float = STILL_S,
        now: Callable[[], float] = time.monotonic,
        enlarging: OneOfSeveral | None = None,
        besides: Besides | None = None,
    ) -> None:
        """
        Args:
            budget: bytes that the weights of all models here, and of `besides`, may need; None: no limit.
            weigh: tells before it is read about how many bytes a model needs.
            alive: entered while a model is read, to say that this still goes on. It is needless while others
                are drawn, whose steps are signs of life enough.
            patience: seconds that a reading may stand still before it is given up.
            now: seconds.
            enlarging: takes what is only made larger; None: there are no upscalers.

        Raises:
            UnreadableModel: the default model cannot be read, or there is not memory to draw with it.
        """
        self._shelf = shelf
        self._read = read
        self._say = say
        self._budget = budget
        self._weigh = weigh
        self._alive = alive
        self._patience = patience
        self._now = now
        self._enlarging = enlarging
        self._besides = besides or Besides()
        self._engines: OrderedDict[str, ModelEngine] = OrderedDict()
        """By the model's source, the most recently used last."""
        self._used: dict[str, float] = {}
        """When each of them was last given a task."""
        self._waiting: dict[str, deque[Task]] = {}
        self._owed: dict[str, int] = {}
        """How many tasks a model is yet to be given of those that it was read for: until then it stays."""
        self._loading: Reading | None = None
        self._stuck: dict[str, Reading] = {}
        """Readings that were given up. As long as one goes on, its model is not read a second time."""
        self._leaving: str | None = None
        """Takes in nothing more, since its memory is needed."""
        self._broken: dict[str, float] = {}
        """When a model could not be read."""
        self._modes = Modes()
        self._misjudged: set[str] = set()
        """Models of which something else was believed until their files had come."""
        self._is_drawing = False
        self._turns: Turns[str] = Turns()
        with alive(lambda: False):
            self._say(Loading(model=shelf.default.source))
            tell = functools.partial(self._tell, shelf.default.source)
            self._install(shelf.default.source, self._modes.begun(shelf.default, read, tell))

    @property
    def batch(self) -> int:
        return max((engine.batch for engine in self._engines.values()), default=1)

    @property
    def footprint(self) -> int:
        return sum(engine.footprint for engine in self._engines.values()) + self._besides.footprint

    @property
    def room(self) -> int:
        return ROOM - sum(map(len, self._waiting.values()))

    @property
    def busy(self) -> bool:
        return (
            bool(self._waiting)
            or self._loading is not None
            or (self._enlarging is not None and self._enlarging.busy)
            or any(engine.busy for engine in self._engines.values())
        )

    @property
    def loaded(self) -> tuple[str, ...]:
        """The sources of the models in memory, the most recently used last."""
        return tuple(self._engines)

    def admit(self, task: Task) -> None:
        if task.request.upscale is not None:
            if self._enlarging is None:
                name = task.request.upscale.upscaler
                gone = say("The upscaler {name} is not among the upscalers any more.", name=name)
                self._say(TaskFailed(task=task.id, reason=gone))
            else:
                self._enlarging.admit(task)
            return
        model = self._shelf.by_source(task.request.model)
        if model is None and self._shelf.several:
            reason = say(
                "This was to be drawn with {model}, which is not among the models any more.",
                model=public(task.request.model),
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
        if self._enlarging is not None and self._enlarging.cancel(task):
            return True
        return any(engine.cancel(task) for engine in self._engines.values())

    def watch(self, task: TaskId) -> None:
        for engine in self._engines.values():
            engine.watch(task)

    def tick(self) -> None:
        self._take_in_what_was_read()
        self._give_up_what_stands_still()
        self._load_what_is_waited_for()
        self._hand_out()
        self._shed()
        busy = {source: engine.work for source, engine in self._engines.items() if engine.busy}
        if self._enlarging is not None and self._enlarging.busy:
            busy[_ENLARGING] = self._enlarging.work
        self._is_drawing = bool(busy)
        if (source := self._turns.next(evened(busy))) == _ENLARGING and self._enlarging is not None:
            self._enlarging.tick()
        elif source is not None:
            self._engines[source].tick()
        elif self._loading is not None:
            self._loading.wait(LOOK_S)

    def close(self) -> None:
        if self._enlarging is not None:
            self._enlarging.close()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()

    def put_all_away(self) -> None:
        """Let go of all models while nothing is in hand; each is read again when somebody asks for it."""
        for source in list(self._engines):
            self._put_away(source)

    # Models come and go -------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        for source in list(self._waiting):
            engine, waiting = self._engines.get(source), self._waiting[source]
            while engine is not None and waiting and engine.room and source != self._leaving:
                self._engines.move_to_end(source)
                self._used[source] = self._now()
                self._owed[source] = max(0, self._owed[source] - 1)
                self._hand_to(engine, source, waiting.popleft())
            if not waiting:
                del self._waiting[source]

    def _hand_to(self, engine: ModelEngine, source: str, task: Task) -> None:
        if source in self._misjudged and (reason := engine.info.reject_reason(task.request)) is not None:
            self._say(TaskFailed(task=task.id, reason=joined(" ", (reason, _MISJUDGED))))
        else:
            engine.admit(task)

    def _load_what_is_waited_for(self) -> None:
        """Begin to read the model that was waited for longest, or to make room for it."""
        self._leaving = None
        wanted = [source for source in self._waiting if source not in self._engines]
        if self._loading is not None or not wanted:
            return
        source = wanted[0]
        model = self._shelf.by_source(source)
        assert model is not None, "only models of the shelf are waited for"
        if source in self._stuck:
            self._refuse(
                source,
                joined(
                    " ", (say("Reading the model {model} has been standing still.", model=model.name), _LATER)
                ),
            )
            return
        if self._now() - self._broken.get(source, -BROKEN_S) < BROKEN_S:
            self._refuse(source)
            return
        if not self._makes_room_for(self._weigh(model)):
            return
        # Should reading it end this process, these are what it was read for.
        for task in self._waiting[source]:
            self._say(Entered(phase=Phase.LOADING, task=task.id))
        self._say(Loading(model=source))

        self._loading = Reading(
            source,
            functools.partial(self._read, self._modes.of(model)),
            functools.partial(self._tell, source),
            lambda is_given_up: self._alive(lambda: is_given_up() or self._is_drawing),
            self._now,
        )

    def _tell(self, source: str, fetched: int, total: int) -> None:
        self._say(Loading(model=source, fetched=fetched, total=total))

    def _makes_room_for(self, weight: int) -> bool:
        """Whether there is room now; if not, the least recently used model is on its way out."""
        while self._budget is not None and self.footprint + weight > self._budget:
            oldest = next((source for source in self._engines if not self._must_stay(source)), None)
            if self._besides.put_one_away(before=self._used.get(oldest or "", math.inf)):
                continue
            if oldest is None:
                return not self._engines
            if self._engines[oldest].busy:
                self._leaving = oldest
                return False
            self._put_away(oldest)
        return True

    def _must_stay(self, source: str) -> bool:
        """Whether it was read for tasks that still wait for it; some may have been taken back."""
        return self._owed[source] > 0 and source in self._waiting

    def _shed(self) -> None:
        """More may be needed than files said: then others leave as soon as they have nothing to do."""
        for source in (*list(self._engines)[:-1], None):
            before = math.inf if source is None else self._used[source]
            while self._budget is not None and self.footprint > self._budget:
                if not self._besides.put_one_away(before=before):
                    break
            else:
                return
            if source is not None and not self._engines[source].busy and source not in self._waiting:
                self._put_away(source)

    def _take_in_what_was_read(self) -> None:
        if self._loading is None or not self._loading.is_over:
            return
        source, reading = self._loading.source, self._loading
        self._loading = None
        try:
            with self._alive(lambda: False):
                engine = reading.result()()
        except Exception as error:  # the edge: the others draw on
            model = self._shelf.by_source(source)
            if is_shortage(error):
                idle = next((s for s, e in self._engines.items() if not (e.busy or self._must_stay(s))), None)
                if idle is not None:
                    log.warning("%s", error)
                if idle is not None or (model is not None and self._modes.spares(model)):
                    forget_frames(error)
                    if idle is not None:
                        self._put_away(idle)
                    return  # and it is read again
            if isinstance(error, UnreadableModel):
                log.error("%s", error)
            else:
                log.error("could not begin to draw with %s", source, exc_info=error)
            forget_frames(error)
            self._broken[source] = self._now()
            self._say(NotLoaded(model=source))
            self._refuse(source)
            return
        self._broken.pop(source, None)
        self._install(source, engine)

    def _give_up_what_stands_still(self) -> None:
        self._stuck = {source: reading for source, reading in self._stuck.items() if not reading.is_over}
        if self._loading is None or self._loading.is_over or self._loading.still_for() < self._patience:
            return
        reading, self._loading = self._loading, None
        reading.give_up()
        self._stuck[reading.source] = reading
        lasted = duration(self._patience)
        log.error(
            "reading %s has stood still for %s; is its disk, or the way to Hugging Face, still there? "
            "Nobody waits for it any more. It is not read again before this reading ends or I am restarted.",
            reading.source,
            lasted,
        )
        self._say(NotLoaded(model=reading.source))
        model = self._shelf.by_source(reading.source)
        name = reading.source if model is None else model.name
        self._refuse(
            reading.source,
            joined(
                " ",
                (
                    say(
                        "Reading the model {model} stood still for {lasted}, so I gave it up.",
                        model=name,
                        lasted=lasted,
                    ),
                    _LATER,
                ),
            ),
        )

    def _install(self, source: str, engine: ModelEngine) -> None:
        self._engines[source], self._used[source] = engine, self._now()
        self._owed[source] = len(self._waiting.get(source, ()))
        known = self._shelf.by_source(source)
        if known is not None and _takes(known) != _takes(engine.info):
            self._misjudged.add(source)
        self._say(Ready(model=source, images=engine.batch, info=engine.info))

    def _refuse(self, source: str, reason: str | None = None) -> None:
        model = self._shelf.by_source(source)
        name = source if model is None else model.name
        for task in self._waiting.pop(source, ()):
            because = reason or say(
                "The model {model} cannot be used at the moment; the owner's log says why.", model=name
            )
            self._say(TaskFailed(task=task.id, reason=because))

    def _put_away(self, source: str) -> None:
        log.info("putting %s away: its memory is needed", source)
        self._engines.pop(source).close()
        del self._owed[source], self._used[source]
        give_back()
        self._say(PutAway(model=source))


_LATER = say("Other models draw; try this one again later. The owner's log says more.")
_MISJUDGED = say(
    "Until it was fetched I knew this model only by its name; with /imagine it can be asked for anew."
)


def _takes(info: ModelInfo) -> tuple[object, ...]:
    """What decides which requests a model draws."""
    return (info.family, info.multiple, info.min_edge, info.max_edge, info.samplers)
