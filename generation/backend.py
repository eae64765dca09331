"""The wall: a backend is a place where pictures are drawn, and says what happens there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Protocol, Self

from generation.messages import Report, Task, TaskId


class Backend(Protocol):
    """Where pictures are drawn. The engine behind it says how.

    Opened with `async with`. It replaces a dead or hung worker by itself and reports the loss.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def reject_reason(self, task: Task) -> str | None:
        """Why this task cannot be taken now, or None when there is room for it."""
        ...

    async def submit(self, task: Task) -> None:
        """Take a task for which `reject_reason` is None. Exactly one outcome is reported for it."""
        ...

    async def cancel(self, task: TaskId) -> None:
        """Ask for a task to stop; unknown or ended tasks are ignored."""
        ...

    def watch(self, task: TaskId) -> None:
        """Ask for a look at a task while it is being drawn; it may come as Previewed, or not."""
        ...

    def free(self) -> None:
        """Ask for the memory of the models as soon as nothing is in hand; they come back when needed."""
        ...

    def reports(self) -> AsyncIterator[Report]:
        """What happens, in order, until the backend closes. One reader."""
        ...
