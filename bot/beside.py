"""What the owner keeps beside models: learned words, LoRAs, ControlNets and others, each on a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.settings import Settings, SettingsError
from generation import loras
from generation.checkers import on_disk, within
from generation.controlnets import BrokenControlNet, ControlNetInfo, control_folders
from generation.embeddings import SHIPPED, Embeddings, Learned
from generation.loras import BrokenLora, Lora, Loras
from generation.modelfiles import UnreadableModel
from generation.upscalers import Upscalers
from generation.weighing import numbers_in

GIB, MIB = 2**30, 2**20
Weigh = Callable[[int], str]
"""What memory so many numbers need, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One file."""

    name: str
    told: str = ""
    problem: str | None = None
    """A sentence; None: it is well."""


def beside(settings: Settings, weigh: Weigh) -> dict[str, list[Beside]]:
    """All there is in the owner's folders and what comes along, under a heading for each kind."""
    kinds = {
        "Learned words": _words(settings),
        "LoRAs": _loras(settings, weigh),
        "ControlNets": _controlnets(settings, weigh),
        "Upscalers": _upscalers(settings, weigh),
        "What looks at pictures": _lookers(settings, weigh),
    }
    return {heading: found for heading, files in kinds.items() if (found := list(files))}


def _words(settings: Settings) -> Iterator[Beside]:
    embeddings = Embeddings(settings.embeddings_folder, SHIPPED)
    embeddings.refresh()
    for word in embeddings.known:
        yield Beside(name=word.word, told=_vectors(word), problem=word.problem)


def _vectors(word: Learned) -> str:
    many = "1 vector" if word.vectors == 1 else f"{word.vectors} vectors"
    return f"{many} for {word.made_for}"


def _loras(settings: Settings, weigh: Weigh) -> Iterator[Beside]:
    for lora in Loras(settings.loras_folder, loras.SHIPPED).look():
        if isinstance(lora, BrokenLora):
            yield Beside(name=lora.name, problem=lora.problem)
        else:
            yield Beside(name=lora.name, told=_changes(lora, weigh))


def _changes(lora: Lora, weigh: Weigh) -> str:
    texts = ", changes how prompts are read" if lora.reads else ""
    triggers = f"; trigger words: {', '.join(lora.triggers)}" if lora.triggers else ""
    memory = f", about {weigh(lora.numbers)}"
    return f"{lora.format}, rank {lora.rank}, for {lora.made_for}{texts}{memory}{triggers}"


def _controlnets(settings: Settings, weigh: Weigh) -> Iterator[Beside]:
    found = control_folders(settings.controlnets_folder).look()
    files: tuple[ControlNetInfo | BrokenControlNet, ...] = (*found.usable, *found.broken)
    for net in files:
        if isinstance(net, BrokenControlNet):
            yield Beside(name=net.name, problem=net.problem)
        else:
            note = "" if net.note is None else f"; {net.note}"
            yield Beside(
                name=net.name, told=f"{net.kind}, for {net.family}, about {weigh(net.numbers)}{note}"
            )


def _upscalers(settings: Settings, weigh: Weigh) -> Iterator[Beside]:
    for file in Upscalers(settings.upscalers_folder).survey():
        yield Beside(name=file.name, told=f"about {weigh(file.numbers)}", problem=file.problem)


def _lookers(settings: Settings, weigh: Weigh) -> Iterator[Beside]:
    """What makes control pictures, describes and checks, as far as it is on this disk."""

    def in_float32(numbers: int) -> str:
        return f"{size_of(4 * numbers)} in float32"

    places: Mapping[str, tuple[Callable[[], Path | None], Weigh]] = {
        "depth": (lambda: settings.depth_folder, in_float32),
        "pose": (lambda: settings.pose_folder, in_float32),
        "people": (lambda: settings.people_folder, in_float32),
        "describer": (lambda: settings.describer_folder, in_float32),
        "safety checker": (lambda: _checker(settings), weigh),
    }
    for name, (place, weighed) in places.items():
        try:
            if (folder := place()) is not None:
                yield Beside(name=name, told=f"{folder}, about {weighed(numbers_in(folder))}")
        except (SettingsError, UnreadableModel) as reason:
            yield Beside(name=name, problem=str(reason))


def _checker(settings: Settings) -> Path | None:
    folder = on_disk(settings.owner_safety.checker, None)
    return None if folder is None else within(folder)


def size_of(count: int) -> str:
    """So many bytes, in words."""
    if count >= GIB / 10:
        return f"{count / GIB:.1f} GiB"
    return f"{count / MIB:.0f} MiB" if count >= MIB else f"{count / 2**10:.0f} KiB"
