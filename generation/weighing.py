"""How much memory the weights of a model need, by the headers of its files; and whether all are whole."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from generation.catalogue import is_guessed, place_on_disk
from generation.looks import image_encoder_of
from generation.model import Family, MemoryMode, ModelInfo
from generation.modelfiles import (
    OPTIONAL_PARTS,
    SHARD,
    WEIGHTLESS_PARTS,
    UnreadableModel,
    hub_snapshot,
    is_half,
    read_json,
    tensor_shapes,
    variant_of,
    weights_in,
)

_IN_CHECKPOINTS = {
    "model.diffusion_model.": "unet",
    "first_stage_model.": "vae",
    "cond_stage_model.": "text_encoder",
    "conditioner.embedders.0.": "text_encoder",
    "conditioner.embedders.1.": "text_encoder_2",
}
"""The parts of a single file, by how the names of their tensors begin; what else is in it is not loaded."""
_REFINER_PARTS = ("unet", "text_encoder", "text_encoder_2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How many numbers the parts of a model hold."""

    numbers: Mapping[str, int]
    """By part: `unet`, `text_encoder`, ..."""
    memory: MemoryMode

    def total(self, width: int) -> int:
        """Bytes of all weights, if a number has `width` bytes."""
        return sum(self._bytes(part, width) for part in self.numbers)

    def at_once(self, width: int) -> int | None:
        """Bytes of the weights that are on the device at the same time; None if not even one part is."""
        match self.memory:
            case MemoryMode.FAST | MemoryMode.BALANCED:
                return self.total(width)
            case MemoryMode.SMALL:
                return max((self._bytes(part, width) for part in self.numbers), default=0)
            case MemoryMode.SMALLER | MemoryMode.SMALLEST:
                return None

    def _bytes(self, part: str, width: int) -> int:
        in_8_bits = self.memory is MemoryMode.SMALLEST and part.endswith(("unet", "transformer"))
        return self.numbers[part] * (1 if in_8_bits else width)


def weigh(info: ModelInfo) -> Weights | None:
    """The weights of a model with all that its owner put beside it. Reads headers only, all of them.

    Returns:
        None for what is still to be fetched, and for the engine that draws noise.

    Raises:
        UnreadableModel: a file is missing or broken; a sentence for the owner.
    """
    if info.family is Family.NOISE or is_guessed(info.source):
        return None
    numbers = _parts(info.source)
    if info.vae is not None:
        numbers["vae"] = _in_files(_files(Path(info.vae)))
    if info.taesd is not None and (tiny := _place(info.taesd)) is not None:
        numbers["taesd"] = _in_files(_files(tiny))
    if info.ip_adapter is not None:
        numbers["ip_adapter"] = _in_files([Path(info.ip_adapter)])
        numbers["image_encoder"] = _in_files(_files(image_encoder_of(info.ip_adapter, info.image_encoder)))
    if info.refiner is not None:
        if _place(info.refiner) is None:
            return None
        refiner = _parts(info.refiner)
        numbers |= {f"refiner's {part}": refiner[part] for part in _REFINER_PARTS if part in refiner}
    return Weights(numbers=numbers, memory=info.memory)


def numbers_in(folder: Path) -> int:
    """How many numbers the weights are that are read of a folder with one model, by their headers.

    Raises:
        UnreadableModel: they are missing or broken; a sentence for the owner.
    """
    return _in_files(weights_in(folder))


def _place(source: str) -> Path | None:
    return place_on_disk(source) or hub_snapshot(source)


def _parts(source: str) -> dict[str, int]:
    place = _place(source)
    assert place is not None, f"{source} is not here"
    return _in_folder(place, source) if place.is_dir() else _in_checkpoint(place)


def _in_checkpoint(file: Path) -> dict[str, int]:
    numbers: Counter[str] = Counter()
    for name, shape in tensor_shapes(file).items():
        part = next((part for begin, part in _IN_CHECKPOINTS.items() if name.startswith(begin)), None)
        if part is not None:
            numbers[part] += math.prod(shape)
    return dict(numbers)


def _in_folder(folder: Path, source: str) -> dict[str, int]:
    index = read_json(folder / "model_index.json")
    named = {part for part, value in index.items() if isinstance(value, list) and value[:1] != [None]}
    for part in sorted(named - OPTIONAL_PARTS):
        if not (folder / part).is_dir():
            raise UnreadableModel(
                f"The model {source} has no folder {part}/, which its model_index.json names."
            )
    half = variant_of(folder) == "fp16"
    numbers = {}
    for place in sorted(folder.iterdir()):
        if not place.is_dir() or place.name in OPTIONAL_PARTS or place.name.startswith(WEIGHTLESS_PARTS):
            continue
        if files := _files(place, half=half):
            numbers[place.name] = _in_files(files)
        elif place.name in named:
            raise UnreadableModel(
                f"The model {source} has no weights in {place.name}/ as .safetensors files."
            )
    return numbers


def _files(place: Path, *, half: bool = False) -> list[Path]:
    """The files that are read of a part: one, or one in several shards."""
    if place.is_file():
        return [place]
    found = sorted(place.glob("*.safetensors"))
    # Beside the weights there may be others of the same part, which are never read: `.non_ema.` say.
    plain = [path for path in found if SHARD.sub("", path.name).count(".") == 1]
    chosen = [path for path in found if is_half(path.name)] if half else plain
    return _whole(chosen or plain or found)


def _whole(files: list[Path]) -> list[Path]:
    if files and (shard := SHARD.search(files[0].name)) is not None and len(files) < int(shard[1]):
        missing = int(shard[1]) - len(files)
        raise UnreadableModel(
            f"The folder {files[0].parent} lacks {missing} of the {int(shard[1])} files of its weights; "
            "fetch it again."
        )
    return files


def _in_files(files: Iterable[Path]) -> int:
    return sum(math.prod(shape) for file in files for shape in tensor_shapes(file).values())
