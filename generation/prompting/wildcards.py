"""The owner's lists that `__colour__` chooses from, and requests with all chosen that they leave open."""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from random import Random

from generation.prompting.choices import (
    Choice,
    Lines,
    Option,
    Text,
    Wildcard,
    choose,
    is_open,
    leaves_choices,
    read,
    read_line,
)
from generation.request import NEGATIVE_PROMPT, PROMPT, GenerationRequest, InvalidRequest, Wording
from generation.sentence import first_of, joined, say, shortened

MAX_DEPTH = 8
"""Lists that lead to other lists."""
MAX_BYTES = 2**20
"""Of one list."""
MAX_NAMED = 10
_TOO_DEEP = say(
    "The wildcards of this prompt lead to others, more than {most} deep; I cannot read those.", most=MAX_DEPTH
)


class Wildcards:
    """Text files in a folder and the folders in it: `__nature/flower__` is a line of nature/flower.txt.

    Blank lines and lines that begin with # are no lines. Files are read when a prompt names them, so what
    the owner changes holds from the next request on.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` None: there are no lists."""
        self._folder = folder

    def decided(self, request: GenerationRequest) -> GenerationRequest:
        """The request with all chosen that its prompts leave open, by the seed of each picture. Blocks.

        Picture k chooses by its own seed, so it chooses the same when it is asked for alone.

        Raises:
            InvalidRequest: a list is not there or cannot be used, or a prompt cannot be read.
        """
        prompts = (request.prompt, request.negative_prompt)
        if not is_open(request):
            return request
        lists = _Lists(self._folder)
        texts = read(prompts[0]), read(prompts[1], NEGATIVE_PROMPT)
        for text in texts:
            lists.look_through(text, ())

        def wording(picture: int) -> Wording:
            seed = request.image(picture).seed
            prompt, negative = (
                choose(text, Random(f"{seed} {name}"), lists.lines, name)
                for text, name in zip(texts, (PROMPT, NEGATIVE_PROMPT), strict=True)
            )
            return Wording(prompt=prompt, negative_prompt=negative)

        return replace(request, chosen=tuple(map(wording, range(request.count))))


class _Lists:
    """The lists as they are now, each read once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lines: dict[str, Lines] = {}
        self._depths: dict[str, int] = {}

    def lines(self, name: str) -> Lines:
        if (key := _folded(name)) not in self._lines:
            self._lines[key] = self._read(name)
        return self._lines[key]

    def look_through(self, text: Text, path: tuple[str, ...]) -> int:
        """Make sure that all which could be chosen can be used, whatever the seed chooses.

        Args:
            path: the lists that led here.

        Returns:
            How deep its lists lead.
        """
        deepest = 0
        for item in text:
            match item:
                case Wildcard(name=name):
                    deepest = max(deepest, 1 + self._depth(name, path))
                case Choice(options=options):
                    deepest = max(deepest, *(self.look_through(option.text, path) for option in options))
                case str():
                    pass
        if len(path) + deepest > MAX_DEPTH:
            raise InvalidRequest(_TOO_DEEP)
        return deepest

    def _depth(self, name: str, path: tuple[str, ...]) -> int:
        key = _folded(name)
        if key in path:
            way = " → ".join(f"__{each}__" for each in (*path[path.index(key) :], key))
            raise InvalidRequest(
                say(
                    "The wildcard `__{name}__` includes itself (`{way}`); the owner must mend it.",
                    name=name,
                    way=way,
                )
            )
        if key not in self._depths:
            if len(path) > MAX_DEPTH:
                raise InvalidRequest(_TOO_DEEP)
            inside = (self.look_through(line.text, (*path, key)) for line in self.lines(name).options)
            self._depths[key] = max(inside, default=0)
        return self._depths[key]

    @cached_property
    def _files(self) -> dict[str, Path]:
        """By their names, as they are written between underscores."""
        if self._folder is None:
            return {}
        files = sorted(self._folder.rglob("*.txt"))
        return {_folded(file.relative_to(self._folder).with_suffix("").as_posix()): file for file in files}

    def _read(self, name: str) -> Lines:
        file = self._files.get(_folded(name))
        if file is None:
            raise InvalidRequest(self._unknown(name))
        try:
            if file.stat().st_size > MAX_BYTES:
                raise InvalidRequest(
                    say("The wildcard `__{name}__` is too long a list to be read.", name=name)
                )
            text = file.read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                say("The wildcard `__{name}__` cannot be used: its file is not text in UTF-8.", name=name)
            ) from error
        except OSError as error:
            raise InvalidRequest(
                say(
                    "The wildcard `__{name}__` cannot be used: {problem}.",
                    name=name,
                    problem=error.strerror or say("its file cannot be read"),
                )
            ) from error
        lines = Lines(
            _option(line.strip(), say("wildcard `__{name}__` (line {line})", name=name, line=number))
            for number, line in enumerate(text.splitlines(), start=1)
            if line.strip() and not line.lstrip().startswith("#")
        )
        if not lines.possible:
            raise InvalidRequest(
                say("The wildcard `__{name}__` is an empty list; nothing can be chosen from it.", name=name)
            )
        return lines

    def _unknown(self, name: str) -> str:
        shown = shortened(name, 60)
        known = list(self._files)
        if near := difflib.get_close_matches(_folded(name), known, n=1):
            hint = say(
                "I do not know the wildcard `__{name}__`; did you mean `__{near}__`?",
                name=shown,
                near=near[0],
            )
        elif known:
            names = first_of([f"`__{each}__`" for each in known], MAX_NAMED)
            hint = say("I do not know the wildcard `__{name}__`; I have {names}.", name=shown, names=names)
        else:
            hint = say("I do not know the wildcard `__{name}__`; there are none here.", name=shown)
        return joined(" ", (hint, say("Write `\\_\\_` for underscores that shall choose nothing.")))


def _option(line: str, name: str) -> Option:
    return read_line(line, name) if leaves_choices(line) or "::" in line else Option((line,))


def _folded(name: str) -> str:
    return name.casefold()
