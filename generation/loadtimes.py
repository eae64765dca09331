"""How long models take to come into memory, from how long it took here before. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable

from generation.estimating import Experience, Lesson, Wait
from generation.messages import Entered, Loading, Lost, NotLoaded, Phase, PutAway, Ready, Report


def kind_of_reading(model: str) -> str:
    """What lessons about it are called, among those about pictures."""
    return f"reading {model}"


def lesson_of_reading(model: str, seconds: float) -> Lesson:
    return Lesson(kind=kind_of_reading(model), pixels=1, steps=1, work=1.0, seconds=seconds, together=1.0)


class LoadTimes:
    """Overhears what one machine says of its models, and learns from it."""

    def __init__(
        self,
        experience: Experience,
        learned: Callable[[Lesson], None] = lambda lesson: None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            learned: is called with whatever is learned.
            now: seconds on a clock that never goes back.
        """
        self._experience = experience
        self._learned = learned
        self._now = now
        self._loaded: set[str] = set()
        self._reading: dict[str, float] = {}
        """Since when; what is only being fetched is not among them."""
        self._fetching: set[str] = set()

    def hear(self, report: Report) -> None:
        """Take in a report of the backend's."""
        match report:
            case Loading(model=str(model), total=total):
                if total:
                    self._reading.pop(model, None)
                    self._fetching.add(model)
                else:
                    self._fetching.discard(model)
                    self._reading.setdefault(model, self._now())
            case Ready(model=model):
                self._loaded.add(model)
                self._fetching.discard(model)
                if (since := self._reading.pop(model, None)) is not None:
                    lesson = lesson_of_reading(model, self._now() - since)
                    self._experience.add(lesson)
                    self._learned(lesson)
            case NotLoaded(model=model) | PutAway(model=model):
                self._loaded.discard(model)
                self._fetching.discard(model)
                self._reading.pop(model, None)
            case Entered(phase=Phase.STARTING) | Lost():
                self._loaded.clear()
                self._fetching.clear()
                self._reading.clear()
            case _:
                pass

    def wait(self, model: str) -> Wait | None:
        """How long this model is read until it can draw; None: nobody knows, since it never was here."""
        if model in self._loaded:
            return 0.0, False
        usual = None if model in self._fetching else self._experience.usual(kind_of_reading(model))
        if usual is None:
            return None
        since = self._reading.get(model)
        return (usual, False) if since is None else (max(0.0, usual - (self._now() - since)), True)
