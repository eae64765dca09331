"""Which picture is handed to which backend next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from generation.backend import Backend
from generation.live import Flight, Part, part_of
from generation.messages import Task, TaskId


def next_fit(
    parts: Iterable[Part],
    task_of: Callable[[Part], Task | None],
    backends: Sequence[Backend],
    *,
    flights: Mapping[TaskId, Flight],
    suspects: Collection[Part],
) -> tuple[Part, Task, Backend] | None:
    """The first part in this order for which a backend gives no reason to refuse.

    Args:
        parts: in fair order.
        task_of: the next try at a part; None: it is held back.
        flights: what the backends have in hand.
        suspects: parts during which a worker was lost; each is drawn alone.
    """
    holds: dict[Backend, list[Part]] = {backend: [] for backend in backends}
    for task_id, flight in flights.items():
        holds[flight.backend].append(part_of(task_id))
    open_ = {b for b, held in holds.items() if not any(part in suspects for part in held)}
    for part in parts:
        if not open_:
            break
        if (task := task_of(part)) is None:
            continue
        for backend in backends:
            if backend not in open_:
                continue
            if part in suspects and holds[backend]:
                open_.discard(backend)  # let it run empty, so that the suspect is drawn there alone
            elif backend.reject_reason(task) is None:
                return part, task, backend
    return None
