"""Which model draws and what it can do, read from its files without loading it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from generation.modelfiles import PICKLES, hub_snapshot, read_json, tensor_shapes
from generation.modelfiles import UnreadableModel as UnreadableModel
from generation.pipelines import sounds_like_one, traits
from generation.request import MAX_EDGE, MIN_EDGE, OWN_SAMPLER, GenerationRequest, Size
from generation.samplers import SAMPLERS, sampler_reason


class Family(StrEnum):
    """What a model is built like; decides how it is loaded and what suits it."""

    SD1 = "Stable Diffusion 1"
    SD2 = "Stable Diffusion 2"
    SDXL = "Stable Diffusion XL"
    OTHER = "another family"
    """Whatever else diffusers draws with; its own pipeline does, one picture at a time."""
    NOISE = "coloured noise"
    """No model at all: the small engine that tests use, see :mod:`generation.engine.noise`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What is used where somebody gives no setting of their own."""

    steps: int
    guidance: float
    sampler: str
    size: Size | None = None
    """None: a square of the native edge."""


class MemoryMode(StrEnum):
    """How much of its device's memory a model may take; what is saved is paid for in time."""

    FAST = "fast"
    """All of it stays on the device."""
    BALANCED = "balanced"
    """The same, but pictures are decoded one at a time and in tiles."""
    SMALL = "small"
    """Only the part that works at the moment is on the device."""
    SMALLEST = "smallest"
    """Of that part only some layers, and its weights are kept in 8 bits, which changes pictures a little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a model is called and what it can do."""

    name: str
    """For people."""
    source: str
    """A folder, a .safetensors file or a Hugging Face id; what a request carries as its model."""
    family: Family
    native: int
    """The edge of the square pictures it was trained on, in pixels."""
    multiple: int
    """Both edges must be multiples of this many pixels, so that every level of the UNet divides."""
    defaults: Defaults
    min_edge: int
    max_edge: int
    words: frozenset[str] | None = None
    """The words it knows, folded to lower case; None when it knows language at large."""
    note: str | None = None
    """A sentence about it for the owner."""
    negative_prompt: str = ""
    """What a request gets whose asker gave none."""
    vae: str | None = None
    """A folder or a .safetensors file whose VAE replaces the model's own."""
    memory: MemoryMode = MemoryMode.FAST
    samplers: tuple[str, ...] = tuple(SAMPLERS)
    """The samplers it may be asked for; the only one may be OWN_SAMPLER."""

    @property
    def public_source(self) -> str:
        """The source as it may stand in a picture that is shared: no folders of the owner's machine."""
        path = Path(self.source)
        private = path.is_absolute() or self.source.startswith(("~", ".")) or "\\" in self.source
        return re.split(r"[\\/]", self.source.rstrip("\\/"))[-1] if private else self.source

    def within(self, *, pixels: int, steps: int) -> ModelInfo:
        """The same model with defaults that stay inside the owner's limits.

        Raises:
            UnreadableModel: not even its smallest picture does; a sentence for the owner.
        """
        edge = min(self.native, int(pixels**0.5)) // self.multiple * self.multiple
        if edge < self.min_edge:
            raise UnreadableModel(
                f"MAX_PIXELS is {pixels}, but {self.name} draws nothing smaller than "
                f"{self.min_edge}x{self.min_edge}; set it to {self.min_edge**2} or more."
            )
        size = self.defaults.size
        if size is not None and size.pixels > pixels:
            size = self._shrunk(size, pixels)
        return replace(
            self,
            native=edge,
            defaults=replace(self.defaults, steps=min(self.defaults.steps, steps), size=size),
        )

    def reject_reason(self, request: GenerationRequest) -> str | None:
        """Why this model cannot draw this request, as a sentence for a person, or None."""
        if self.samplers == (OWN_SAMPLER,):
            if request.sampler != OWN_SAMPLER:
                return f"{self.name} draws with a sampler of its own; leave the sampler out."
        elif (reason := sampler_reason(request.sampler, request.steps)) is not None:
            return reason
        return self.size_reason(request.size)

    def size_reason(self, size: Size) -> str | None:
        """Why this model cannot draw this size, as a sentence for a person, or None."""
        if min(size.width, size.height) < self.min_edge or max(size.width, size.height) > self.max_edge:
            return (
                f"{self.name} cannot draw {size}: each edge must be {self.min_edge} to {self.max_edge} "
                f"pixels, and {self.native}x{self.native} suits it best."
            )
        if size.width % self.multiple or size.height % self.multiple:
            return (
                f"{self.name} cannot draw {size}: both edges must be multiples of {self.multiple}. "
                f"The nearest that works is {self._nearest(size)}."
            )
        return None

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """The words of a prompt that this model never saw, as they were typed, each once."""
        if self.words is None:
            return ()
        unknown: dict[str, str] = {}
        for word in _words(text):
            if (folded := word.casefold()) not in self.words:
                unknown.setdefault(folded, word)
        return tuple(unknown.values())

    def _shrunk(self, size: Size, pixels: int) -> Size | None:
        """A size of about the same shape with so many pixels at the most; None if its short edge ends."""
        factor = (pixels / size.pixels) ** 0.5
        width, height = (
            int(edge * factor) // self.multiple * self.multiple for edge in (size.width, size.height)
        )
        return Size(width=width, height=height) if min(width, height) >= self.min_edge else None

    def _nearest(self, size: Size) -> Size:
        low = -(-self.min_edge // self.multiple) * self.multiple
        high = self.max_edge // self.multiple * self.multiple

        def snapped(edge: int) -> int:
            return min(high, max(low, round(edge / self.multiple) * self.multiple))

        return Size(width=snapped(size.width), height=snapped(size.height))


_DEFAULTS: Mapping[Family, Defaults] = {
    Family.SD1: Defaults(steps=25, guidance=7.0, sampler="DPM++ 2M Karras"),
    Family.SD2: Defaults(steps=25, guidance=7.0, sampler="DPM++ 2M Karras"),
    Family.SDXL: Defaults(steps=30, guidance=5.0, sampler="Euler"),
    Family.OTHER: Defaults(steps=28, guidance=5.0, sampler=OWN_SAMPLER),
    Family.NOISE: Defaults(steps=8, guidance=5.0, sampler="Euler"),
}
_NATIVE = {Family.SD1: 512, Family.SD2: 768, Family.SDXL: 1024, Family.OTHER: 1024, Family.NOISE: 128}
_MULTIPLE = {Family.SD1: 64, Family.SD2: 64, Family.SDXL: 32, Family.OTHER: 16, Family.NOISE: 8}

_MOVED = {
    "runwayml/stable-diffusion-v1-5": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "runwayml/stable-diffusion-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
}
_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FAKE = "fake:"


def describe(source: str) -> ModelInfo:
    """What the model at `source` is and can do. Reads small files only; neither torch nor network.

    Args:
        source: a folder in diffusers' format, a .safetensors checkpoint, a Hugging Face id ("owner/name"),
            or "fake:..." for the engine that draws noise.

    Raises:
        UnreadableModel: it is not there, or nothing that this engine draws with; a sentence for the owner.
    """
    if source.startswith(_FAKE):
        note = "No model is loaded: pictures are coloured noise, made for tests."
        info = _info(source.removeprefix(_FAKE) or "noise", source, Family.NOISE, note=note)
        return replace(info, max_edge=1024)
    try:
        path = Path(source).expanduser()
        path.is_dir()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a home that nobody has, a NUL
        raise UnreadableModel(
            f"That is neither the name of a model nor a place on this disk: {error}."
        ) from error
    if path.suffix.lower() in PICKLES:
        raise UnreadableModel(
            f"The model {source} is a pickle, which can run any code when it is read, so I never open one. "
            "Use the .safetensors version of it."
        )
    if path.is_dir():
        return _folder(path, source)
    if path.is_file():
        return _single_file(path, source)
    on_disk = path.is_absolute() or path.suffix == ".safetensors" or source.startswith((".", "~"))
    if on_disk or (path.parent.is_dir() and path.parent != Path()) or not _HUB_ID.fullmatch(source):
        raise UnreadableModel(
            f"There is no model at {source}. Name a folder in diffusers' format, "
            "a .safetensors file, or a Hugging Face id like stable-diffusion-v1-5/stable-diffusion-v1-5."
        )
    return _hub(source)


def _info(
    name: str, source: str, family: Family, *, native: int | None = None, note: str | None = None
) -> ModelInfo:
    native = native or _NATIVE[family]
    return ModelInfo(
        name=name,
        source=source,
        family=family,
        native=native,
        multiple=_MULTIPLE[family],
        defaults=_DEFAULTS[family],
        min_edge=max(MIN_EDGE, native // 2),
        max_edge=min(MAX_EDGE, native * 2),
        note=note,
        samplers=(OWN_SAMPLER,) if family is Family.OTHER else tuple(SAMPLERS),
    )


# A folder ------------------------------------------------------------------------------------------------


def _folder(path: Path, source: str, *, weights: bool = True) -> ModelInfo:
    if not (path / "model_index.json").is_file():
        raise UnreadableModel(
            f"The folder {source} holds no model_index.json, so it is not a model in diffusers' format."
        )
    pipeline = read_json(path / "model_index.json").get("_class_name")
    if pipeline not in _PIPELINES:
        found = traits(path, source)
        info = replace(
            _info(path.resolve().name, source, Family.OTHER, native=found.native),
            multiple=found.multiple,
            defaults=Defaults(steps=found.steps, guidance=found.guidance, sampler=OWN_SAMPLER),
        )
        if weights:
            _need_weights(path, source, "*/")
        return _with_extras(info, path)
    unet, vae = read_json(path / "unet" / "config.json"), read_json(path / "vae" / "config.json")
    if unet.get("in_channels", 4) != vae.get("latent_channels", 4):
        raise UnreadableModel(
            f"The model {source} wants more than noise and a prompt as its input "
            "(for inpainting or depth, say); I draw with text-to-image models."
        )
    if weights:
        _need_weights(path, source, "unet/")
    if pipeline == "StableDiffusionXLPipeline":
        family = Family.SDXL
    else:
        family = Family.SD2 if unet.get("cross_attention_dim") == 1024 else Family.SD1
    try:
        factor = 2 ** (len(vae["block_out_channels"]) - 1)
        sample = unet.get("sample_size") or _NATIVE[family] // factor
        native = (sample if isinstance(sample, int) else max(sample)) * factor
        multiple = factor * 2 ** (len(unet["block_out_channels"]) - 1)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableModel(
            f"The configuration of the model {source} is not complete: {error!r}."
        ) from error
    info = replace(_info(path.resolve().name, source, family, native=native), multiple=multiple)
    return _with_extras(info, path)


def _with_extras(info: ModelInfo, path: Path) -> ModelInfo:
    """With what this project's own files in a model's folder say."""
    words = path / "words.txt"
    if words.is_file():
        known = frozenset(line.strip().casefold() for line in words.read_text("utf-8").splitlines())
        info = replace(info, words=known - {""})
    card = path / "atelier.json"
    return _with_card(info, read_json(card)) if card.is_file() else info


def _need_weights(path: Path, source: str, part: str) -> None:
    if any(path.glob(f"{part}*.safetensors")):
        return
    if any(path.glob(f"{part}*.bin")):
        raise UnreadableModel(
            f"The model {source} keeps its weights in pickles (.bin), which can run any code when they "
            "are read, so I never open them. Use a version with .safetensors files."
        )
    raise UnreadableModel(f"The model {source} has no weights: {part} holds no .safetensors file.")


def _with_card(info: ModelInfo, card: Mapping[str, Any]) -> ModelInfo:
    """`atelier.json` in a model's folder says what suits it better than its family does."""
    defaults = info.defaults
    allowed = {"name", "steps", "guidance", "sampler", "min_edge", "max_edge", "note"}
    if unknown := set(card) - allowed:
        raise UnreadableModel(
            f"The atelier.json of the model {info.source} says {', '.join(sorted(unknown))}, "
            f"which I do not know; it may say {', '.join(sorted(allowed))}."
        )
    if card.get("sampler", defaults.sampler) not in info.samplers:
        raise UnreadableModel(
            f"The atelier.json of the model {info.source} names the sampler {card['sampler']}, "
            f"which I do not know; it may be {', '.join(info.samplers)}."
        )
    try:
        return _merged(info, card)
    except (TypeError, ValueError) as error:
        raise UnreadableModel(
            f"The atelier.json of the model {info.source} holds a wrong value: {error}."
        ) from error


def _merged(info: ModelInfo, card: Mapping[str, Any]) -> ModelInfo:
    defaults = info.defaults
    return replace(
        info,
        name=str(card.get("name", info.name)),
        defaults=Defaults(
            steps=int(card.get("steps", defaults.steps)),
            guidance=float(card.get("guidance", defaults.guidance)),
            sampler=str(card.get("sampler", defaults.sampler)),
        ),
        min_edge=int(card.get("min_edge", info.min_edge)),
        max_edge=int(card.get("max_edge", info.max_edge)),
        note=card.get("note", info.note),
    )


# One file ------------------------------------------------------------------------------------------------

_INPUT = "model.diffusion_model.input_blocks.0.0.weight"
_CROSS_ATTENTION = "model.diffusion_model.input_blocks.{}.transformer_blocks.0.attn2.to_k.weight"


def _single_file(path: Path, source: str) -> ModelInfo:
    if path.suffix.lower() != ".safetensors":
        raise UnreadableModel(f"The model {source} is not a .safetensors file, the only kind of file I open.")
    shapes = tensor_shapes(path)
    if any(key.startswith(("lora_", "lycoris_")) or ".lora_" in key for key in shapes):
        raise UnreadableModel(
            f"The file {source} is a LoRA, which goes on top of a model; name the model itself."
        )
    if _INPUT not in shapes:
        raise UnreadableModel(
            f"The file {source} is no Stable Diffusion 1, 2 or XL checkpoint: it has no UNet of theirs in it."
        )
    if shapes[_INPUT][1:2] != [4]:
        raise UnreadableModel(
            f"The file {source} wants more than noise and a prompt as its input "
            "(for inpainting or depth, say); I draw with text-to-image models."
        )
    family = _family(shapes, source)
    if (folder := configuration_beside(path)) is None:
        return _info(path.stem, source, family)
    info = replace(_folder(folder, str(folder), weights=False), source=source)
    if info.family is not family:
        raise UnreadableModel(
            f"The file {source} is {family}, but the folder {folder.name}/ beside it configures "
            f"{info.family}; put the configuration of its own family there, or rename the folder."
        )
    return info


def _family(shapes: Mapping[str, list[int]], source: str) -> Family:
    if not any(key.startswith(("cond_stage_model.", "conditioner.")) for key in shapes):
        raise UnreadableModel(
            f"The file {source} holds a UNet without a text encoder; use a checkpoint with all its parts."
        )
    if any(key.startswith("conditioner.embedders.1.") for key in shapes):
        return Family.SDXL
    if any(key.startswith("conditioner.embedders.0.") for key in shapes):
        raise UnreadableModel(
            f"The file {source} is an SDXL refiner, which cannot draw alone; use the base model."
        )
    if shapes.get(_CROSS_ATTENTION.format("2.1"), [0])[-1] == 1024:
        return Family.SD2
    if shapes.get(_CROSS_ATTENTION.format("1.1"), [0])[-1] == 768:
        return Family.SD1
    raise UnreadableModel(f"The file {source} is no Stable Diffusion 1, 2 or XL checkpoint that I know.")


def configuration_beside(file: Path) -> Path | None:
    """The folder that configures a checkpoint file: `dreams/` in the place of `dreams.safetensors`.

    It is in diffusers' format, and holds what a checkpoint lacks: model_index.json, scheduler/, tokenizer/
    and the config.json of text_encoder/, unet/ and vae/ (for SDXL also those of the second encoder).
    """
    folder = file.with_suffix("")
    return folder if (folder / "model_index.json").is_file() else None


# A Hugging Face id ---------------------------------------------------------------------------------------


def _hub(source: str) -> ModelInfo:
    current = _MOVED.get(source.lower(), source)
    moved = (
        f"{source} is gone from Hugging Face; {current} is its successor and is used."
        if current != source
        else None
    )
    if (folder := hub_snapshot(current)) is not None and (folder / "model_index.json").is_file():
        info = _folder(folder, current)
        return replace(info, name=current.split("/")[1], source=current, note=moved)
    name = current.split("/")[1].lower()
    if sounds_like_one(name):
        family, native = Family.OTHER, 1024
    elif "xl" in name:
        family, native = Family.SDXL, 1024
    elif re.search(r"(stable-diffusion-2|sd-?2|v2)", name):
        family, native = Family.SD2, 512 if "base" in name else 768
    else:
        family, native = Family.SD1, 512
    note = (
        f"{current} is not on this machine yet and is fetched at the first start (several gigabytes). "
        f"By its name I take it for {family}."
    )
    return _info(
        current.split("/")[1], current, family, native=native, note=f"{moved} {note}" if moved else note
    )


# Words ---------------------------------------------------------------------------------------------------


def _words(text: str) -> Iterator[str]:
    """Words with at least one letter; marks belong to their letters, apostrophes within to the word."""
    word = ""
    for character in unicodedata.normalize("NFC", text).replace("’", "'") + " ":
        if unicodedata.category(character)[0] in "LMN" or (character == "'" and word):
            word += character
            continue
        word = word.rstrip("'")
        if any(c.isalpha() for c in word):
            yield word
        word = ""
