"""Whether something is an SDXL refiner, read from its files without loading it."""

from __future__ import annotations

from pathlib import Path

from generation.catalogue import configuration_beside, place_on_disk
from generation.model import Family, ModelInfo
from generation.modelfiles import UnreadableModel, hub_snapshot, read_json, tensor_shapes

_EXAMPLE = "name one like stabilityai/stable-diffusion-xl-refiner-1.0, or leave refiner out."
_ENCODER = "conditioner.embedders.0.model."
"""In a checkpoint file: the only text encoder of a refiner is the second of SDXL, and made like it."""
_INPUT = "model.diffusion_model.input_blocks.0.0.weight"


def check_refiner(source: str) -> None:
    """Whether a source is an SDXL refiner; of one that is still to be fetched nothing can be said.

    Args:
        source: a folder in diffusers' format, a .safetensors checkpoint or a Hugging Face id.

    Raises:
        UnreadableModel: it is not there, or no refiner; a sentence for the owner.
    """
    path = place_on_disk(source) or hub_snapshot(source)
    if path is None:
        return
    if path.is_dir():
        _check_folder(path, source)
        return
    if path.suffix.lower() != ".safetensors":
        raise UnreadableModel(f"The refiner {source} is not a .safetensors file, the only kind I open.")
    shapes = tensor_shapes(path)
    if _INPUT not in shapes or not any(key.startswith(_ENCODER) for key in shapes):
        raise UnreadableModel(f"The file {source} is no SDXL refiner; {_EXAMPLE}")
    if (folder := configuration_beside(path)) is not None:
        _check_folder(folder, str(folder), weights=False)


def check_base(info: ModelInfo) -> None:
    """Whether a model can have a refiner.

    Raises:
        UnreadableModel: it cannot; a sentence for the owner.
    """
    if info.family is not Family.SDXL:
        raise UnreadableModel(f"{info.name} is {info.family}, and only Stable Diffusion XL has a refiner.")


def _check_folder(folder: Path, source: str, *, weights: bool = True) -> None:
    if not (folder / "model_index.json").is_file():
        raise UnreadableModel(f"The folder {source} holds no model_index.json; {_EXAMPLE}")
    index = read_json(folder / "model_index.json")
    kind = index.get("_class_name")
    if kind != "StableDiffusionXLImg2ImgPipeline" or not index.get("requires_aesthetics_score"):
        raise UnreadableModel(f"The model {source} is no SDXL refiner but a {kind}; {_EXAMPLE}")
    for part in ("unet", "text_encoder_2") if weights else ():
        if not any((folder / part).glob("*.safetensors")):
            raise UnreadableModel(f"The refiner {source} has no weights in {part}/ as .safetensors files.")
