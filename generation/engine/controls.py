"""What steers the pictures of one model: ControlNets, and the pictures that they go by."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
from PIL import Image

from generation.controlfiles import Preprocessor
from generation.controlnets import ControlFolders, ControlNets
from generation.engine.annotators import Annotators
from generation.engine.controlmodels import ControlPool
from generation.engine.failures import CannotDraw
from generation.engine.looks import Looks
from generation.engine.memory import Memory
from generation.engine.models import Model
from generation.engine.preprocessing import found, in_size
from generation.engine.steering import NOT_STEERED, Steerer, Steering, as_pixels
from generation.messages import Blob, Task
from generation.request import Control, GenerationRequest, Size
from generation.sentence import say


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPicture:
    """What one control goes by, in the size in which it was made."""

    control: Control
    picture: Image.Image
    net_hash: str
    annotator: str | None
    """Which weights made it, if any did."""


class Controls:
    """See the methods. All but reading happens on the thread that draws."""

    def __init__(
        self,
        model: Model,
        memory: Memory,
        known: ControlNets | ControlFolders | None = None,
        annotators: Annotators | None = None,
    ) -> None:
        """
        Args:
            known: the ControlNets that there are; None: none.
            annotators: the preprocessors that have weights; None: none.
        """
        self._model = model
        self._memory = memory
        self._pool = ControlPool(model, memory, known or ControlNets())
        self._annotators = annotators or Annotators()
        self.looks = Looks(model, memory)

    @property
    def footprint(self) -> int:
        return self._pool.footprint + self.looks.footprint

    @property
    def names(self) -> tuple[str, ...]:
        """The ControlNets that are in memory, the most recently used last."""
        return self._pool.names

    def look_again(self, request: GenerationRequest, in_hand: Iterable[GenerationRequest]) -> None:
        """A request comes: its ControlNets are looked at anew, unless one of these is steered by them."""
        if request.controls:
            self._pool.look_again(_names(request), in_hand={n for each in in_hand for n in _names(each)})

    def are_here(self, request: GenerationRequest, in_hand: Iterable[GenerationRequest]) -> bool:
        """Whether all is here that a request is steered by; what is not is read from now on.

        Args:
            in_hand: those that are drawn already.

        Raises:
            CannotDraw: it cannot be had.
            torch.OutOfMemoryError: see :meth:`generation.engine.controlmodels.ControlPool.are_here`.
        """
        look = self.looks.is_here(request)
        nets = self._pool.are_here(_names(request), in_hand={n for each in in_hand for n in _names(each)})
        wanted = {each.preprocessor for each in request.controls if each.preprocessor is not None}
        return self._annotators.are_here([_preprocessor(name) for name in sorted(wanted)]) and nets and look

    def wait(self, seconds: float) -> None:
        """Until something that is being read is here, but not longer than this."""
        self._pool.wait(seconds)
        self._annotators.wait(seconds)
        self.looks.wait(seconds)

    def forget_but(self, in_hand: Iterable[GenerationRequest]) -> None:
        """Nobody waits for what steers others than these."""
        self._pool.forget_but({name for each in in_hand for name in _names(each)})

    def make_room(self, in_hand: Iterable[GenerationRequest]) -> bool:
        """Let the ControlNets go that nobody in hand is steered by; whether there were any."""
        return self._pool.let_go({name for each in in_hand for name in _names(each)})

    def close(self) -> None:
        self._pool.close()

    def pictures(self, task: Task) -> tuple[ControlPicture, ...]:
        """What each control of a task goes by; its ControlNets are here.

        Raises:
            CannotDraw: nothing can be made of a picture.
        """
        return tuple(
            ControlPicture(
                control=control,
                picture=self._made(task, control),
                net_hash=self._pool[control.model].hash,
                annotator=None
                if control.preprocessor is None
                else self._annotators.hash_of(_preprocessor(control.preprocessor)),
            )
            for control in task.request.controls
        )

    def steering(self, pictures: Sequence[ControlPicture], size: Size) -> tuple[Steering, ...]:
        """For a pass of this size."""
        model = self._model
        return tuple(
            Steering(
                control=each.control,
                picture=as_pixels(in_size(each.picture, size), model.device, model.dtype),
            )
            for each in pictures
        )

    def steerer(self, names: Sequence[str]) -> Steerer:
        """Of these ControlNets, which are here."""
        if not names:
            return NOT_STEERED
        return Steerer(
            [self._pool[name].module for name in names],
            lambda nets: self._memory.need("controls" if nets else "unet"),
        )

    def _made(self, task: Task, control: Control) -> Image.Image:
        if control.picture not in task.inputs:
            raise CannotDraw(say("The picture that this is steered by is not there any more."))
        picture = Image.open(io.BytesIO(task.inputs[control.picture])).convert("RGB")
        if control.preprocessor is None:
            return picture
        preprocessor = _preprocessor(control.preprocessor)
        if preprocessor in self._annotators.wanted:
            return self._annotators(preprocessor, picture, self._model.device)
        return found(picture, preprocessor)


def _names(request: GenerationRequest) -> Collection[str]:
    return [control.model for control in request.controls]


def _preprocessor(name: str) -> Preprocessor:
    if name not in list(Preprocessor):
        raise CannotDraw(
            say(
                "I do not know the preprocessor {name}; I have {listed}.",
                name=name,
                listed=", ".join(Preprocessor),
            )
        )
    return Preprocessor(name)


def told(pictures: Sequence[ControlPicture]) -> tuple[dict[str, Any], tuple[Blob, ...]]:
    """What a record says of the controls, and the control pictures as PNG files. Slow for large ones."""
    if not pictures:
        return {}, ()
    blobs = tuple(_png(each.picture) for each in pictures)
    said = [_said(each, blob) for each, blob in zip(pictures, blobs, strict=True)]
    return {"controls": said, "opencv": cv2.__version__}, blobs


def _said(picture: ControlPicture, blob: Blob) -> Mapping[str, str]:
    made = {}
    if picture.annotator is not None:
        made = {"preprocessor": str(picture.control.preprocessor), "preprocessor_hash": picture.annotator}
    shown = hashlib.sha256(blob).hexdigest()
    return {"model": picture.control.model, "model_hash": picture.net_hash, **made, "picture": shown}


def _png(picture: Image.Image) -> Blob:
    file = io.BytesIO()
    picture.save(file, format="PNG", compress_level=4)
    return file.getvalue()
