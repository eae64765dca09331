"""Who goes next: kinds of batches take turns by work, images of one kind by when they would be done alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Turns(Generic[Key]):
    """Deficit round robin (Shreedhar and Varghese 1995): over time each key gets the same share of the work.

    A key that has little to do per call gets more calls; none waits for more than one round of the others.
    """

    def __init__(self) -> None:
        self._credit: dict[Key, float] = {}
        self._served: Key | None = None

    def next(self, costs: Mapping[Key, float]) -> Key | None:
        """The key to serve now, paid for with its credit.

        Args:
            costs: what one call costs for each key that has something to do, in any unit, above 0.
        """
        # Who has nothing to do saves nothing up, else it could keep the others waiting when it comes back.
        for key in self._credit.keys() - costs.keys():
            del self._credit[key]
        for key in costs:
            self._credit.setdefault(key, 0.0)
        if not costs:
            return None
        quantum = max(costs.values())
        order = list(self._credit)
        at = order.index(self._served) if self._served in self._credit else -1
        chosen = self._served if at >= 0 and self._credit[order[at]] >= costs[order[at]] else None
        if chosen is None:
            chosen = order[(at + 1) % len(order)]
            self._credit[chosen] += quantum
        self._credit[chosen] -= costs[chosen]
        self._served = chosen
        return chosen
