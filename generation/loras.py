"""LoRAs in folders of the owner's, told by the headers of their files: neither torch nor weights are read."""

from __future__ import annotations

import difflib
import logging
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from generation.loranotes import MAX_TRIGGER, advised_weight, notes_beside, triggers_of
from generation.model import Family, ModelInfo
from generation.modelfiles import PICKLES, UnreadableModel, tensor_shapes
from generation.prompting.loras import all_in_force, folded
from generation.request import GenerationRequest, InvalidRequest
from generation.sentence import first_of, say

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parents[1] / "models" / "loras"
"""LoRAs that come along."""
MAX_NAMED = 10
SLOW_S = 0.25
"""A look that takes longer is not repeated for every key that somebody presses."""
REST = 4.0
"""So many times as long as such a look took, what it saw is taken for what is there."""
_KNOWN_WIDTHS = {768: Family.SD1, 1024: Family.SD2, 2048: Family.SDXL}


class Format(StrEnum):
    """How a file names its weights."""

    KOHYA = "kohya"
    PEFT = "PEFT"
    """As diffusers writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """A LoRA that can be used. Another file under the same name is another one."""

    name: str
    """Of its file without the ending; with the folder in front if there are several of that name."""
    path: Path
    version: tuple[int, int]
    """When the file was changed, in ns, and its bytes."""
    format: Format
    rank: int
    width: int | None
    """Of the text that the model's cross-attention reads; None: it changes nothing there."""
    reads: bool
    """It changes a text encoder too."""
    numbers: int = 0
    """How many its weights are."""
    triggers: tuple[str, ...] = ()
    """Words that it was taught under."""
    advised: float | None = None
    """The weight that its owner noted."""

    @property
    def made_for(self) -> str:
        """What kind of model, in words."""
        if self.width is None:
            return say("any model of its shapes")
        known = _KNOWN_WIDTHS.get(self.width)
        if known is None:
            return say("a model that reads text of width {width}", width=self.width)
        return str(known)

    def reject_reason(self, model: ModelInfo) -> str | None:
        """Why this model cannot draw with it, as a sentence for a person, or None."""
        if self.width is None or not model.text_widths or self.width == sum(model.text_widths):
            return None
        return say(
            "The LoRA {name} is made for {made_for}; {model} is of another kind.",
            name=quoted(self.name),
            made_for=self.made_for,
            model=model.name,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLora:
    """A file that cannot be used."""

    name: str
    path: Path
    version: tuple[int, int]
    problem: str
    """A sentence for the owner."""


class Loras:
    """The LoRAs in some folders and the folders in those. Each look sees what is there at that moment."""

    def __init__(self, *folders: Path | None) -> None:
        """Of two files with one name the one in the first folder counts."""
        self._folders = tuple(dict.fromkeys(folder for folder in folders if folder is not None))
        self._read: dict[Path, Lora | BrokenLora] = {}
        self._seen: tuple[Lora | BrokenLora, ...] = ()
        self._look_took = self._looked_at = 0.0
        self._lock = threading.Lock()

    @property
    def folders(self) -> tuple[Path, ...]:
        return self._folders

    def look(self) -> tuple[Lora | BrokenLora, ...]:
        """All that is there, by its names. A file is read again only if it was changed. Blocks."""
        with self._lock:
            return self._look()

    def _look(self) -> tuple[Lora | BrokenLora, ...]:
        began = time.monotonic()
        before, self._read = self._read, {}
        found: dict[str, Lora | BrokenLora] = {}
        for folder in self._folders:
            for name, path in _named(folder, _files(folder)):
                if folded(name) not in found and (lora := _looked_at(path, name, before)) is not None:
                    self._read[path] = found[folded(name)] = lora
        self._seen = tuple(sorted(found.values(), key=lambda lora: lora.name.casefold()))
        self._looked_at = time.monotonic()
        self._look_took = self._looked_at - began
        return self._seen

    def usable(self) -> tuple[Lora, ...]:
        """Those of them that can be used. Blocks."""
        return _usable(self.look())

    def lately(self) -> tuple[Lora, ...]:
        """The same for who is typing: where a look is slow, see SLOW_S, as it was a moment ago. Blocks."""
        with self._lock:
            rested = time.monotonic() - self._looked_at > REST * self._look_took
            return _usable(self._look() if rested or self._look_took < SLOW_S else self._seen)

    def find(self, name: str) -> Lora:
        """The LoRA of this name, however it was capitalised. Blocks; see :meth:`find_all`."""
        return self.find_all([name])[0]

    def find_all(self, names: Sequence[str]) -> tuple[Lora, ...]:
        """The LoRAs of these names, in this order, by one look at the folders. Blocks.

        Raises:
            InvalidRequest: there is none of a name that can be used; a sentence for the person.
        """
        if not names:
            return ()
        there = self.look()
        return tuple(self._found(name, there) for name in names)

    def _found(self, name: str, there: Sequence[Lora | BrokenLora]) -> Lora:
        found = next((lora for lora in there if folded(lora.name) == folded(name)), None)
        if isinstance(found, Lora):
            return found
        if found is not None:
            raise InvalidRequest(
                say(
                    "The LoRA {name} cannot be used: its file is broken; "
                    "the owner can see why with `python -m bot models check`.",
                    name=quoted(found.name),
                )
            )
        raise InvalidRequest(_unknown(name, [lora.name for lora in there if isinstance(lora, Lora)]))

    def reject_reason(self, request: GenerationRequest, model: ModelInfo) -> str | None:
        """Why this model cannot draw with the LoRAs of this request, or None. Blocks."""
        try:
            names = dict.fromkeys(each.name for some in all_in_force(request) for each in some)
            for lora in self.find_all(list(names)):
                if (reason := lora.reject_reason(model)) is not None:
                    return reason
        except InvalidRequest as reason:
            return reason.sentence
        return None

    def triggers(self, name: str) -> tuple[str, ...]:
        """The trigger words of the LoRA of this name, if it was there at the last look."""
        known = next((lora for lora in self._seen if folded(lora.name) == folded(name)), None)
        return known.triggers if isinstance(known, Lora) else ()

    def taught(self, request: GenerationRequest) -> frozenset[str]:
        """The words, folded, of the trigger words of all its LoRAs that were there at the last look."""
        try:
            names = {each.name for some in all_in_force(request) for each in some}
        except InvalidRequest:  # what earlier rules let pass
            return frozenset()
        phrases = (phrase for name in names for phrase in self.triggers(name))
        return frozenset(word.casefold() for phrase in phrases for word in re.findall(r"\w+", phrase))


def _usable(loras: Sequence[Lora | BrokenLora]) -> tuple[Lora, ...]:
    return tuple(lora for lora in loras if isinstance(lora, Lora))


def quoted(name: str) -> str:
    """Markdown that shows a name as it is."""
    shown = name[:MAX_TRIGGER].replace("`", "'")
    return f"`{shown}`"


def _unknown(name: str, known: list[str]) -> str:
    by_name = {folded(each): each for each in known}
    if near := difflib.get_close_matches(folded(name), by_name, n=1):
        return say(
            "I do not know the LoRA {name}; did you mean {near}?",
            name=quoted(name),
            near=quoted(by_name[near[0]]),
        )
    if not known:
        return say("I do not know the LoRA {name}; there are none here.", name=quoted(name))
    names = first_of(list(map(quoted, known)), MAX_NAMED)
    return say("I do not know the LoRA {name}; I have {names}.", name=quoted(name), names=names)


# Files ---------------------------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    endings = {".safetensors", *PICKLES}
    try:
        found = (path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file())
        # Of two files with one name the pickle counts last.
        return sorted(found, key=lambda path: (path.with_suffix(""), path.suffix.lower() in PICKLES))
    except OSError as error:
        log.warning("the folder of LoRAs %s cannot be read: %s", folder, error.strerror)
        return []


def _named(folder: Path, files: list[Path]) -> Iterator[tuple[str, Path]]:
    # A pickle beside the same as .safetensors is no second one.
    many = Counter(folded(place.name) for place in {path.with_suffix("") for path in files})
    for path in files:
        alone = many[folded(path.stem)] == 1
        yield (path.stem if alone else path.relative_to(folder).with_suffix("").as_posix()), path


def _looked_at(path: Path, name: str, before: Mapping[Path, Lora | BrokenLora]) -> Lora | BrokenLora | None:
    """What a file holds; None if it has gone meanwhile."""
    try:
        version = version_of(path)
    except OSError:
        return None
    known = before.get(path)
    if known is not None and (known.version, known.name) == (version, name):
        return known
    try:
        return _read(path, name, version)
    except UnreadableModel as reason:
        return BrokenLora(name=name, path=path, version=version, problem=str(reason))


def version_of(path: Path) -> tuple[int, int]:
    """When a file, or what is noted beside it, was changed last, in ns, and its bytes.

    Raises:
        OSError: it is not there.
    """
    status = path.stat()
    beside = [path.with_suffix(suffix) for suffix in _NOTES]
    changed = [status.st_mtime_ns, *(note.stat().st_mtime_ns for note in beside if note.is_file())]
    return max(changed), status.st_size


_NOTES = (".json", ".txt")
"""Endings of what A1111 keeps beside a LoRA."""
_KOHYA = re.compile(r"lora_(?:unet|te[12]?)_")
_DOWN = re.compile(r"\.(?:lora_A(?:\.\w+)?|lora_down|(?:\w+_)?lora\.down|lora_linear_layer\.down)\.weight$")
_FOREIGN = {
    "hada_": "a LoHa",
    "lokr_": "a LoKr",
    "oft_": "an OFT",
    "lora_mid": "a LoCon of Tucker's form",
    "dora_scale": "a DoRA",
    "lora_magnitude_vector": "a DoRA",
    "glora": "a GLoRA",
    "ia3": "an IA3",
}
_TRANSFORMERS = (
    "transformer.",
    "diffusion_model.",
    "lora_transformer_",
    "lora_unet_double_blocks",
    "lora_unet_single_blocks",
    "lora_unet_joint_blocks",
    "lora_unet_blocks_",
    "lora_te3_",
)


def _read(path: Path, name: str, version: tuple[int, int]) -> Lora:
    """
    Raises:
        UnreadableModel: it is nothing that can be used.
    """
    if path.suffix.lower() in PICKLES:
        raise UnreadableModel(
            f"The LoRA {path} is a pickle, which can run any code when it is read, so I never open one. "
            "Use the .safetensors version of it."
        )
    if re.search(r"[<>:,{}|]|__.*__", name) or not name.isprintable():
        raise UnreadableModel(
            f"The LoRA {path} has a name that cannot stand in a prompt; "
            "rename the file (no < > : , { } | in it, and nothing between two pairs of underscores)."
        )
    shapes = tensor_shapes(path, "LoRA")
    for mark, kind in _FOREIGN.items():
        if any(mark in key for key in shapes):
            raise UnreadableModel(f"The file {path} is {kind}, which I cannot draw with; I take LoRAs.")
    downs = {key: shape for key, shape in shapes.items() if _DOWN.search(key) and len(shape) in (2, 4)}
    if not downs:
        raise UnreadableModel(f"The file {path} holds no LoRA.")
    if any(key.startswith(_TRANSFORMERS) for key in downs):
        raise UnreadableModel(
            f"The LoRA {path} is made for a model with a transformer (Flux or Stable Diffusion 3, say); "
            "I take those for Stable Diffusion 1, 2 and XL."
        )
    if any(key.startswith("base_model.") for key in downs):
        raise UnreadableModel(
            f"The LoRA {path} is in PEFT's own format, which does not say how strong it is; "
            "save it with diffusers' save_lora_weights."
        )
    notes = notes_beside(path)
    kohya = all(_KOHYA.match(key) for key in shapes)
    return Lora(
        name=name,
        path=path,
        version=version,
        format=Format.KOHYA if kohya else Format.PEFT,
        rank=max(shape[0] for shape in downs.values()),
        width=_width(downs),
        reads=any(key.startswith(("lora_te", "text_encoder")) for key in downs),
        numbers=min(
            version[1], sum(math.prod(shape) for shape in shapes.values())
        ),  # none is less than a byte
        triggers=triggers_of(path, notes),
        advised=advised_weight(notes),
    )


def _width(downs: Mapping[str, list[int]]) -> int | None:
    """What the keys of the cross-attention read: that is the text."""
    widths = (
        shape[1]
        for key, shape in downs.items()
        if re.search(r"attn2[._](?:processor\.)?to_[kv](?:_lora)?\.", key) and not key.startswith("text_")
    )
    return next(widths, None)
