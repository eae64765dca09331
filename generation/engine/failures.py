"""What went wrong with a picture, as a sentence for whoever asked for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from generation.catalogue import ModelInfo
from generation.engine.memory import is_out_of_memory
from generation.messages import TaskId
from generation.model import public
from generation.request import GenerationRequest, InvalidRequest
from generation.sentence import Told, say

log = logging.getLogger(__name__)

RAN_AWAY = say(
    "The model drew nothing at all: its numbers ran away. A lower guidance, more steps or another sampler "
    "may help."
)


class CannotDraw(Told):
    """This request cannot be drawn; the message is the sentence for whoever asked."""


def check(info: ModelInfo, request: GenerationRequest) -> None:
    """Whether this is the model for the request.

    Raises:
        CannotDraw: it is not.
    """
    if request.model != info.source:
        raise CannotDraw(
            say(
                "This was to be drawn with {wanted}, but {model} is the model now.",
                wanted=public(request.model),
                model=info.name,
            )
        )
    if (reason := info.reject_reason(request)) is not None:
        raise CannotDraw(reason)


def sentence(tasks: Sequence[TaskId], error: Exception) -> str:
    """The reason why these tasks end; what only the owner can act on goes to the log."""
    if isinstance(error, CannotDraw | InvalidRequest):
        return error.sentence
    if is_out_of_memory(error):
        log.warning("out of memory: %s", error)
        return say("There is not enough memory to draw this; a smaller size may fit. Nothing else was lost.")
    log.error("could not draw %s", tasks, exc_info=error)
    return say("Drawing this went wrong ({kind}); the log has the details.", kind=type(error).__name__)
