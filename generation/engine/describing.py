"""What is to be seen in a picture, in words: a captioner of the owner's, read when it is first asked."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from generation import canvas
from generation.engine.building import one_at_a_time
from generation.engine.fetching import first_line
from generation.messages import Describe, Described
from generation.sentence import say as sentence
from generation.size import InvalidRequest

log = logging.getLogger(__name__)

KEPT_S = 600.0
"""Without a question for so long it leaves the memory."""

WORDS, BEAMS = 60, 3
"""Tokens of a description at the most, and how many are followed at once while it is written."""


def answering(folder: Path, say: Callable[[Described], None]) -> Callable[[Describe], None]:
    """Takes questions, and says the answers one after the other from a thread of its own."""
    asked: queue.SimpleQueue[Describe] = queue.SimpleQueue()
    describer = Describer(folder)

    def answer() -> None:
        while True:
            try:
                question = asked.get(timeout=KEPT_S)
            except queue.Empty:
                describer.put_away()
                question = asked.get()
            say(describer.answer(question))

    threading.Thread(target=answer, name="describing", daemon=True).start()
    return asked.put


class Describer:
    """Works on the CPU, on whose thread it is called: nobody who draws waits for it."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds a model in the format of transformers, such as BLIP."""
        self._folder = folder
        self._read: tuple[Any, Any] | None = None

    def answer(self, question: Describe) -> Described:
        """What to say about a picture, or why nothing can be said."""
        try:
            return Described(number=question.number, text=self._describe(question.picture))
        except InvalidRequest as error:
            reason = error.sentence
        except Exception as error:  # the edge of a thread: whoever asked gets a sentence
            log.exception("%s cannot describe a picture: %s", self._folder, first_line(error))
            reason = sentence(
                "What describes pictures here does not work; whoever runs me finds why in my log."
            )
        return Described(number=question.number, reason=reason)

    def put_away(self) -> None:
        """Free its memory; it is read again when somebody asks."""
        self._read = None

    def _describe(self, picture: bytes) -> str:
        image = canvas.opaque(canvas.open_picture(picture)).convert("RGB")
        if self._read is None:
            self._read = _load(self._folder)
        processor, model = self._read
        with torch.inference_mode():
            inputs = processor(images=image, return_tensors="pt")
            tokens = model.generate(**inputs, max_new_tokens=WORDS, num_beams=BEAMS)
        (text,) = processor.batch_decode(tokens, skip_special_tokens=True)
        return " ".join(str(text).split())


@one_at_a_time
def _load(folder: Path) -> tuple[Any, Any]:
    log.info("reading %s, which describes pictures", folder)
    processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return processor, model.eval().requires_grad_(False)
