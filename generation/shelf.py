"""The models that people may choose from: those of the owner's `models.toml`, or the one that MODEL names."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from generation.catalogue import ModelInfo, describe
from generation.embeddings import Embeddings
from generation.loras import Loras
from generation.modelfiles import UnreadableModel
from generation.modeltable import Problems, read_model, shown
from generation.tomllines import lines_of


class UnreadableShelf(UnreadableModel):
    """Models that cannot be offered as they are described: everything that is wrong, one sentence a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The models that can be chosen, in the owner's order."""

    models: tuple[ModelInfo, ...]
    """At least one; no two have the same name or source."""
    default: ModelInfo
    """One of them: what draws for who chooses none."""
    file: Path | None = None
    """The file that describes them; None when the setting MODEL names the only one."""
    embeddings: Embeddings = field(default_factory=Embeddings, compare=False)
    """Words that were learned beside models."""
    loras: Loras = field(default_factory=Loras, compare=False)

    @classmethod
    def one(cls, source: str) -> Self:
        """A shelf with one model, which is at `source`; see :func:`generation.catalogue.describe`.

        Raises:
            UnreadableModel: it cannot be used.
        """
        model = describe(source)
        return cls(models=(model,), default=model)

    @property
    def several(self) -> bool:
        """Whether there is a choice."""
        return len(self.models) > 1

    def by_source(self, source: str) -> ModelInfo | None:
        """The model that a request means; its own source may spell the same place in another way."""
        return next((m for m in self.models if _same_place(m.source) == _same_place(source)), None)

    def find(self, name: str) -> ModelInfo | None:
        """The model of this name, however it was capitalised."""
        return next((m for m in self.models if _folded(m.name) == _folded(name)), None)

    def nearest(self, name: str) -> ModelInfo | None:
        """The model whose name is most like this one, or the only one that begins or goes on with it."""
        names = {_folded(model.name): model for model in self.models}
        near = difflib.get_close_matches(_folded(name), names, n=1)
        if not near:
            near = [known for known in names if f" {_folded(name)}" in f" {known}"]
        return names[near[0]] if len(near) == 1 else None

    def corrected(self, truth: ModelInfo) -> tuple[Self, tuple[str, ...]]:
        """The same models, one of which turned out to be this; and what its owner decided in vain.

        See :meth:`generation.model.ModelInfo.corrected`.
        """
        known = self.by_source(truth.source)
        if known is None:
            return self, ()
        corrected, misfits = known.corrected(truth)
        models = tuple(corrected if model is known else model for model in self.models)
        default = models[self.models.index(self.default)]
        return replace(self, models=models, default=default), misfits

    def within(self, *, pixels: int, steps: int) -> Self:
        """The same models with defaults that stay inside the owner's limits.

        Raises:
            UnreadableShelf: one of them cannot.
        """
        problems, models = [], []
        for model in self.models:
            try:
                models.append(model.within(pixels=pixels, steps=steps))
            except UnreadableModel as reason:
                problems.append(str(reason))
        if problems:
            raise UnreadableShelf(problems)
        default = models[self.models.index(self.default)]
        return replace(self, models=tuple(models), default=default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One model of the owner's file, whether it can be used or not."""

    name: str
    info: ModelInfo | None
    """None: it cannot be told what it is."""
    problems: tuple[str, ...] = ()
    """All that is wrong with it, each with its line."""
    default: bool = False
    """Draws for who chooses none."""


def read_shelf(path: Path) -> Shelf:
    """The models that a file like `models.toml` describes; docs/models.md says how it is written.

    Reads small files only; neither torch nor network. Relative places are those beside the file.

    Raises:
        UnreadableShelf: all that is wrong in it, each with its line.
    """
    return shelf_of(read_text(path), path)


def shelf_of(text: str, path: Path) -> Shelf:
    """The models that this text describes, which stands in a file, or is to; see :func:`read_shelf`."""
    content, problems = _parsed(text, path)
    tables, models = _models(content, path, problems)
    if problems:
        raise UnreadableShelf(problems.sentences())
    whole = tuple(model for model in models if model is not None)
    return Shelf(models=whole, default=whole[_chosen(tables)], file=path)


def _chosen(tables: Sequence[Mapping[str, Any]]) -> int:
    return next((index for index, table in enumerate(tables) if table.get("default") is True), 0)


def survey(path: Path) -> tuple[Entry, ...]:
    """What stands in such a file, each model by itself: of those that are broken, too.

    Raises:
        UnreadableShelf: it cannot be read, or what is wrong belongs to no model.
    """
    content, problems = _parsed(read_text(path), path)
    tables, models = _models(content, path, problems)
    entries = []
    for index, (table, info) in enumerate(zip(tables, models, strict=True)):
        line = problems.line(("model", index))
        end = problems.line(("model", index + 1)) if index + 1 < len(tables) else None
        name = table.get("name")
        entries.append(
            Entry(
                name=name if isinstance(name, str) and name.strip() else f"The model of line {line}",
                info=info,
                problems=problems.sentences(line, end),
                default=index == _chosen(tables),
            )
        )
    others = set(problems.sentences()).difference(*(entry.problems for entry in entries))
    if others:
        raise UnreadableShelf(sentence for sentence in problems.sentences() if sentence in others)
    return tuple(entries)


def read_text(path: Path) -> str:
    """The text of an owner's file.

    Raises:
        UnreadableShelf: it cannot be read.
    """
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise UnreadableShelf([f"There is no file {path} to describe the models."]) from error
    except UnicodeDecodeError as error:
        raise UnreadableShelf([f"{path} is not a text file in UTF-8; save it as one."]) from error
    except (OSError, ValueError) as error:
        because = error.strerror if isinstance(error, OSError) else error
        raise UnreadableShelf([f"{path} cannot be read: {because}."]) from error


def _parsed(text: str, path: Path) -> tuple[Mapping[str, Any], Problems]:
    try:
        content, lines = tomllib.loads(text), lines_of(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableShelf([_syntax(path, text, str(error))]) from error
    except RecursionError as error:
        raise UnreadableShelf([f"{path} is not a description of models: it is nested too deeply."]) from error
    return content, Problems(path, lines)


def _models(
    content: Mapping[str, Any], path: Path, problems: Problems
) -> tuple[Sequence[Mapping[str, Any]], Sequence[ModelInfo | None]]:
    """The tables that describe models and what each describes; what is wrong is added to the problems."""
    for key in content.keys() - {"model"}:
        problems.add((key,), f"I do not know {shown(key)}; each model begins with [[model]].")
    tables = content.get("model", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.add(("model",), "Each model begins with [[model]], in double brackets.")
        tables = []
    models = [read_model(table, ("model", i), path.parent, problems) for i, table in enumerate(tables)]
    _refuse_twins(problems, "name", [_name_in(table) for table in tables])
    _refuse_twins(
        problems, "source", [None if model is None else _same_place(model.source) for model in models]
    )
    chosen = [index for index, table in enumerate(tables) if table.get("default") is True]
    for index in chosen[1:]:
        line = problems.line(("model", chosen[0], "default"))
        problems.add(("model", index, "default"), f"Line {line} has chosen another default already.")
    if not tables and not problems:
        problems.add((), "No model is described here; each begins with [[model]].")
    return tables, models


def _refuse_twins(problems: Problems, key: str, values: Sequence[str | None]) -> None:
    """Of two models with one name, or one source, nobody could say which is meant."""
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        if value and (first := seen.setdefault(value, index)) != index:
            line = problems.line(("model", first, key))
            problems.add(("model", index, key), f"The model of line {line} has this {key} already.")


def _name_in(table: Mapping[str, Any]) -> str | None:
    name = table.get("name")
    return _folded(name) if isinstance(name, str) else None


_SYNTAX = {
    "Invalid value": 'a value is not understood; a text stands in quotes, as in name = "Dream".',
    "Unescaped": "a backslash stands in double quotes; put a path between single quotes.",
    "Invalid hex": "a backslash stands in double quotes; put a path between single quotes.",
    "Cannot overwrite": "this key stands in the same model twice.",
    "Cannot declare": "this table stands here twice; each model begins with [[model]], in double brackets.",
    "Expected '='": "a line is not understood; write it like steps = 25.",
    "Invalid statement": "a line is not understood; write it like steps = 25.",
    "Illegal character '\\n'": "a text has no quote at its end.",
}


def _syntax(path: Path, text: str, message: str) -> str:
    """What tomllib says about a file that is no TOML, in words for the owner."""
    found = re.search(r"\(at line (\d+), column \d+\)", message)
    line = int(found[1]) if found else text.rstrip().count("\n") + 1
    said = message.partition(" (at ")[0]
    ours = next((ours for theirs, ours in _SYNTAX.items() if said.startswith(theirs)), f"{said}.")
    return f"Line {line} of {path}: {ours}"


def _same_place(source: str) -> str:
    return os.path.normpath(os.path.expanduser(source))  # noqa: PTH111 - a name may be no path at all


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()
