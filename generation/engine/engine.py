"""The wall between the worker's loop and whatever draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from generation.catalogue import ModelInfo
from generation.messages import Report, Task, TaskId

Say = Callable[[Report], None]
"""How an engine tells what happens, at once and, for each task, in order; from any thread."""


class Engine(Protocol):
    """Draws the tasks it admitted, a step of all of them at a time. Not thread-safe.

    Exactly one of Drawn, TaskFailed and Stopped is said for each task that was admitted.
    """

    @property
    def batch(self) -> int:
        """How many images it draws at once."""
        ...

    @property
    def footprint(self) -> int:
        """Bytes that its model's weights need."""
        ...

    @property
    def room(self) -> int:
        """How many more tasks it would admit now."""
        ...

    @property
    def busy(self) -> bool:
        """Whether `tick` has anything to do."""
        ...

    def admit(self, task: Task) -> None:
        """Take a task in; it joins at the next tick."""
        ...

    def cancel(self, task: TaskId) -> bool:
        """Drop a task at once and say Stopped; False if it is not in hand."""
        ...

    def watch(self, task: TaskId) -> None:
        """Show this task once, after its next step, if it is being drawn and can be shown."""
        ...

    def close(self) -> None:
        """Let go of the model and its memory; nothing is in hand."""
        ...

    def tick(self) -> None:
        """Advance images in hand by one call of the model, and finish what is done."""
        ...


class OneOfSeveral(Engine, Protocol):
    """An engine that takes turns with others."""

    @property
    def work(self) -> float:
        """About what its last tick asked of the device: bytes of weights times places of latents that they
        were applied to. 0: something else, if anything.
        """
        ...


class ModelEngine(OneOfSeveral, Protocol):
    """An engine with one model."""

    @property
    def info(self) -> ModelInfo:
        """What its model is, as its files say."""
        ...
