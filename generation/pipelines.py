"""What the small files of any text-to-image pipeline say: its sizes, and the settings it was made with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.modelfiles import UnreadableModel, read_json
from generation.sentence import say

_ANOTHER_TASK = re.compile(
    r"Inpaint|Img2Img|Image2Image|ImageToImage|Pix2Pix|Depth2Img|Edit(?!or)|Layered|Variation|Upscale"
    r"|Control|Adapter|Video|Animat|I2V|V2V|^(?:LTX|Wan|AnyFlow|Mochi|Allegro|Latte|Helios|Cosmos)"
    r"|Audio|Music|Speech|3D|ShapE"
)
"""Classes of diffusers that make something else, or want more than a prompt. The rest is tried."""

KNOWN: Mapping[str, tuple[int, float]] = {
    "AuraFlowPipeline": (50, 3.5),
    "ChromaPipeline": (35, 5.0),
    "CogView3PlusPipeline": (50, 5.0),
    "CogView4Pipeline": (50, 5.0),
    "FluxPipeline": (28, 3.5),
    "Flux2Pipeline": (50, 4.0),
    "Flux2KleinPipeline": (50, 4.0),
    "HunyuanDiTPipeline": (50, 5.0),
    "Kandinsky3Pipeline": (25, 3.0),
    "KandinskyPipeline": (100, 4.0),
    "KandinskyV22Pipeline": (100, 4.0),
    "Krea2Pipeline": (28, 4.5),
    "Lumina2Pipeline": (30, 4.0),
    "LuminaPipeline": (30, 4.0),
    "OvisImagePipeline": (50, 5.0),
    "PixArtAlphaPipeline": (20, 4.5),
    "PixArtSigmaPipeline": (20, 4.5),
    "PRXPipeline": (28, 4.0),
    "QwenImagePipeline": (50, 4.0),
    "SanaPipeline": (20, 4.5),
    "StableCascadeDecoderPipeline": (12, 4.0),
    "StableDiffusion3Pipeline": (28, 7.0),
    "WuerstchenDecoderPipeline": (12, 4.0),
    "ZImagePipeline": (50, 5.0),
}
"""Steps and guidance that diffusers calls these with unless told otherwise."""
WITHOUT_NEGATIVE = frozenset(
    {
        "AceStepPipeline",
        "DiffusionGemmaPipeline",
        "DreamLiteMobilePipeline",
        "Flux2KleinKVPipeline",
        "Flux2KleinPipeline",
        "Flux2Pipeline",
        "FluxFillPipeline",
        "FluxKontextPipeline",
        "FluxPipeline",
        "GlmImagePipeline",
        "Ideogram4Pipeline",
        "LDMTextToImagePipeline",
        "LLaDA2Pipeline",
        "OmniGenPipeline",
        "SanaSprintPipeline",
        "UnCLIPPipeline",
        "VQDiffusionPipeline",
    }
)
"""Those of diffusers that take no negative prompt, or whose guidance is an input of the model."""
_COARSE = ("StableCascade", "Wuerstchen")
"""Their first half draws cells of 42.67 pixels, three of which are 128; other sizes would come out larger."""
_USUAL = (28, 5.0)
_DISTILLED = (4, 0.0)
_NATIVE = 1024
_FACTOR = 8

_NAMED = re.compile(
    r"(?<![a-z])(flux|stable-?diffusion-?3|sd-?3|auraflow|chroma|cogview|hunyuan-?dit|kandinsky|lumina|ovis"
    r"|pixart|qwen-?image|sana|wuerstchen|stable-?cascade|z-?image)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What suits a pipeline, as far as its configuration tells."""

    native: int
    """Pixels along the edge of a square picture."""
    multiple: int
    """Both edges must be multiples of this many pixels."""
    steps: int
    guidance: float
    takes_negative: bool
    """Whether a negative prompt changes anything."""


def sounds_like_one(name: str) -> bool:
    """Whether a model's name on the hub is that of a family which is drawn by its own pipeline."""
    return _NAMED.search(name.lower()) is not None


def traits(folder: Path, source: str) -> Traits:
    """What suits the pipeline in this folder.

    Raises:
        UnreadableModel: it makes no pictures of a prompt alone, or brings its own code.
    """
    name = read_json(folder / "model_index.json").get("_class_name")
    if not isinstance(name, str):
        raise UnreadableModel(
            say("The model {source} brings code of its own, which I never run.", source=source)
        )
    if _ANOTHER_TASK.search(name):
        raise UnreadableModel(
            say("The model {source} is a {name}; I draw with text-to-image models.", source=source, name=name)
        )
    denoiser = _optional(folder / "transformer") or _optional(folder / "unet")
    coders = (_optional(folder / part) for part in ("vae", "vqvae", "movq"))
    factor = _factor(next(filter(None, coders), {}))
    sample = denoiser.get("sample_size")
    native = sample * factor if isinstance(sample, int) else _NATIVE
    patch = denoiser.get("patch_size")
    if "down_block_types" in denoiser:
        halvings = 2 ** (len(denoiser["down_block_types"]) - 1)
    else:
        halvings = max(2, patch) if isinstance(patch, int) else 2
    steps, guidance = KNOWN.get(name, _USUAL)
    if name == "FluxPipeline" and denoiser.get("guidance_embeds") is False:
        steps, guidance = _DISTILLED
    return Traits(
        native=native,
        multiple=128 if name.startswith(_COARSE) else max(8, factor * halvings),
        steps=steps,
        guidance=guidance,
        takes_negative=takes_negative(name),
    )


def takes_negative(name: str) -> bool:
    """Whether a negative prompt changes what a pipeline of this name draws; of an unknown one we think so."""
    return name not in WITHOUT_NEGATIVE


def _optional(part: Path) -> dict[str, Any]:
    return read_json(part / "config.json") if (part / "config.json").is_file() else {}


def _factor(vae: Mapping[str, Any]) -> int:
    """Pixels along one edge of a latent: every level of a VAE but the last halves the picture."""
    for key in ("block_out_channels", "encoder_block_out_channels", "down_block_out_channels"):
        if isinstance(levels := vae.get(key), list) and levels:
            return int(2 ** (len(levels) - 1))
    if isinstance(halved := vae.get("temperal_downsample"), list):  # spelt so in the files of Qwen and Wan
        return int(2 ** len(halved))
    return _FACTOR
