"""IP-Adapters, by which a model takes the look of a picture: told by the headers of their files."""

from __future__ import annotations

import re
from pathlib import Path

from generation.modelfiles import PICKLES, UnreadableModel, read_json, tensor_shapes

_LAYER = re.compile(r"ip_adapter\.(\d+)\.to_k_ip\.weight")
_FACES = (
    {"image_proj.proj.0.weight", "image_proj.norm.weight"},
    {"image_proj.perceiver_resampler.proj_in.weight"},
)
"""What is in adapters that are given the features of a face instead of a picture."""


def image_encoder_of(adapter: str, encoder: str | None) -> Path:
    """The folder of the image encoder: the one that is named, or `image_encoder` beside the adapter."""
    return Path(adapter).parent / "image_encoder" if encoder is None else Path(encoder)


def check_ip_adapter(adapter: Path, encoder: Path, *, width: int | None) -> None:
    """Whether an IP-Adapter can be used with its image encoder, and with a model. Reads small files only.

    Args:
        width: of the encoded prompts that the model's UNet reads; None: that is not known.

    Raises:
        UnreadableModel: it cannot; a sentence for the owner.
    """
    if adapter.suffix.lower() in PICKLES:
        raise UnreadableModel(
            f"The IP-Adapter {adapter} is a pickle, which can run any code when it is read, so I never open "
            "one. Use the .safetensors version of it."
        )
    if adapter.suffix.lower() != ".safetensors" or not _is_file(adapter):
        raise UnreadableModel(f"There is no IP-Adapter at {adapter}; name a .safetensors file.")
    shapes = tensor_shapes(adapter)
    layers = [shape for name, shape in shapes.items() if _LAYER.fullmatch(name)]
    if not layers or not any(name.startswith("image_proj.") for name in shapes):
        raise UnreadableModel(
            f"The file {adapter} is no IP-Adapter: it has no image_proj and ip_adapter in it."
        )
    if any(names <= shapes.keys() for names in _FACES):
        raise UnreadableModel(
            f"The IP-Adapter {adapter} is one for faces (FaceID), which goes by more than a picture; "
            "use one for pictures."
        )
    if any(len(shape) != 2 for shape in layers):
        raise UnreadableModel(f"The file {adapter} is no IP-Adapter: its layers are of another shape.")
    if width is not None and any(shape[1:] != [width] for shape in layers):
        raise UnreadableModel(
            f"The IP-Adapter {adapter} was made for UNets that read prompts of width {layers[0][-1]}, "
            f"and this model's reads {width}: it is for another family."
        )
    _check_encoder(adapter, encoder, shapes.get("image_proj.proj.weight"))


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except (OSError, ValueError):  # no disk takes such a name
        return False


def _check_encoder(adapter: Path, encoder: Path, projection: list[int] | None) -> None:
    if not _is_file(encoder / "config.json"):
        raise UnreadableModel(
            f"The IP-Adapter {adapter} needs its image encoder, and there is none at {encoder}: "
            "put the folder image_encoder (config.json, model.safetensors) beside it, "
            "or name it as image_encoder."
        )
    if not any(encoder.glob("*.safetensors")):
        raise UnreadableModel(f"The image encoder {encoder} has no weights in a .safetensors file.")
    says = read_json(encoder / "config.json").get("projection_dim")
    # Only the plain kind goes by the projection; the others by a layer before it.
    if projection is not None and isinstance(says, int) and projection[-1:] != [says]:
        raise UnreadableModel(
            f"The image encoder {encoder} makes {says} numbers of a picture, and the IP-Adapter {adapter} "
            f"goes by {projection[-1]}; it needs another one."
        )
