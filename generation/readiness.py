"""Which places can draw at the moment, what keeps the others from it, and which models are on their way."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from generation.backend import Backend
from generation.job import Loading
from generation.messages import Entered, Lost, NotLoaded, Phase, PutAway, Ready, Report, Stepped, Unavailable

log = logging.getLogger(__name__)


class Readiness:
    """What the backends have said about themselves, for those who wait."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = tuple(backends)
        self._ready: set[Backend] = set()
        """Those whose worker has its first model, and can draw something."""
        self._down: dict[Backend, str] = {}
        self._loading: dict[Backend, Loading] = {}
        self._loaded: dict[Backend, frozenset[str]] = {}

    def take_in(self, backend: Backend, report: Report) -> bool:
        """Note what a report says about where it comes from; whether anything is different now."""
        before = (self._ready.copy(), self._down.copy(), self._loading.copy())
        match report:
            case Entered(phase=Phase.STARTING) | Lost():
                self._ready.discard(backend)
                self._loading.pop(backend, None)
                self._loaded.pop(backend, None)
            case Entered(phase=Phase.LOADING):
                pass  # of what, it says itself
            case Entered() | Stepped():
                self._ready.add(backend)
                self._down.pop(backend, None)
            case Loading():
                self._loading[backend] = report
            case PutAway(model=model):
                self._loaded[backend] = self._loaded.get(backend, frozenset()) - {model}
            case Ready(model=model) | NotLoaded(model=model):
                if isinstance(report, Ready):
                    self._loaded[backend] = self._loaded.get(backend, frozenset()) | {model}
                if (on_its_way := self._loading.get(backend)) is not None and on_its_way.model == model:
                    del self._loading[backend]
            case Unavailable(reason=reason):
                log.error("a backend cannot draw: %s", reason)
                self._down[backend] = reason
            case _:
                return False
        return before != (self._ready, self._down, self._loading)

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be drawn until the owner mends it, or None."""
        if len(self._down) < len(self._backends):
            return None
        return next(iter(self._down.values()), None)

    @property
    def loaded(self) -> frozenset[str]:
        """The sources of all models that are in some memory now."""
        return frozenset().union(*self._loaded.values())

    @property
    def on_their_way(self) -> tuple[Loading, ...]:
        """The models that are being fetched or read."""
        return tuple(self._loading.values())

    def loading(self, model: str) -> Loading | None:
        """What a request for this model waits for, of the models that are on their way.

        Its own; or any, as long as no worker is ready to draw with anything.
        """
        if self._backends and not self._ready:
            return next(iter(self._loading.values()), Loading())
        return next((each for each in self._loading.values() if each.model == model), None)
