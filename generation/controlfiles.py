"""What a ControlNet is and what it is for, read from its files without loading it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from generation.model import Family, ModelInfo
from generation.modelfiles import PICKLES, UnreadableModel, is_half, read_json, tensor_shapes
from generation.sentence import say
from generation.unetshape import UnetShape, shape_of

MAX_NAME = 100
"""Characters that Discord takes of a choice."""


class Preprocessor(StrEnum):
    """What makes a control picture of a picture."""

    EDGES = "edges"
    """Its outlines, white on black (Canny)."""
    LINEART = "lineart"
    """Its lines, white on black, thin or broad as they are."""
    DEPTH = "depth"
    """How near everything is: white is near. Needs weights of the owner's."""
    POSE = "pose"
    """How people stand, as skeletons in the colours of OpenPose. Needs weights of the owner's."""

    @property
    def missing(self) -> str:
        """What to do where nobody has named its weights; for the person."""
        return say(
            "I cannot make a {kind} picture here: that needs weights, which the owner can name as "
            "{setting}. You can bring one that is made already, with the preprocessor "
            "`{none}`.",
            kind=self,
            setting=f"{self.upper()}_MODEL",
            none=NO_PREPROCESSOR,
        )


WEIGHTLESS = frozenset({Preprocessor.EDGES, Preprocessor.LINEART})
WEIGHTED = frozenset(Preprocessor) - WEIGHTLESS
NO_PREPROCESSOR = "none"
"""What people choose where the picture is a control picture already."""


class Kind(StrEnum):
    """What the control pictures of a ControlNet show."""

    EDGES = "edges"
    LINEART = "lineart"
    DEPTH = "depth"
    POSE = "pose"
    OTHER = "other"

    @property
    def preprocessor(self) -> Preprocessor | None:
        """What makes such control pictures; None: nothing here, so that people bring them ready."""
        return Preprocessor(self.value) if self.value in list(Preprocessor) else None


_SIGNS: Mapping[Kind, tuple[str, ...]] = {
    Kind.EDGES: ("canny", "edge"),
    Kind.LINEART: ("lineart", "line-art", "line_art"),
    Kind.DEPTH: ("depth", "midas", "zoe"),
    Kind.POSE: ("openpose", "pose"),
}
_SOFT = ("softedge", "soft_edge", "soft-edge", "hed", "pidi")
"""Broad soft outlines, which no Canny draws."""


Version: TypeAlias = "tuple[tuple[int, int], ...]"
"""Of each file that tells of a ControlNet, when it was changed, in ns, and its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlNetInfo:
    """One ControlNet that can be used. Other files in the same place are another one."""

    name: str
    place: Path
    """A folder in diffusers' format or a .safetensors file."""
    kind: Kind
    family: Family
    """SD1, SD2 or SDXL."""
    shape: UnetShape
    """Of the UNets that it steers."""
    numbers: int
    """How many numbers its weights are."""
    note: str | None = None
    version: Version = ()

    def reject_reason(self, model: ModelInfo) -> str | None:
        """Why it cannot steer this model, as a sentence for the person; None if it can."""
        if model.family is not self.family:
            known = {"name": self.name, "family": self.family, "model": model.name, "other": model.family}
            if model.family in _STEERED:
                return say("The ControlNet {name} is for {family}, and {model} is {other}.", **known)
            return say(
                "The ControlNet {name} is for {family}, and {model} is {other}, which takes none.", **known
            )
        theirs = shape_of(model)
        if theirs is not None and not self.shape.suits(theirs):
            why = _unlike(self.shape, theirs)
            return say(
                "The ControlNet {name} was made for another model than {model}: {why}.",
                name=self.name,
                model=model.name,
                why=why,
            )
        return None


_STEERED = (Family.SD1, Family.SD2, Family.SDXL)


def _unlike(mine: UnetShape, theirs: UnetShape) -> str:
    if mine.words is not None and mine.words != theirs.words:
        return say(
            "it reads prompts of width {words}, and this model's have {theirs}",
            words=mine.words,
            theirs=theirs.words,
        )
    return say(
        "its layers begin with {first} channels of {latents}, and this model's with "
        "{other_first} of {other_latents}",
        first=mine.first,
        latents=mine.latents,
        other_first=theirs.first,
        other_latents=theirs.latents,
    )


_WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors")
_FOLDER_CARD = "atelier.json"
_CARD = {"name", "kind", "note"}


def describe_controlnet(place: Path) -> ControlNetInfo:
    """What the ControlNet in this folder or file is. Reads small files and headers only.

    Raises:
        UnreadableModel: it is none, or one that cannot be used; a sentence for the owner.
    """
    name, version = place.name if place.is_dir() else place.stem, version_of(place)
    if place.is_dir():
        _check_config(place)
    elif place.suffix.lower() in PICKLES:
        raise UnreadableModel(_pickle(place))
    shapes = tensor_shapes(weights_of(place))
    if (other := _other_thing(shapes)) is not None:
        raise UnreadableModel(f"{place.name} is {other}; I can use ControlNets for one kind of picture only.")
    shape, family = _shape(place, shapes)
    card = _card(place)
    return ControlNetInfo(
        name=_name(str(card.get("name", name)), place),
        place=place,
        kind=_kind(card, place, name),
        family=family,
        shape=shape,
        numbers=sum(math.prod(each) for each in shapes.values()),
        note=card.get("note"),
        version=version,
    )


def version_of(place: Path) -> Version:
    """How the files of the ControlNet in this folder or file are now.

    Raises:
        OSError: it is not there.
    """
    if place.is_dir():
        files = [place / name for name in ("config.json", _FOLDER_CARD, *_WEIGHTS)]
    else:
        files = [place.with_suffix(".json"), place.with_suffix("") / "config.json"]
    states = [place.stat(), *(file.stat() for file in files if file.is_file())]
    return tuple((state.st_mtime_ns, state.st_size) for state in states)


def weights_of(place: Path) -> Path:
    """The file of a ControlNet's weights.

    Raises:
        UnreadableModel: there is none.
    """
    if not place.is_dir():
        return place
    found = next((place / name for name in _WEIGHTS if (place / name).is_file()), None)
    if found is None:
        if any(path.suffix in PICKLES for path in place.iterdir()):
            raise UnreadableModel(_pickle(place))
        raise UnreadableModel(f"The ControlNet {place.name} has no weights: its folder lacks {_WEIGHTS[0]}.")
    return found


def is_half_only(place: Path) -> bool:
    """Whether a folder holds the float16 variant of the weights and no other."""
    return place.is_dir() and is_half(weights_of(place).name)


def configuration_of(file: Path) -> Path | None:
    """The folder that configures a file: `dreams/` with a config.json beside `dreams.safetensors`."""
    folder = file.with_suffix("")
    return folder if (folder / "config.json").is_file() else None


def _pickle(place: Path) -> str:
    return (
        f"The weights of the ControlNet {place.name} are a pickle, which can run any code when it is read, "
        "so I never open one. Use the .safetensors version of it."
    )


def _check_config(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise UnreadableModel(
            f"The folder {folder.name} holds no config.json, so it is no ControlNet in diffusers' format."
        )
    config = read_json(folder / "config.json")
    if (kind := config.get("_class_name")) != "ControlNetModel":
        raise UnreadableModel(
            f"The folder {folder.name} holds {kind}, and I can use ControlNetModel only: "
            "those for Stable Diffusion 1, 2 and XL that take one kind of picture."
        )
    if config.get("conditioning_channels", 3) != 3:
        raise UnreadableModel(
            f"The ControlNet {folder.name} wants pictures of {config['conditioning_channels']} channels, "
            "and I have those of red, green and blue only."
        )


def _other_thing(shapes: Mapping[str, Sequence[int]]) -> str | None:
    """What a file is that goes by the name of ControlNet."""
    for sign, what in (
        ("lora_controlnet", "a control LoRA"),
        ("lllite_", "a ControlNet-LLLite"),
        ("adapter.", "a T2I adapter"),
        ("task_embedding", "a ControlNet for many kinds of pictures at once (Union)"),
        ("transformer_blocks.", "a ControlNet for another family than Stable Diffusion 1, 2 and XL"),
        ("model.diffusion_model.", "a whole model"),
    ):
        if any(key.startswith(sign) for key in shapes):
            return what
    return None


def _shape(place: Path, shapes: Mapping[str, Sequence[int]]) -> tuple[UnetShape, Family]:
    """The UNet that it was made from, and whose family that is."""
    names = ("conv_in.weight", "control_model.input_blocks.0.0.weight", "input_blocks.0.0.weight")
    begin = next((shapes[name] for name in names if name in shapes), None)
    hints = ("controlnet_cond_embedding.conv_in.weight", "input_hint_block.0.weight")
    if begin is None or not any(key.endswith(hint) for key in shapes for hint in hints):
        raise UnreadableModel(f"{place.name} holds no ControlNet that I know.")
    words = next(
        (each[-1] for key, each in shapes.items() if key.endswith("attn2.to_k.weight") and each), None
    )
    if len(begin) != 4:
        raise UnreadableModel(f"{place.name} holds no ControlNet: its first layer is of another shape.")
    first, latents = begin[:2]
    shape = UnetShape(words=words, first=first, latents=latents)
    if any("add_embedding." in key or "label_emb." in key for key in shapes):
        return shape, Family.SDXL
    return shape, Family.SD2 if words == 1024 else Family.SD1


def _card(place: Path) -> Mapping[str, Any]:
    """What the owner says of it: `atelier.json` in its folder, or a .json file of its name beside it."""
    card = place / _FOLDER_CARD if place.is_dir() else place.with_suffix(".json")
    if not card.is_file():
        return {}
    said = read_json(card)
    if place.is_dir() and (unknown := said.keys() - _CARD):
        raise UnreadableModel(
            f"The atelier.json of the ControlNet {place.name} says {', '.join(sorted(unknown))}, "
            f"which I do not know; it may say {', '.join(sorted(_CARD))}."
        )
    # Other tools put .json files beside their models, too.
    if not all(isinstance(said.get(key, ""), str) for key in _CARD):
        raise UnreadableModel(f"{card.name} holds a wrong value; name, kind and note are texts.")
    return said


def _kind(card: Mapping[str, Any], place: Path, name: str) -> Kind:
    if "kind" in card:
        if card["kind"] not in list(Kind):
            raise UnreadableModel(
                f"The ControlNet {place.name} is said to be of the kind {card['kind']}; "
                f"it may be {', '.join(Kind)}."
            )
        return Kind(card["kind"])
    folded = name.casefold()
    if any(sign in folded for sign in _SOFT):
        return Kind.OTHER
    return next((kind for kind, signs in _SIGNS.items() if any(sign in folded for sign in signs)), Kind.OTHER)


def _name(name: str, place: Path) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME or not name.isprintable():
        raise UnreadableModel(
            f"The ControlNet {place.name} cannot be called that: a name has 1 to {MAX_NAME} characters, "
            "and all of them can be seen."
        )
    return name
