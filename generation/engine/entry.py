"""A task in hand, and the kind of call that it waits for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from PIL.Image import Image as Picture

from generation.engine.batch import BatchKey, Image
from generation.engine.compiling import Shape
from generation.engine.memory import is_out_of_memory
from generation.engine.tiles import Enlargement
from generation.engine.upscalers import Upscaler
from generation.loras import Lora
from generation.messages import Task
from generation.request import Enlarger, GenerationRequest


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
    upscaler: Future[Upscaler] | None = None
    """What is to make it larger between the two passes, while it is read and works. Pictures of another model
    may want another one meanwhile, and of those that nobody holds only the last stays."""
    growth: Enlargement | None = None
    """Between the two passes, while an upscaler makes it larger, and what came of that."""
    larger: Picture | None = None
    compiled: bool = False
    """The compiled twin is to make its calls."""
    waits: bool = False
    """It cannot be drawn just now."""
    alone: bool = False
    """There was not memory to prepare it beside others: it begins next, and when nobody else is drawn."""

    @property
    def is_growing(self) -> bool:
        """Whether an upscaler is to make it larger before it can be drawn on."""
        hires = self.task.request.hires
        between = self.first_pass is not None and self.image is None and self.larger is None
        return between and hires is not None and hires.enlarger is Enlarger.UPSCALER

    def begin(self, image: Image) -> None:
        """It is prepared."""
        self.image, self.alone = image, False
        self.admitted_as = replace(self.admitted_as, chunks=image.chunks)

    def is_set_aside(self, error: Exception, entries: Sequence[Entry], undecoded: Collection[Image]) -> bool:
        """After `error`, for which it was not prepared: whether that is tried again when it is alone."""
        self.alone = is_out_of_memory(error) and self._is_beside_others(entries, undecoded)
        return self.alone

    def is_held(self, entries: Sequence[Entry], undecoded: Collection[Image]) -> bool:
        """Whether it may not begin yet: somebody is to begin alone, if only itself."""
        first = next((entry for entry in entries if entry.alone), None)
        if self.image is not None or first is None:
            return False
        return first is not self or self._is_beside_others(entries, undecoded)

    def _is_beside_others(self, entries: Sequence[Entry], undecoded: Collection[Image]) -> bool:
        return bool(undecoded) or any(other.image is not None for other in entries if other is not self)

    @property
    def key(self) -> BatchKey:
        """What it is now; with its next call it may become another."""
        is_refining = self.image is not None and self.image.refining
        request = self.task.request
        if not (is_refining or self.compiled or request.controls or request.look):
            return self.admitted_as
        return replace(
            self.admitted_as,
            refining=is_refining,
            compiled=self.compiled and not is_refining,
            loras=() if is_refining else self.admitted_as.loras,
            controls=self._controls,
            look=request.look is not None and not is_refining,
        )

    @property
    def _controls(self) -> tuple[str, ...]:
        """The ControlNets of its next call; before it is prepared, those of all its calls are near enough."""
        if self.image is None:
            return tuple(control.model for control in self.task.request.controls)
        return tuple(each.control.model for each in self.image.steered)

    @property
    def shape(self) -> Shape:
        """What the twin must be ready for."""
        return self.admitted_as.height, self.admitted_as.width, self.admitted_as.chunks


def drawn(entries: Iterable[Entry], *, or_ready: bool = False) -> list[GenerationRequest]:
    """What is in flight, and, if so said, what may be with its next turn."""
    flying = [e for e in entries if e.image or e.first_pass or (or_ready and not e.waits)]
    return [entry.task.request for entry in flying]


def loras_of(entries: Iterable[Entry], *, begun: bool = False) -> set[Lora]:
    """Of all of these, or, if so said, of those that have begun."""
    counted = (e for e in entries if e.image or e.first_pass or not begun)
    return {lora for entry in counted for lora, _ in entry.admitted_as.loras}
