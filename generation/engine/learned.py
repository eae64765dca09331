"""Learned words as numbers: read from their files, and put in the place of a text encoder's own tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from generation.embeddings import Embeddings, Found, Learned, divided
from generation.engine.failures import CannotDraw
from generation.engine.hashes import digest_of
from generation.sentence import say


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """What stands for one word."""

    learned: Learned
    hash: str
    """The first 12 hexadecimal digits of the file's SHA-256, as A1111 tells it."""
    tensors: tuple[torch.Tensor, ...]
    """(vectors, width) for each text encoder."""


class Lexicon:
    """The words that were learned for the text encoders of one model."""

    def __init__(self, embeddings: Embeddings, widths: Sequence[int], *, second: bool = False) -> None:
        """
        Args:
            widths: of the text encoders of the model.
            second: only the second of them reads: it is a refiner's.
        """
        self._embeddings = embeddings
        self._widths = tuple(widths)
        self._second = second
        self._fitting: Mapping[str, Learned] = {}
        self._read: dict[Path, Vectors] = {}

    def refresh(self) -> None:
        """From now on the words are those that the folders hold at this moment."""
        self._embeddings.refresh()
        self._fitting = self._embeddings.fitting(self._widths)

    def divided(self, text: str) -> Iterator[Found]:
        return divided(text, self._fitting)

    def used(self, text: str) -> tuple[Vectors, ...]:
        """The words that stand in a text, each once."""
        found = dict.fromkeys(each.learned for each in self.divided(text) if each.learned is not None)
        return tuple(map(self.vectors, found))

    def vectors(self, learned: Learned) -> Vectors:
        """
        Raises:
            CannotDraw: the file cannot be read any more.
        """
        known = self._read.get(learned.path)
        if known is None or known.learned != learned:
            known = self._read[learned.path] = _read(learned, learned.tensors[1:] if self._second else None)
        return known


def _read(learned: Learned, names: Sequence[str] | None) -> Vectors:
    try:
        digest = digest_of(learned.path)[:12]
        with safe_open(learned.path, framework="pt") as file:
            tensors = [file.get_tensor(name) for name in names or learned.tensors]
        status = learned.path.stat()
    except (OSError, SafetensorError) as error:
        raise CannotDraw(
            say(
                "The learned word {word} cannot be used: its file cannot be read any more.", word=learned.word
            )
        ) from error
    tensors = [tensor.reshape(-1, tensor.shape[-1]) for tensor in tensors]
    is_another = (status.st_mtime_ns, status.st_size) != learned.version  # perhaps since its hash was taken
    if is_another or any(len(tensor) != learned.vectors for tensor in tensors):
        raise CannotDraw(
            say("The file of the learned word {word} has just been changed; try again.", word=learned.word)
        )
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise CannotDraw(
            say(
                "The learned word {word} cannot be used: its file holds what are no numbers.",
                word=learned.word,
            )
        )
    return Vectors(learned=learned, hash=digest, tensors=tuple(tensors))


@contextmanager
def in_place(encoder: Any, vectors: Mapping[int, torch.Tensor]) -> Iterator[None]:
    """In here a text encoder that reads one line of tokens has these vectors in their places.

    Args:
        vectors: (width,) each, by the index of the token that it stands for.
    """
    if not vectors:
        yield
        return
    places = list(vectors)
    stacked = torch.stack(list(vectors.values()))

    def replaced(module: Any, given: Any, embedded: torch.Tensor) -> torch.Tensor:
        embedded = embedded.clone()
        embedded[0, places] = stacked.to(embedded.device, embedded.dtype)
        return embedded

    hook = encoder.get_input_embeddings().register_forward_hook(replaced)
    try:
        yield
    finally:
        hook.remove()
