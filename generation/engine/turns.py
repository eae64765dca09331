"""Who goes next: kinds of batches take turns by work, images of one kind by when they would be done alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

MOST_TURNS = 16
"""A call takes some time however little there is to compute."""


class Turns(Generic[Key]):
    """Deficit round robin (Shreedhar and Varghese 1995): over time each key gets the same share of the work.

    A key that has little to do per call gets more calls; none waits for more than one round of the others.
    """

    def __init__(self) -> None:
        self._credit: dict[Key, float] = {}
        self._served: Key | None = None
        self.paid = 0.0
        """What the call cost that was last granted; 0: none was."""

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
        self.paid = 0.0
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
        self._served, self.paid = chosen, costs[chosen]
        return chosen


def evened(costs: Mapping[Key, float]) -> dict[Key, float]:
    """Costs that are only roughly known, so that none gets more than MOST_TURNS calls for one of another.

    What costs 0 does something that nobody has estimated, and is taken for as much as the most.
    """
    most = max(costs.values(), default=0.0) or 1.0
    return {key: max(cost, most / MOST_TURNS) if cost else most for key, cost in costs.items()}
