"""The real architectures as data, and folders that hold them with random weights, enough to measure speed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from benchmarks.place import ROOT

MINI = ROOT / "models" / "mini"

Architecture = Mapping[str, Mapping[str, Any]]
"""Of each part, by its name in the pipeline, what its published configuration says beyond the defaults."""

_CLIP_L = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "quick_gelu",
    "projection_dim": 768,
    "vocab_size": 49408,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
}
_BIG_G = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "hidden_act": "gelu",
    "projection_dim": 1280,
    "vocab_size": 49408,
    "bos_token_id": 49406,
    "eos_token_id": 49407,
}
_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}
_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}

SD15: Architecture = {
    "unet": {
        "sample_size": 64,
        "block_out_channels": (320, 640, 1280, 1280),
        "layers_per_block": 2,
        "cross_attention_dim": 768,
        "attention_head_dim": 8,
    },
    "vae": {**_VAE, "sample_size": 512, "scaling_factor": 0.18215},
    "text_encoder": _CLIP_L,
    "scheduler": {**_BETAS, "set_alpha_to_one": False, "skip_prk_steps": True},
}
SDXL: Architecture = {
    "unet": {
        "sample_size": 128,
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 2,
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "vae": {**_VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True},
    "text_encoder": _CLIP_L,
    "text_encoder_2": _BIG_G,
    "scheduler": {**_BETAS, "timestep_spacing": "leading"},
}
ARCHITECTURES: Mapping[str, Architecture] = {"sd15": SD15, "sdxl": SDXL}


def parts(architecture: Architecture) -> dict[str, Any]:
    """The UNet, the VAE and the text encoders with torch's own first weights, on its default device."""
    made = {
        "unet": diffusers.UNet2DConditionModel(**architecture["unet"]),
        "vae": diffusers.AutoencoderKL(**architecture["vae"]),
        "text_encoder": transformers.CLIPTextModel(_text_config(architecture["text_encoder"])),
    }
    if "text_encoder_2" in architecture:
        config = _text_config(architecture["text_encoder_2"])
        made["text_encoder_2"] = transformers.CLIPTextModelWithProjection(config)
    return made


def folder(model: str, cache: Path) -> Path:
    """Where a model lies: `mini`, any folder, or one that is made once with random weights in float16.

    Raises:
        FileNotFoundError: neither an architecture of this name nor a folder.
    """
    if model == "mini":
        return MINI
    if model not in ARCHITECTURES:
        if not Path(model).is_dir():
            names = ", ".join(["mini", *ARCHITECTURES])
            raise FileNotFoundError(
                f"--model is {model}; it may be {names} or a folder in diffusers' format."
            )
        return Path(model)
    place = cache / model
    if not place.exists():
        unfinished = cache / f"{model}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        build(ARCHITECTURES[model], unfinished)
        unfinished.rename(place)
    return place


def build(architecture: Architecture, place: Path) -> None:
    """A pipeline with random weights, in float16, as a folder."""
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)  # half the memory, and the files are as people have them
    try:
        made = parts(architecture)
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():  # random weights decode to nearly grey; this spreads what differs over all levels
        made["vae"].decoder.conv_out.weight.mul_(4)
    scheduler = architecture["scheduler"]
    if "text_encoder_2" in made:
        pipe = diffusers.StableDiffusionXLPipeline(
            **made,
            tokenizer=_tokenizer("<|endoftext|>"),
            tokenizer_2=_tokenizer("!"),
            scheduler=diffusers.EulerDiscreteScheduler(**scheduler),
            add_watermarker=False,
        )
    else:
        pipe = diffusers.StableDiffusionPipeline(
            **made,
            tokenizer=_tokenizer("<|endoftext|>"),
            scheduler=diffusers.PNDMScheduler(**scheduler),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipe.save_pretrained(place)


def _text_config(values: Mapping[str, Any]) -> Any:
    return transformers.CLIPTextConfig(**values, max_position_embeddings=77, pad_token_id=1)


def _tokenizer(pad: str) -> Any:
    """CLIP's 256 bytes without its merges: the ids are not the real ones, the 77 tokens for the model are."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    alphabet = [chr(byte) for byte in shown] + [chr(256 + index) for index in range(len(hidden))]
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    ids = {token: index for index, token in enumerate(tokens)}
    ids |= {"<|startoftext|>": 49406, "<|endoftext|>": 49407}
    return transformers.CLIPTokenizer(vocab=ids, merges=[], pad_token=pad, model_max_length=77)
