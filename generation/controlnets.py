"""Which ControlNets there are: those in the owner's folder and those that came along."""

from __future__ import annotations

import difflib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeAlias

from generation.controlfiles import NO_PREPROCESSOR as NO_PREPROCESSOR
from generation.controlfiles import WEIGHTLESS as WEIGHTLESS
from generation.controlfiles import ControlNetInfo as ControlNetInfo
from generation.controlfiles import Kind as Kind
from generation.controlfiles import Preprocessor as Preprocessor
from generation.controlfiles import Version, describe_controlnet, version_of
from generation.loras import REST, SLOW_S
from generation.model import ModelInfo
from generation.modelfiles import PICKLES, UnreadableModel

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "models" / "controlnets"
"""Those that came along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenControlNet:
    name: str
    problem: str
    """A sentence for the owner."""


Told: TypeAlias = "ControlNetInfo | str"
"""What a place holds, or a sentence for the owner on why that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlNets:
    """All that were found at one moment, by name."""

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
        return cls.told(folders, _told)

    @classmethod
    def told(cls, folders: Iterable[Path], tell: Callable[[Path], Told | None]) -> Self:
        """See :meth:`found`; `tell` says what a place holds, None for one that has gone meanwhile."""
        usable: dict[str, ControlNetInfo] = {}
        broken: dict[str, BrokenControlNet] = {}
        for folder in folders:
            for place in _places(folder):
                name = place.name if place.is_dir() else place.stem
                if name.casefold() in usable.keys() | broken.keys() or (told := tell(place)) is None:
                    continue
                if isinstance(told, ControlNetInfo) and told.name.casefold() in usable:
                    told = f"There is another ControlNet of the name {told.name}."
                if isinstance(told, ControlNetInfo):
                    usable[told.name.casefold()] = told
                else:
                    broken[name.casefold()] = BrokenControlNet(name=name, problem=told)
        return cls(
            usable=tuple(sorted(usable.values(), key=lambda info: info.name.casefold())),
            broken=tuple(sorted(broken.values(), key=lambda each: each.name.casefold())),
        )

    def look(self) -> Self:
        """As :meth:`ControlFolders.look`; these stay what they are."""
        return self

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


class ControlFolders:
    """The ControlNets in some folders. Each look sees what is there at that moment."""

    def __init__(self, *folders: Path | None, preprocessors: frozenset[Preprocessor] = WEIGHTLESS) -> None:
        """Of two of one name the one in the first folder counts.

        Args:
            preprocessors: those that there are weights for, or that need none.
        """
        self._folders = tuple(folder for folder in folders if folder is not None)
        self._preprocessors = preprocessors
        self._read: dict[Path, tuple[Version, Told]] = {}
        self._seen: ControlNets | None = None
        self._look_took = self._looked_at = 0.0
        self._lock = threading.Lock()

    def look(self) -> ControlNets:
        """All that is there. What was not changed is not read again. Blocks.

        Raises:
            UnreadableModel: a folder cannot be read, and none of them ever was.
        """
        with self._lock:
            return self._look()

    def lately(self) -> ControlNets:
        """The same for who is typing: where a look is slow, as it was a moment ago. Blocks.

        Raises:
            UnreadableModel: see :meth:`look`.
        """
        with self._lock:
            rested = time.monotonic() - self._looked_at > REST * self._look_took
            if self._seen is None or rested or self._look_took < SLOW_S:
                return self._look()
            return self._seen

    def _look(self) -> ControlNets:
        began, before, read = time.monotonic(), self._read, {}

        def tell(place: Path) -> Told | None:
            try:
                version = version_of(place)
            except OSError:  # it has gone meanwhile
                return None
            known = before.get(place)
            read[place] = known if known is not None and known[0] == version else (version, _told(place))
            return read[place][1]

        try:
            found = ControlNets.told(self._folders, tell)
        except UnreadableModel as reason:
            if self._seen is None:
                raise
            log.warning("%s", reason)
            return self._seen
        self._read, self._seen = read, replace(found, preprocessors=self._preprocessors)
        self._looked_at = time.monotonic()
        self._look_took = self._looked_at - began
        return self._seen


def control_folders(
    folder: Path | None, *, depth: Path | None = None, pose: Path | None = None
) -> ControlFolders:
    """The owner's folder, if there is one, and that of those that came along.

    Args:
        depth: the owner's model that tells depth in pictures.
        pose: the one that tells poses.
    """
    weights = {Preprocessor.DEPTH: depth, Preprocessor.POSE: pose}
    named = {each for each in weights if weights[each] is not None}
    return ControlFolders(folder, SHIPPED, preprocessors=WEIGHTLESS | named)


def _told(place: Path) -> Told:
    try:
        return describe_controlnet(place)
    except UnreadableModel as reason:
        return str(reason)
    except OSError as error:
        return f"{place.name if place.is_dir() else place.stem} cannot be read: {error.strerror}."


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
