"""A rack with three models of noise, for the tests of racks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from generation.catalogue import MemoryMode, ModelInfo, describe
from generation.engine.engine import ModelEngine
from generation.engine.noise import NoiseEngine
from generation.engine.rack import Rack
from generation.engine.reading import Finish, Tell
from generation.messages import (
    Drawn,
    Report,
    Task,
)
from generation.metadata import read
from generation.shelf import Shelf
from tests.generation.toys import a_request, a_task

NAMES = ("one", "two", "three")
PATIENCE = 500.0


class Heavy(NoiseEngine):
    """A noise engine that weighs a hundred bytes, says how hard it works, and when it goes."""

    def __init__(
        self, info: ModelInfo, say: Callable[[Report], None], gone: list[str], work: float = 0.0
    ) -> None:
        super().__init__(info, say)
        self._gone = gone
        self._work = work

    @property
    def work(self) -> float:
        return self._work

    @property
    def footprint(self) -> int:
        return 100

    def close(self) -> None:
        assert not self.busy
        self._gone.append(self._info.name)


class Racked:
    """A rack with three noise models, what it said, and which models it read and put away."""

    def __init__(
        self,
        budget: int | None = None,
        hold: threading.Event | None = None,
        works: dict[str, float] | None = None,
    ) -> None:
        self.hold = hold
        self.needless: list[Callable[[], bool]] = []
        """Of each model that was read, whether there is no need to show that this goes on."""
        models = tuple(describe(f"fake:{name}") for name in NAMES)
        self.said: list[Report] = []
        self.was_read: list[str] = []
        self.gone: list[str] = []

        def read_model(info: ModelInfo, tell: Tell) -> Finish:
            self.was_read.append(info.name)
            if (total := self.fetches.get(info.name)) is not None:
                tell(total // 2, total)
                tell(0, 0)
            if self.hold is not None and len(self.was_read) > 1:
                assert self.hold.wait(20)
            if (error := self.unreadable.get(info.name)) is not None:
                raise error

            def finish() -> ModelEngine:
                self.modes.append(info.memory)
                if info.memory in self.too_large.get(info.name, ()):
                    raise MemoryError
                if (error := self.unfinishable.pop(info.name, None)) is not None:
                    raise error
                return Heavy(
                    self.found.get(info.name, info),
                    self.said.append,
                    self.gone,
                    self.works.get(info.name, 0.0),
                )

            return finish

        self.fetches: dict[str, int] = {}
        """Bytes of models that must be fetched."""
        self.found: dict[str, ModelInfo] = {}
        """What models turn out to be that were believed to be something else."""
        self.unreadable: dict[str, Exception] = {}
        self.unfinishable: dict[str, Exception] = {}
        self.too_large: dict[str, tuple[MemoryMode, ...]] = {}
        """The memory modes in which models do not fit."""
        self.modes: list[MemoryMode] = []
        """In which models were begun."""
        self.works = works or {}
        """Of models whose engines say how hard a tick is."""
        self.time = 0.0
        shelf = Shelf(models=models, default=models[0])
        self.rack = Rack(
            shelf,
            read_model,
            self.said.append,
            budget=budget,
            weigh=lambda model: 100,
            now=lambda: self.time,
            patience=PATIENCE,
            alive=self.note,
        )

    def note(self, is_needless: Callable[[], bool]) -> AbstractContextManager[None]:
        self.needless.append(is_needless)
        return nullcontext()

    def task(self, name: str, job: str, steps: int = 3) -> Task:
        return a_task(a_request(f"fake:{name}", steps=steps), job=job)

    def finish(self) -> None:
        until = time.monotonic() + 100
        while self.rack.busy:
            assert time.monotonic() < until
            self.rack.tick()

    def drawn_with(self) -> dict[str, str | None]:
        return {r.task.job: read(r.png).model for r in self.said if isinstance(r, Drawn)}
