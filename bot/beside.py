"""What the owner keeps beside models: learned words, LoRAs, ControlNets and upscalers, each on a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.settings import Settings
from generation import loras
from generation.controlnets import BrokenControlNet, ControlNetInfo, control_folders
from generation.embeddings import SHIPPED, Embeddings, Learned
from generation.loras import BrokenLora, Lora, Loras
from generation.upscalers import Upscalers

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
        "LoRAs": _loras(settings),
        "ControlNets": _controlnets(settings, weigh),
        "Upscalers": _upscalers(settings, weigh),
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


def _loras(settings: Settings) -> Iterator[Beside]:
    for lora in Loras(settings.loras_folder, loras.SHIPPED).look():
        if isinstance(lora, BrokenLora):
            yield Beside(name=lora.name, problem=lora.problem)
        else:
            yield Beside(name=lora.name, told=_changes(lora))


def _changes(lora: Lora) -> str:
    texts = ", changes how prompts are read" if lora.reads else ""
    triggers = f"; trigger words: {', '.join(lora.triggers)}" if lora.triggers else ""
    return f"{lora.format}, rank {lora.rank}, for {lora.made_for}{texts}{triggers}"


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
