"""python -m bot models: which models there are, what is broken about them and why, and one more of them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.beside import Beside, beside, size_of
from bot.settings import MODELS_FILE, Settings, SettingsError, read_settings
from generation.catalogue import describe, is_guessed, place_on_disk
from generation.model import Family, MemoryMode, ModelInfo
from generation.modelfiles import UnreadableModel
from generation.modeltable import EMBEDDED
from generation.shelf import Entry, Shelf, UnreadableShelf, read_shelf, shelf_of, survey
from generation.weighing import weigh
from storage.disk import write_durably

_EMBEDDED = Path(__file__).parents[1] / EMBEDDED
_HEAD = "# The models that people may choose from; docs/models.md says what else may stand here.\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What follows `python -m bot models`."""
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="show the models, what memory they need, and what is broken")
    check = commands.add_parser("check", help="say of each model whether it is well; status 1 if one is not")
    check.add_argument("source", nargs="*", help="look at these instead of the models that are offered")
    add = commands.add_parser("add", help="write one more model into the file that describes them")
    add.add_argument("source", help="a folder, a .safetensors file or a Hugging Face id")
    add.add_argument("--name", help="what people see and choose; else what it is called itself")


def look_after(options: argparse.Namespace) -> int:
    """Do what was asked; the exit status: 0, or 1 if something is broken."""
    try:
        settings = read_settings()
        match options.command:
            case "list":
                return _list(settings)
            case "check":
                return _check(settings, options.source)
            case _:
                return _add(settings, options.source, options.name)
    except (SettingsError, UnreadableModel) as reason:
        sys.stderr.write(f"{reason}\n")
        return 1


def _say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")


# What there is -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A model, and what was found out about it."""

    name: str
    info: ModelInfo | None
    problems: tuple[str, ...]
    memory: str | None = None
    """A sentence; None if its weights are not here."""
    default: bool
    """Draws for who chooses none."""


def _entries(settings: Settings) -> tuple[Entry, ...]:
    if (file := settings.models_file) is not None:
        return survey(file)
    return (_entry(settings.model),)


def _entry(source: str) -> Entry:
    try:
        info = describe(source)
    except UnreadableModel as reason:
        return Entry(name=source, info=None, problems=tuple(str(reason).splitlines()))
    return Entry(name=info.name, info=info, default=True)


def _looked_at(entry: Entry, settings: Settings) -> Found:
    """An entry with what its files say, all of whose headers are read."""
    if entry.info is None:
        return Found(name=entry.name, info=None, problems=entry.problems, default=entry.default)
    problems, memory = list(entry.problems), None
    try:
        memory = _memory(entry.info, settings)
    except UnreadableModel as reason:
        problems.append(str(reason))
    try:
        entry.info.within(pixels=settings.max_pixels, steps=settings.max_steps)
    except UnreadableModel as reason:
        problems.append(str(reason))
    return Found(
        name=entry.name, info=entry.info, problems=tuple(problems), memory=memory, default=entry.default
    )


def _memory(info: ModelInfo, settings: Settings) -> str | None:
    """What memory its weights need, in words."""
    if (weights := weigh(info)) is None:
        return None
    widths = _widths(settings)
    told = " or ".join(f"{size_of(weights.total(width))} {how}" for how, width in widths.items())
    sentence = f"about {told}: an estimate of its weights, by its files; drawing takes more"
    if info.memory in (MemoryMode.FAST, MemoryMode.BALANCED):
        return sentence
    (_, width), *_ = widths.items()
    at_once = weights.at_once(width)
    share = "a few layers of them" if at_once is None else f"about {size_of(at_once)} of them"
    return f'{sentence}. With memory = "{info.memory}" only {share} at a time are on the graphics card'


def _widths(settings: Settings) -> dict[str, int]:
    """How many bytes a number has, by what decides it. Only torch knows which device `auto` is."""
    if settings.dtype != "auto":
        return {f"in {settings.dtype}": 4 if settings.dtype == "float32" else 2}
    if settings.device == "cpu":
        return {"in float32": 4}
    on_card = {"in float16 on a graphics card": 2}
    return on_card if settings.device != "auto" else {**on_card, "in float32 on a processor": 4}


def _list(settings: Settings) -> int:
    file = settings.models_file
    _say(f"In {file}:" if file is not None else "There is no file of models; MODEL names the only one:")
    found = [_looked_at(entry, settings) for entry in _entries(settings)]
    for model in found:
        _say()
        _say(f"{model.name} (draws for who chooses none)" if model.default else model.name)
        for line in _lines(model):
            _say(f"  {line}")
    kinds = _beside(settings)
    for heading, files in kinds.items():
        _say()
        _say(f"{heading}:")
        for each in files:
            _say(f"  {each.name}   {each.told if each.problem is None else f'broken   {each.problem}'}")
    broken = any(each.problem for files in kinds.values() for each in files)
    return int(broken or any(model.problems for model in found))


def _beside(settings: Settings) -> dict[str, list[Beside]]:
    def weigh(numbers: int) -> str:
        return " or ".join(f"{size_of(numbers * width)} {how}" for how, width in _widths(settings).items())

    return beside(settings, weigh)


def _lines(found: Found) -> Iterator[str]:
    if (info := found.info) is not None:
        yield f"source   {info.source}"
        kind = f"{info.family}, made for inpainting" if info.inpainting else info.family
        yield f"family   {kind}{', by its name' if _is_guess(info) else ''}"
        yield f"size     {info.native}x{info.native}"
        if found.memory is not None:
            yield f"memory   {found.memory}"
        elif info.family is not Family.NOISE:
            yield "memory   not known until it is fetched"
        for what in ("vae", "taesd", "refiner", "ip_adapter"):
            if (beside := getattr(info, what)) is not None:
                yield f"{what:<8} {beside}"
        if info.note is not None:
            yield f"note     {info.note}"
    for problem in found.problems:
        yield f"broken   {problem}"


def _is_guess(info: ModelInfo) -> bool:
    return info.family is not Family.NOISE and is_guessed(info.source)


def _check(settings: Settings, sources: Sequence[str]) -> int:
    entries = [_entry(source) for source in sources] if sources else _entries(settings)
    broken = 0
    for entry in entries:
        found = _looked_at(entry, settings)
        if not found.problems:
            unsure = found.info is not None and _is_guess(found.info)
            _say(f"{found.name}: {'not here yet, so known by its name only' if unsure else 'well'}")
            continue
        broken += 1
        _say(f"{found.name}: broken")
        for problem in found.problems:
            _say(f"  {problem}")
    for files in () if sources else _beside(settings).values():
        for file in files:
            _say(f"{file.name}: {'well' if file.problem is None else 'broken'}")
            if file.problem is not None:
                broken += 1
                _say(f"  {file.problem}")
    return int(broken > 0)


# One more ------------------------------------------------------------------------------------------------


def _add(settings: Settings, source: str, name: str | None) -> int:
    """Write it behind what is there, of which not a byte changes."""
    found = _looked_at(_entry(source), settings)
    if found.info is None or found.problems:
        raise UnreadableShelf([*found.problems, "Nothing was written."])
    name = found.info.name if name is None else name
    if (file := settings.models_file) is None:
        return _begin(settings, found.info, name, source)
    try:
        shelf = read_shelf(file)
    except UnreadableShelf as reason:
        raise UnreadableShelf([*reason.problems, "Mend that first; nothing was written."]) from reason
    placed = _placed(source, file)
    for spelling in (placed, str(Path(source).absolute())):
        if (known := shelf.by_source(spelling)) is not None:
            raise UnreadableShelf([f"{source} is in {file} already, as {known.name}."])
    if (known := shelf.find(name)) is not None:
        raise UnreadableShelf([f"{file} has a model {known.name} already; give this one another --name."])
    before = _bytes_of(file)
    text = before.decode("utf-8-sig")
    table = _table(name, placed)
    more = f"\n{table}" if text.endswith("\n") else f"\n\n{table}"
    added = _verified(text + more, file, table).models[-1]
    _write(file, before, more.replace("\n", "\r\n") if "\r\n" in text else more)
    _tell(added, file)
    return 0


def _begin(settings: Settings, info: ModelInfo, name: str, source: str) -> int:
    """The first one, in a file of its own, behind the one that MODEL names."""
    present, said = _entry(settings.model), f"{MODELS_FILE} is new; while it is there, MODEL is not used."
    table = _table(name, _placed(source, MODELS_FILE))
    text = table
    if present.info is None:
        said += f" {settings.model}, which MODEL names, cannot be used and is left out."
    elif Path(present.info.source).absolute() != Path(info.source).absolute():
        text = f"{_table(present.name, _placed(settings.model, MODELS_FILE))}\n{table}"
        said += f" {present.name}, which MODEL names, is its first model and draws for who chooses none."
    added = _verified(f"{_HEAD}\n{text}", MODELS_FILE, table).models[-1]
    _write(MODELS_FILE, None, f"{_HEAD}\n{text}")
    _tell(added, MODELS_FILE)
    _say(said)
    return 0


def _table(name: str, source: str) -> str:
    # A JSON string is a TOML string.
    name, source = json.dumps(name, ensure_ascii=False), json.dumps(source, ensure_ascii=False)
    return f"[[model]]\nname = {name}\nsource = {source}\n"


def _placed(source: str, file: Path) -> str:
    """A source as it must stand in this file, beside which relative places are looked for."""
    place = None if source.startswith("fake:") else place_on_disk(source)
    if place is None or (place.is_absolute() and not _is_embedded(place)):
        return source
    if _is_embedded(place) and not (file.parent / EMBEDDED).exists():
        return EMBEDDED
    return source if file.parent.absolute() == Path.cwd() else str(place.absolute())


def _is_embedded(place: Path) -> bool:
    return place.resolve() == _EMBEDDED.resolve()


def _verified(text: str, file: Path, table: str) -> Shelf:
    """The models of the file with this text."""
    try:
        text.encode()
        return shelf_of(text, file)
    except UnicodeEncodeError as error:
        raise UnreadableShelf(["That name holds what is no letter; rename the file or folder."]) from error
    except UnreadableShelf as reason:
        raise UnreadableShelf(
            [*reason.problems, f"Nothing was written to {file}. It would have been:", table.rstrip()]
        ) from reason


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnreadableShelf([f"{file} cannot be read: {error.strerror}."]) from error


def _write(file: Path, before: bytes | None, more: str) -> None:
    """Append to a file that holds this, all or nothing; None: it is new."""
    place = file.resolve()  # where a link leads
    if (_bytes_of(file) if place.exists() else None) != before:
        raise UnreadableShelf([f"{file} has just been changed by somebody else; nothing was written."])
    try:
        mode = None if before is None else place.stat().st_mode
        write_durably({place: (before or b"") + more.encode()})
        if mode is not None:
            place.chmod(mode)
    except OSError as error:
        raise UnreadableShelf([f"{file} cannot be written: {error.strerror}."]) from error


def _tell(added: ModelInfo, file: Path) -> None:
    _say(f"Added {added.name} to {file}. It can be chosen when the bot is started again.")
    if added.note is not None:
        _say(added.note)
