"""Words that were learned beside models: textual inversions in folders, by the headers of their files."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from generation.modelfiles import PICKLES, UnreadableModel, tensor_shapes
from generation.sentence import say

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "models" / "embeddings"
"""Words that come along."""
MAX_VECTORS = 75
"""Of one word: what a text encoder reads at once."""
MAX_WORD = 100
"""Characters."""

_ENDINGS = (".safetensors", *PICKLES)
_A1111, _SDXL = "emb_params", ("clip_l", "clip_g")
_KNOWN_WIDTHS = {
    (768,): "Stable Diffusion 1",
    (1024,): "Stable Diffusion 2",
    (768, 1280): "Stable Diffusion XL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """One word: what the text encoders read in its place are vectors from a file."""

    word: str
    """The name of the file without its ending."""
    path: Path
    version: tuple[int, int]
    """When the file was changed, in ns, and its bytes: another file has another version."""
    tensors: tuple[str, ...] = ()
    """Their names in the file, one for each text encoder."""
    widths: tuple[int, ...] = ()
    """Of the vectors, for each text encoder; they are those of the model that it was made for."""
    vectors: int = 0
    problem: str | None = None
    """Why it cannot be used, as a sentence for the owner."""

    @property
    def made_for(self) -> str:
        """The family, in words."""
        if (known := _KNOWN_WIDTHS.get(self.widths)) is not None:
            return known
        return say("text encoders of width {widths}", widths=" and ".join(map(str, self.widths)))


@dataclass(frozen=True, slots=True)
class Found:
    """A word where it stands in a text, or what stands between two."""

    text: str
    learned: Learned | None = None


class Embeddings:
    """The words in some folders and the folders in those.

    `refresh` looks at the disk; all else tells what it saw last.
    """

    def __init__(self, *folders: Path | None, only: Iterable[str] | None = None) -> None:
        """Of two files with one name, for models of the same widths, that in the first folder counts.

        Args:
            only: the words that a model takes, of those that are there; None: all.
        """
        self._only = None if only is None else frozenset(map(folded, only))
        self._folders = tuple(folder for folder in folders if folder is not None)
        self._known: tuple[Learned, ...] = ()
        self._read: dict[str, Learned] = {}
        """By the places of their files, those of the first folder first."""

    @property
    def known(self) -> tuple[Learned, ...]:
        """All words, also those that cannot be used, in the order of their names."""
        return self._known

    def refresh(self) -> None:
        """Look at the disk. A file is read again only if it was changed. Blocks."""
        before: dict[str, Learned] = self._read
        now: dict[str, Learned] = {}
        for folder in self._folders:
            for place, version in _files(folder):
                known = before.get(place)
                if known is None or known.version != version:
                    known = _looked_at(Path(place), version)
                    if known.problem is not None:
                        log.warning("%s", known.problem)
                now[place] = known
        if now == before and list(now) == list(before):
            return
        self._read = now  # at once: others may be reading it meanwhile
        self._known = tuple(sorted(now.values(), key=lambda each: each.word.casefold()))

    def fitting(self, widths: Sequence[int]) -> Mapping[str, Learned]:
        """The words for a model whose text encoders have these widths, by their folded names."""
        words: dict[str, Learned] = {}
        for learned in self._read.values():
            word = folded(learned.word)
            if learned.problem is not None or learned.widths != tuple(widths):
                continue
            if self._only is None or word in self._only:
                words.setdefault(word, learned)
        return words

    def misfits(self, texts: Iterable[str], widths: Sequence[int]) -> tuple[Learned, ...]:
        """The words in these texts that such a model cannot take."""
        fitting = self.fitting(widths)
        others = {folded(each.word): each for each in self._known if folded(each.word) not in fitting}
        found = [each.learned for text in texts for each in divided(text, others)]
        return tuple(dict.fromkeys(learned for learned in found if learned is not None))

    def used(self, texts: Iterable[str], widths: Sequence[int]) -> tuple[Learned, ...]:
        """The words in these texts that such a model takes, each once."""
        fitting = self.fitting(widths)
        found = [each.learned for text in texts for each in divided(text, fitting)]
        return tuple(dict.fromkeys(learned for learned in found if learned is not None))

    def without(self, text: str, widths: Sequence[int]) -> str:
        """The text without the words that such a model takes."""
        return " ".join(each.text for each in divided(text, self.fitting(widths)) if each.learned is None)


def folded(word: str) -> str:
    return word.casefold()


def divided(text: str, words: Mapping[str, Learned]) -> Iterator[Found]:
    """A text at the words that stand in it: as wholes, however capitalised, the longest first.

    Args:
        words: by their folded names.
    """
    if not words:
        yield Found(text)
        return
    names = sorted((each.word for each in words.values()), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)", re.IGNORECASE)
    read = 0
    for match in pattern.finditer(text):
        if (learned := words.get(folded(match[0]))) is None:
            continue
        if match.start() > read:
            yield Found(text[read : match.start()])
        yield Found(match[0], learned)
        read = match.end()
    if read < len(text) or not read:
        yield Found(text[read:])


def _files(folder: Path) -> list[tuple[str, tuple[int, int]]]:
    """The files of a folder and the folders in it that may be words, with their versions.

    Folders of thousands are looked at for each request, so as few questions are asked as can be.
    """
    found: list[tuple[str, tuple[int, int]]] = []
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return found
    except OSError as error:
        log.warning("the folder of embeddings %s cannot be read: %s", folder, error.strerror)
        return found
    for entry in entries:
        with suppress(OSError):  # it has gone meanwhile
            if entry.is_dir(follow_symlinks=False):
                found += _files(Path(entry.path))
            elif entry.name.lower().endswith(_ENDINGS) and entry.is_file():
                status = entry.stat()
                found.append((entry.path, (status.st_mtime_ns, status.st_size)))
    return sorted(found)


def _looked_at(path: Path, version: tuple[int, int]) -> Learned:
    """What a file holds."""
    word = " ".join(path.stem.split())
    try:
        tensors, widths, vectors = _header(path, word)
    except UnreadableModel as reason:
        return Learned(word=word, path=path, version=version, problem=str(reason))
    return Learned(word=word, path=path, version=version, tensors=tensors, widths=widths, vectors=vectors)


def _header(path: Path, word: str) -> tuple[tuple[str, ...], tuple[int, ...], int]:
    """The names of its tensors, their widths, and how many vectors each has.

    Raises:
        UnreadableModel: it is nothing that can be used.
    """
    if path.suffix.lower() in PICKLES:
        raise UnreadableModel(
            f"The embedding {path} is a pickle, which can run any code when it is read, so I never open one. "
            "Convert it to .safetensors (a tensor emb_params) with a tool that you trust."
        )
    if not (re.search(r"\w", word) and len(word) <= MAX_WORD and word.isprintable()):
        raise UnreadableModel(
            f"The embedding {path} has a name that is no word for a prompt; rename the file "
            f"(letters or digits, {MAX_WORD} characters at the most)."
        )
    shapes = tensor_shapes(path)
    if set(shapes) == set(_SDXL):
        names: tuple[str, ...] = _SDXL
    elif len(shapes) == 1:  # A1111's emb_params, or diffusers' named by its token
        names = tuple(shapes)
    else:
        held = f"{len(shapes)} tensors" if shapes else "nothing"
        raise UnreadableModel(
            f"The file {path} holds no embedding, but {held}: one has a tensor {_A1111}, "
            f"or for Stable Diffusion XL {' and '.join(_SDXL)}."
        )
    flat = [[1, *shapes[name]] if len(shapes[name]) == 1 else shapes[name] for name in names]
    if any(len(shape) != 2 or min(shape) < 1 for shape in flat) or len({shape[0] for shape in flat}) > 1:
        listed = ", ".join(f"{name} {shapes[name]}" for name in names)
        raise UnreadableModel(
            f"The file {path} holds no embedding: its tensors ({listed}) are not vectors, as many in each."
        )
    vectors = flat[0][0]
    if vectors > MAX_VECTORS:
        raise UnreadableModel(
            f"The embedding {path} has {vectors} vectors; a text encoder reads {MAX_VECTORS} at once."
        )
    return names, tuple(shape[1] for shape in flat), vectors
