"""Which ControlNets there are: those in the owner's folder and those that came along."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from generation.controlfiles import NO_PREPROCESSOR as NO_PREPROCESSOR
from generation.controlfiles import WEIGHTLESS as WEIGHTLESS
from generation.controlfiles import ControlNetInfo as ControlNetInfo
from generation.controlfiles import Kind as Kind
from generation.controlfiles import Preprocessor as Preprocessor
from generation.controlfiles import describe_controlnet
from generation.model import ModelInfo
from generation.modelfiles import PICKLES, UnreadableModel

SHIPPED = Path(__file__).parents[1] / "models" / "controlnets"
"""Those that came along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenControlNet:
    name: str
    problem: str
    """A sentence for the owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlNets:
    """All that were found, by name."""

    usable: tuple[ControlNetInfo, ...] = ()
    broken: tuple[BrokenControlNet, ...] = ()
    preprocessors: frozenset[Preprocessor] = WEIGHTLESS
    """Those that there are weights for, or that need none."""

    @classmethod
    def found(cls, folders: Iterable[Path]) -> Self:
        """Look through these folders; of two of one name the one in the earlier folder counts. Reads headers.

        Raises:
            UnreadableModel: a folder cannot be read.
        """
        usable: dict[str, ControlNetInfo] = {}
        broken: dict[str, BrokenControlNet] = {}
        for folder in folders:
            for place in _places(folder):
                name = place.name if place.is_dir() else place.stem
                if name.casefold() in usable.keys() | broken.keys():
                    continue
                try:
                    info = describe_controlnet(place)
                    if info.name.casefold() in usable:
                        raise UnreadableModel(f"There is another ControlNet of the name {info.name}.")
                    usable[info.name.casefold()] = info
                except UnreadableModel as reason:
                    broken[name.casefold()] = BrokenControlNet(name=name, problem=str(reason))
                except OSError as error:
                    problem = f"{name} cannot be read: {error.strerror}."
                    broken[name.casefold()] = BrokenControlNet(name=name, problem=problem)
        return cls(
            usable=tuple(sorted(usable.values(), key=lambda info: info.name.casefold())),
            broken=tuple(sorted(broken.values(), key=lambda each: each.name.casefold())),
        )

    def find(self, name: str) -> ControlNetInfo | None:
        """The one of this name, however it was capitalised."""
        return next((info for info in self.usable if _same(info.name, name)), None)

    def nearest(self, name: str) -> ControlNetInfo | None:
        names = {info.name.casefold(): info for info in self.usable}
        near = difflib.get_close_matches(name.casefold(), names, n=1)
        return names[near[0]] if near else None

    def for_model(self, model: ModelInfo) -> tuple[ControlNetInfo, ...]:
        """Those that can steer this model."""
        return tuple(info for info in self.usable if info.reject_reason(model) is None)


def found_controlnets(
    folder: Path | None, *, depth: Path | None = None, pose: Path | None = None
) -> ControlNets:
    """Those in the owner's folder, if there is one, and those that came along.

    Args:
        depth: the owner's model that tells depth in pictures.
        pose: the one that tells poses.

    Raises:
        UnreadableModel: the folder cannot be read.
    """
    found = ControlNets.found([SHIPPED] if folder is None else [folder, SHIPPED])
    weights = {Preprocessor.DEPTH: depth, Preprocessor.POSE: pose}
    return replace(found, preprocessors=WEIGHTLESS | {each for each in weights if weights[each] is not None})


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _places(folder: Path) -> Iterator[Path]:
    """What may be a ControlNet: folders, and files of weights."""
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UnreadableModel(
            f"The folder {folder} of ControlNets cannot be read: {error.strerror}."
        ) from error
    files = {path.stem for path in entries if path.suffix.lower() == ".safetensors"}
    for path in entries:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if path.name not in files and not _is_empty(path):  # else it configures that file
                yield path
        elif (suffix := path.suffix.lower()) == ".safetensors" or (
            suffix in PICKLES and path.stem not in files
        ):
            yield path


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:  # not ours to read, such as lost+found
        return True
