"""Remix: the form of Edit for a picture of which nothing is known but what its file says. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Self

from bot.editing import Edited, fields
from bot.forms import Text
from bot.inspecting import typed_from
from bot.options import NOTHING, Typed
from generation.metadata import Settings
from generation.model import ModelInfo
from generation.request import GenerationRequest, InvalidRequest, Size
from generation.sentence import say
from generation.shelf import Shelf

REMIX = "remix"
"""What the custom_id of such a form begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What the form does not show: it stands in the form's custom_id."""

    size: Size
    sampler: str
    clip_skip: int
    model: str
    """Eight hexadecimal digits of the hash of its source, since names and folders may be long."""

    @property
    def custom_id(self) -> str:
        return f"{REMIX}:{self.size}:{self.sampler}:{self.clip_skip}:{self.model}"

    @classmethod
    def parse(cls, custom_id: str) -> Self:
        """What a form's custom_id says.

        Raises:
            ValueError, InvalidRequest: it is of another kind.
        """
        _, size, sampler, clip_skip, model = custom_id.split(":")
        return cls(size=Size.parse(size), sampler=sampler, clip_skip=int(clip_skip), model=model)

    def request(self, edited: Edited, shelf: Shelf) -> GenerationRequest:
        """What is to be drawn.

        Raises:
            InvalidRequest: it cannot be, or its model is not there any more.
        """
        model = next((each for each in shelf.models if _mark(each) == self.model), None)
        if model is None:
            raise InvalidRequest(say("I do not have that model any more; please open the form again."))
        return Typed(
            prompt=edited.prompt,
            negative_prompt=edited.negative_prompt or NOTHING,
            model=model.name,
            size=str(self.size),
            steps=edited.steps,
            guidance=edited.guidance,
            sampler=self.sampler if self.sampler in model.samplers else None,
            seed=edited.seed,
            clip_skip=self.clip_skip,
        ).request(shelf)


def remix(settings: Settings, shelf: Shelf) -> tuple[Rest, tuple[Text, ...]]:
    """The form for these settings: what it keeps, and what it shows.

    Raises:
        InvalidRequest: they say no prompt, or cannot be.
    """
    model = shelf.find(settings.model or "") or shelf.default
    typed = typed_from(settings, model)
    size = _drawable(settings.size, model) or typed.typed_size(model)
    base = Typed(prompt=typed.prompt, model=model.name, sampler=typed.sampler, clip_skip=typed.clip_skip)
    request = base.request(shelf, size=size)
    adapters = () if settings.request is None else settings.request.adapters
    loras = "".join(f" <lora:{each.name}:{each.weight:g}>" for each in adapters)
    rest = Rest(size=request.size, sampler=request.sampler, clip_skip=request.clip_skip, model=_mark(model))
    return rest, fields(
        prompt=typed.prompt + loras,
        negative_prompt=settings.negative_prompt,
        steps=request.steps if settings.steps is None else settings.steps,
        guidance=request.guidance if settings.guidance is None else settings.guidance,
        seed=typed.seed,
    )


def _drawable(size: Size | None, model: ModelInfo) -> Size | None:
    """The size, or that of its proportions which this model draws best."""
    if size is None or model.size_reason(size) is None:
        return size
    scale = model.native / size.pixels**0.5
    return model.nearest(size.width * scale, size.height * scale)


def _mark(model: ModelInfo) -> str:
    return hashlib.sha256(model.source.encode()).hexdigest()[:8]
