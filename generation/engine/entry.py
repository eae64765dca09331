"""A task in hand, and the kind of call that it waits for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from generation.engine.batch import BatchKey, Image
from generation.engine.compiling import Shape
from generation.messages import Task


@dataclass(slots=True, eq=False)
class Entry:
    """A task in hand; its image is prepared when its first call comes."""

    task: Task
    admitted_as: BatchKey
    due: int
    """The tick at which it would be done if it came first: who needs little overtakes who needs much, and
    whoever waits is overtaken less and less, so that nobody starves."""
    image: Image | None = None
    first_pass: Image | None = None
    """The image when it was done in a smaller size; `image` is then the larger one."""
    compiled: bool = False
    """The compiled twin is to make its calls."""

    @property
    def key(self) -> BatchKey:
        """What it is now; with its next call it may become another."""
        is_refining = self.image is not None and self.image.refining
        if not is_refining and not self.compiled:
            return self.admitted_as
        return replace(self.admitted_as, refining=is_refining, compiled=self.compiled and not is_refining)

    @property
    def shape(self) -> Shape:
        """What the twin must be ready for."""
        return self.admitted_as.height, self.admitted_as.width, self.admitted_as.chunks
