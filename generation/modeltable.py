"""One `[[model]]` of the owner's `models.toml` becomes a ModelInfo, and what is wrong in it a sentence."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from generation.catalogue import Defaults, Family, MemoryMode, ModelInfo, describe, is_guessed
from generation.looks import check_ip_adapter, image_encoder_of
from generation.modelfiles import UnreadableModel, check_taesd, check_vae
from generation.prompting import choices
from generation.prompting.attention import parts_of
from generation.prompting.choices import leaves_choices
from generation.refiner import check_base, check_refiner
from generation.request import MAX_CLIP_SKIP, MAX_GUIDANCE, MAX_PROMPT, MAX_STEPS, InvalidRequest, Size
from generation.samplers import SAMPLERS, find_sampler, sampler_reason, unknown_sampler
from generation.sentence import shortened
from generation.tomllines import Place, line_of
from generation.unetshape import shape_of

T = TypeVar("T")

EMBEDDED = "models/mini"
"""The model that comes along; it is found from whichever folder the bot is started in."""

MAX_NAME = 100
"""Characters in the name of a model: what Discord takes of a choice."""

KEYS = (
    *("name", "source", "size", "steps", "guidance", "sampler", "clip_skip", "negative_prompt", "vae"),
    *("taesd", "refiner", "refiner_start", "ip_adapter", "image_encoder", "memory", "default"),
)
"""What may stand in a `[[model]]`; all but the first two may be left out."""

_LATENT_CHANNELS = {Family.SD1: 4, Family.SD2: 4, Family.SDXL: 4}


class Problems:
    """What is wrong in a file, in sentences for the owner, from its first line to its last."""

    def __init__(self, path: Path, lines: Mapping[Place, int]) -> None:
        self._path = path
        self._lines = lines
        self._found: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, place: Place, sentence: str) -> None:
        line = self.line(place)
        self._found.append((line, f"Line {line} of {self._path}: {sentence}"))

    def line(self, place: Place) -> int:
        return line_of(self._lines, place)

    def sentences(self, begin: int = 1, end: int | None = None) -> tuple[str, ...]:
        """Those about the lines from `begin` to before `end`; None: to the last."""
        return tuple(
            sentence
            for line, sentence in sorted(self._found)
            if begin <= line and (end is None or line < end)
        )


def read_model(table: Mapping[str, Any], place: Place, folder: Path, problems: Problems) -> ModelInfo | None:
    """The model that a table describes; None, and at least one problem, if that cannot be told.

    Args:
        table: as tomllib reads it.
        place: where it stands in its file.
        folder: beside which relative places are looked for.
    """
    return _Table(table, place, folder, problems).model()


def shown(value: Any) -> str:
    """A value as it may have been written, or what kind it is."""
    match value:
        case str() | bool() | int() | float():
            written = json.dumps(value, ensure_ascii=False)
            return shortened(written, 60)
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or a time"


class _Table:
    def __init__(self, table: Mapping[str, Any], place: Place, folder: Path, problems: Problems) -> None:
        self._table = table
        self._place = place
        self._folder = folder
        self._problems = problems

    def model(self) -> ModelInfo | None:
        self._refuse_unknown_keys()
        info = self._read("source", lambda value: describe(_placed(_text("source", value), self._folder)))
        name = self._read("name", _name)
        size = self._read("size", lambda value: _size(value, info))
        steps = self._read("steps", _steps)
        guidance = self._read("guidance", _guidance)
        sampler = self._read("sampler", _sampler)
        clip_skip = self._read("clip_skip", lambda value: _clip_skip(value, info))
        negative_prompt = self._read("negative_prompt", lambda value: _negative_prompt(value, info))
        vae = self._read("vae", lambda value: _vae(value, self._folder, info))
        taesd = self._read("taesd", lambda value: _taesd(value, self._folder))
        refiner = self._read("refiner", lambda value: _refiner(value, self._folder, info))
        refiner_start = self._read("refiner_start", lambda value: _refiner_start(value, self._table))
        image_encoder = self._read("image_encoder", lambda value: _encoder(value, self._folder, self._table))
        ip_adapter = self._read(
            "ip_adapter", lambda value: _ip_adapter(value, self._folder, info, image_encoder)
        )
        memory = self._read("memory", _memory)
        self._read("default", _yes_or_no)
        if info is None or name is None:
            return None
        defaults = Defaults(
            steps=steps or info.defaults.steps,
            guidance=info.defaults.guidance if guidance is None else guidance,
            sampler=sampler or info.defaults.sampler,
            size=size if isinstance(size, Size) else None,
            clip_skip=clip_skip or info.defaults.clip_skip,
        )
        self._check_sampler(info, defaults)
        return replace(
            info,
            name=name,
            native=size if isinstance(size, int) else info.native,
            defaults=defaults,
            negative_prompt=negative_prompt or "",
            vae=vae,
            taesd=taesd,
            refiner=refiner,
            refiner_start=refiner_start or info.refiner_start,
            ip_adapter=ip_adapter,
            image_encoder=image_encoder,
            memory=memory or MemoryMode.FAST,
            decided=frozenset(self._table),
        )

    def _refuse_unknown_keys(self) -> None:
        for key in self._table.keys() - set(KEYS):
            near = difflib.get_close_matches(key.lower().replace("-", "_"), KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"I know {', '.join(KEYS)}."
            self._problem(key, f"I do not know {shown(key)} of a model; {hint}")
        for key in ("name", "source"):
            if key not in self._table:
                self._problem(key, f"This model has no {key}; write {key} = and a text in quotes.")

    def _read(self, key: str, read: Callable[[Any], T]) -> T | None:
        """What a key says: None if it was left out; None and a problem if it cannot be."""
        if key not in self._table:
            return None
        try:
            return read(self._table[key])
        except (UnreadableModel, InvalidRequest) as reason:
            self._problem(key, str(reason))
            return None

    def _check_sampler(self, info: ModelInfo, defaults: Defaults) -> None:
        """The sampler with this model, and with so many steps."""
        if defaults.sampler not in info.samplers:
            self._problem("sampler", "This model draws with a sampler of its own; leave sampler out.")
        elif defaults.sampler in SAMPLERS:
            because = sampler_reason(defaults.sampler, defaults.steps)
            if because is not None:
                self._problem("steps" if "steps" in self._table else "sampler", because)

    def _problem(self, key: str, sentence: str) -> None:
        self._problems.add((*self._place, key), sentence)


# What a key may say --------------------------------------------------------------------------------------
# Each raises UnreadableModel or InvalidRequest with a sentence for the owner.


def _name(value: Any) -> str:
    name = " ".join(_text("name", value).split())
    if len(name) > MAX_NAME or not name.isprintable():
        raise UnreadableModel(f"A name has {MAX_NAME} characters at the most, and all of them can be seen.")
    return name


def _size(value: Any, info: ModelInfo | None) -> int | Size:
    """A native edge, or a size of its own for who chooses none."""
    if isinstance(value, str):
        size = Size.parse(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        size = Size(width=value, height=value)
    else:
        raise UnreadableModel(f'size is like 512, or like "512x768" in quotes, not {shown(value)}.')
    if info is not None and (because := info.size_reason(size)) is not None:
        raise UnreadableModel(because)
    return size if isinstance(value, str) else size.width


def _steps(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_STEPS:
        raise UnreadableModel(f"steps is a whole number from 1 to {MAX_STEPS}, not {shown(value)}.")
    return value


def _guidance(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MAX_GUIDANCE:
        raise UnreadableModel(f"guidance is a number from 0 to {MAX_GUIDANCE:g}, not {shown(value)}.")
    return float(value)


def _sampler(value: Any) -> str:
    found = find_sampler(text := _text("sampler", value))
    if found is None:
        raise UnreadableModel(unknown_sampler(text))
    return found.name


def _clip_skip(value: Any, info: ModelInfo | None) -> int:
    layers = MAX_CLIP_SKIP if info is None else min(MAX_CLIP_SKIP, info.clip_layers)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= layers:
        raise UnreadableModel(f"clip_skip is a whole number from 1 to {layers}, not {shown(value)}.")
    if value > 1 and info is not None and info.family is Family.OTHER:
        raise UnreadableModel("This model takes no clip skip; leave it out.")
    return value


def _negative_prompt(value: Any, info: ModelInfo | None) -> str:
    if not isinstance(value, str) or len(value) > MAX_PROMPT:
        given = f"a text of {len(value):,} characters" if isinstance(value, str) else shown(value)
        raise UnreadableModel(
            f"negative_prompt is a text of at most {MAX_PROMPT:,} characters in quotes, not {given}."
        )
    if leaves_choices(value):
        choices.read(value, "negative prompt")
    elif info is not None and info.family is not Family.OTHER:
        parts_of(value, "negative prompt")
    return value.strip()


def _vae(value: Any, folder: Path, info: ModelInfo | None) -> str:
    # os.path, because a "~name" that is nobody's stays as it is there.
    place = os.path.normpath(folder / os.path.expanduser(_text("vae", value)))  # noqa: PTH111
    check_vae(Path(place), channels=None if info is None else _LATENT_CHANNELS.get(info.family))
    return place


def _taesd(value: Any, folder: Path) -> str:
    source = _placed(_text("taesd", value), folder)
    check_taesd(source)
    return source


def _refiner(value: Any, folder: Path, info: ModelInfo | None) -> str:
    source = _placed(_text("refiner", value), folder)
    check_refiner(source)
    # What one on the hub really is, is sure when it is fetched; then this is looked at again.
    if info is not None and not is_guessed(info.source):
        check_base(info)
    return source


def _refiner_start(value: Any, table: Mapping[str, Any]) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
        raise UnreadableModel(f"refiner_start is a number between 0 and 1, like 0.8, not {shown(value)}.")
    if "refiner" not in table:
        raise UnreadableModel("This model has no refiner to start; name one, or leave refiner_start out.")
    return float(value)


def _encoder(value: Any, folder: Path, table: Mapping[str, Any]) -> str:
    if "ip_adapter" not in table:
        raise UnreadableModel("This model has no ip_adapter that an image encoder would be for; name one.")
    return os.path.normpath(folder / os.path.expanduser(_text("image_encoder", value)))  # noqa: PTH111


def _ip_adapter(value: Any, folder: Path, info: ModelInfo | None, encoder: str | None) -> str:
    place = os.path.normpath(folder / os.path.expanduser(_text("ip_adapter", value)))  # noqa: PTH111
    if info is not None and info.family is Family.OTHER:
        raise UnreadableModel(
            "This model is drawn by its own pipeline, which takes no IP-Adapter; leave it out."
        )
    shape = None if info is None else shape_of(info)
    check_ip_adapter(
        Path(place), image_encoder_of(place, encoder), width=None if shape is None else shape.words
    )
    return place


def _memory(value: Any) -> MemoryMode:
    if not isinstance(value, str) or value.strip().lower() not in list(MemoryMode):
        modes = ", ".join(f'"{mode}"' for mode in MemoryMode)
        raise UnreadableModel(f"memory is one of {modes}, not {shown(value)}.")
    return MemoryMode(value.strip().lower())


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UnreadableModel(f"default is true or false, not {shown(value)}.")
    return value


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UnreadableModel(f"{key} is a text in quotes, not {shown(value)}.")
    if not value.strip():
        raise UnreadableModel(f"{key} is empty; write a text in the quotes.")
    return value.strip()


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
