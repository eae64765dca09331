"""The models that people may choose from: those of the owner's `models.toml`, or the one that MODEL names."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from generation.catalogue import Defaults, Family, MemoryMode, ModelInfo, describe
from generation.modelfiles import UnreadableModel, check_vae
from generation.request import MAX_GUIDANCE, MAX_PROMPT, MAX_STEPS, InvalidRequest, Size
from generation.samplers import find_sampler, sampler_reason, unknown_sampler
from generation.tomllines import Place, line_of, lines_of

EMBEDDED = "models/mini"
"""The model that comes along; it is found from whichever folder the bot is started in."""

MAX_NAME = 100
"""Characters in the name of a model: what Discord takes of a choice."""

KEYS = (
    *("name", "source", "size", "steps", "guidance", "sampler", "negative_prompt", "vae", "memory"),
    "default",
)
"""What may stand in a `[[model]]`; all but the first two may be left out."""


_LATENT_CHANNELS = {Family.SD1: 4, Family.SD2: 4, Family.SDXL: 4}


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
        """The model with the name that is most like this one, if any is like it at all."""
        names = {_folded(model.name): model for model in self.models}
        near = difflib.get_close_matches(_folded(name), names, n=1)
        return names[near[0]] if near else None

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


def read_shelf(path: Path) -> Shelf:
    """The models that a file like `models.toml` describes; docs/models.md says how it is written.

    Reads small files only; neither torch nor network. Relative places are those beside the file.

    Raises:
        UnreadableShelf: all that is wrong in it, each with its line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise UnreadableShelf([f"There is no file {path} to describe the models."]) from error
    except UnicodeDecodeError as error:
        raise UnreadableShelf([f"{path} is not a text file in UTF-8; save it as one."]) from error
    except (OSError, ValueError) as error:
        because = error.strerror if isinstance(error, OSError) else error
        raise UnreadableShelf([f"{path} cannot be read: {because}."]) from error
    try:
        content, lines = tomllib.loads(text), lines_of(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableShelf([_syntax(path, text, str(error))]) from error
    except RecursionError as error:
        raise UnreadableShelf([f"{path} is not a description of models: it is nested too deeply."]) from error
    return _Reader(path, lines).shelf(content)


class _Reader:
    """Takes in what tomllib has read, and gathers what is wrong."""

    def __init__(self, path: Path, lines: Mapping[Place, int]) -> None:
        self._path = path
        self._lines = lines
        self._problems: list[tuple[int, str]] = []

    def shelf(self, content: Mapping[str, Any]) -> Shelf:
        for key in content.keys() - {"model"}:
            self._problem((key,), f"I do not know {_shown(key)}; each model begins with [[model]].")
        tables = content.get("model", [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self._problem(("model",), "Each model begins with [[model]], in double brackets.")
            tables = []
        models = [self._model(("model", index), table) for index, table in enumerate(tables)]
        self._refuse_twins(tables, models)
        chosen = [index for index, table in enumerate(tables) if table.get("default") is True]
        for index in chosen[1:]:
            first = line_of(self._lines, ("model", chosen[0], "default"))
            self._problem(("model", index, "default"), f"Line {first} has chosen another default already.")
        if not tables and not self._problems:
            self._problem((), "No model is described here; each begins with [[model]].")
        if self._problems:
            raise UnreadableShelf(sentence for _, sentence in sorted(self._problems))
        whole = tuple(model for model in models if model is not None)
        return Shelf(models=whole, default=whole[chosen[0] if chosen else 0], file=self._path)

    def _model(self, place: Place, table: Mapping[str, Any]) -> ModelInfo | None:
        for key in table.keys() - set(KEYS):
            near = difflib.get_close_matches(key.lower().replace("-", "_"), KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"I know {', '.join(KEYS)}."
            self._problem((*place, key), f"I do not know {_shown(key)} of a model; {hint}")
        for key in ("name", "source"):
            if key not in table:
                self._problem(place, f"This model has no {key}; write {key} = and a text in quotes.")
        info = self._described(place, table)
        name = self._name((*place, "name"), table.get("name"))
        size = self._size((*place, "size"), table.get("size"), info)
        steps = self._number((*place, "steps"), table.get("steps"), 1, MAX_STEPS, whole=True)
        guidance = self._number((*place, "guidance"), table.get("guidance"), 0, MAX_GUIDANCE)
        sampler = self._sampler((*place, "sampler"), table.get("sampler"))
        negative_prompt = self._negative_prompt((*place, "negative_prompt"), table.get("negative_prompt"))
        vae = self._vae((*place, "vae"), table.get("vae"), info)
        memory = self._memory((*place, "memory"), table.get("memory"))
        if not isinstance(table.get("default", False), bool):
            self._problem((*place, "default"), f"default is true or false, not {_shown(table['default'])}.")
        if info is None or name is None:
            return None
        defaults = Defaults(
            steps=info.defaults.steps if steps is None else int(steps),
            guidance=info.defaults.guidance if guidance is None else float(guidance),
            sampler=info.defaults.sampler if sampler is None else sampler,
            size=size if isinstance(size, Size) else None,
        )
        if (because := sampler_reason(defaults.sampler, defaults.steps)) is not None:
            self._problem((*place, "steps"), because)
        return replace(
            info,
            name=name,
            native=size if isinstance(size, int) else info.native,
            defaults=defaults,
            negative_prompt=negative_prompt,
            vae=vae,
            memory=memory,
        )

    def _refuse_twins(self, tables: list[Mapping[str, Any]], models: list[ModelInfo | None]) -> None:
        """Two models of one name or one source: nobody could say which is meant."""
        names: dict[str, int] = {}
        sources: dict[str, int] = {}
        for index, model in enumerate(models):
            name, source = tables[index].get("name"), None if model is None else _same_place(model.source)
            if isinstance(name, str) and name.strip():
                first = names.setdefault(_folded(name), index)
                if first != index:
                    line = line_of(self._lines, ("model", first, "name"))
                    self._problem(
                        ("model", index, "name"), f"The model of line {line} has this name already."
                    )
            if source is not None and (first := sources.setdefault(source, index)) != index:
                line = line_of(self._lines, ("model", first, "source"))
                self._problem(
                    ("model", index, "source"), f"The model of line {line} has this source already."
                )

    # One key each -----------------------------------------------------------------------------------------

    def _described(self, place: Place, table: Mapping[str, Any]) -> ModelInfo | None:
        source = self._text((*place, "source"), table.get("source"))
        if source is None:
            return None
        try:
            return describe(_placed(source, self._path.parent))
        except UnreadableModel as reason:
            self._problem((*place, "source"), str(reason))
            return None

    def _name(self, place: Place, value: Any) -> str | None:
        name = self._text(place, value)
        if name is None:
            return None
        name = " ".join(name.split())
        if len(name) > MAX_NAME or not name.isprintable():
            self._problem(
                place, f"A name has {MAX_NAME} characters at the most, and all of them can be seen."
            )
            return None
        return name

    def _size(self, place: Place, value: Any, info: ModelInfo | None) -> int | Size | None:
        """A native edge, or a size of its own for who chooses none."""
        if value is None:
            return None
        try:
            if isinstance(value, str):
                size = Size.parse(value)
            elif isinstance(value, int) and not isinstance(value, bool):
                size = Size(width=value, height=value)
            else:
                self._problem(place, f'size is like 512, or like "512x768" in quotes, not {_shown(value)}.')
                return None
        except InvalidRequest as reason:
            self._problem(place, str(reason))
            return None
        if info is not None and (because := info.size_reason(size)) is not None:
            self._problem(place, because)
            return None
        return size if isinstance(value, str) else size.width

    def _number(
        self, place: Place, value: Any, low: int, high: float, *, whole: bool = False
    ) -> float | int | None:
        if value is None:
            return None
        kinds = int if whole else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
            kind = "a whole number" if whole else "a number"
            self._problem(place, f"{place[-1]} is {kind} from {low} to {high:g}, not {_shown(value)}.")
            return None
        return value

    def _sampler(self, place: Place, value: Any) -> str | None:
        name = self._text(place, value)
        if name is None:
            return None
        if (spec := find_sampler(name)) is not None:
            return spec.name
        self._problem(place, unknown_sampler(name))
        return None

    def _negative_prompt(self, place: Place, value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str) or len(value) > MAX_PROMPT:
            long = f"a text of {len(value):,} characters" if isinstance(value, str) else _shown(value)
            self._problem(
                place,
                f"negative_prompt is a text of at most {MAX_PROMPT:,} characters in quotes, not {long}.",
            )
            return ""
        return value.strip()

    def _vae(self, place: Place, value: Any, info: ModelInfo | None) -> str | None:
        source = self._text(place, value)
        if source is None:
            return None
        source = os.path.normpath(self._path.parent / os.path.expanduser(source))  # noqa: PTH111
        try:
            check_vae(Path(source), channels=None if info is None else _LATENT_CHANNELS.get(info.family))
        except UnreadableModel as reason:
            self._problem(place, str(reason))
            return None
        return source

    def _memory(self, place: Place, value: Any) -> MemoryMode:
        if value is None:
            return MemoryMode.FAST
        if not isinstance(value, str) or value.strip().lower() not in list(MemoryMode):
            modes = ", ".join(f'"{mode}"' for mode in MemoryMode)
            self._problem(place, f"memory is one of {modes}, not {_shown(value)}.")
            return MemoryMode.FAST
        return MemoryMode(value.strip().lower())

    def _text(self, place: Place, value: Any) -> str | None:
        """A text with something in it; None, and a problem unless it was left out, if it is no such text."""
        if value is None or (isinstance(value, str) and value.strip()):
            return None if value is None else value.strip()
        empty = isinstance(value, str)
        self._problem(place, f"{place[-1]} is a text in quotes, not {'empty' if empty else _shown(value)}.")
        return None

    def _problem(self, place: Place, sentence: str) -> None:
        line = line_of(self._lines, place)
        self._problems.append((line, f"Line {line} of {self._path}: {sentence}"))


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


def _placed(source: str, folder: Path) -> str:
    """A source as the engine finds it: places are those beside the file, and other names stay as they are."""
    try:
        beside = folder / source
        if source == EMBEDDED and not beside.exists():
            return str(Path(__file__).parents[1] / EMBEDDED)
        is_place = source.startswith(".") or source.endswith(".safetensors") or beside.exists()
        is_place = is_place or ("/" in source and beside.parent.is_dir())
    except (OSError, ValueError):  # no disk takes such a name; describe says so
        return source
    return str(beside) if is_place and folder != Path() and not source.startswith("~") else source


def _same_place(source: str) -> str:
    return os.path.normpath(os.path.expanduser(source))  # noqa: PTH111 - a name may be no path at all


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def _shown(value: Any) -> str:
    """A value as it may have been written, or what kind it is."""
    match value:
        case str() | bool() | int() | float():
            shown = json.dumps(value, ensure_ascii=False)
            return shown if len(shown) <= 60 else shown[:59] + "…"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or a time"
