"""The four parts of the model, untrained, and the ordinary diffusers folder that they are saved as."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from training.captions import vocabulary
from training.tokenizer import MAX_TOKENS, learn_tokenizer, save_tokenizer

SIDE = 128
"""Pixels of a picture's side."""
LATENT_CHANNELS = 8
LATENT_SIDE = SIDE // 8
SCHEDULER = {
    "_class_name": "DPMSolverMultistepScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "prediction_type": "v_prediction",
    "algorithm_type": "dpmsolver++",
    "solver_order": 2,
    "use_karras_sigmas": True,
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "clip_sample": False,
    "set_alpha_to_one": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """How big the parts are; the default is the model that ships."""

    autoencoder: tuple[int, ...] = (16, 32, 64, 96)
    text: int = 128
    text_layers: int = 4
    unet: tuple[int, ...] = (48, 96, 160)
    heads: int = 2


def new_autoencoder(widths: Widths) -> AutoencoderKL:
    """128 x 128 x 3 in [-1, 1] to 16 x 16 x 8 and back, fully convolutional.

    One norm group, since several would lose the level of flat colours.
    """
    autoencoder = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * len(widths.autoencoder),
        up_block_types=("UpDecoderBlock2D",) * len(widths.autoencoder),
        block_out_channels=widths.autoencoder,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=1,
        sample_size=SIDE,
        scaling_factor=1.0,
        mid_block_add_attention=False,
        force_upcast=False,
    )
    start_as_identity(autoencoder)
    with torch.no_grad():
        autoencoder.quant_conv.bias[LATENT_CHANNELS:].fill_(-5.0)  # begin with little noise in the latents
    return autoencoder


def new_text_encoder(widths: Widths, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=widths.text,
            intermediate_size=widths.text * 4,
            num_hidden_layers=widths.text_layers,
            num_attention_heads=widths.text // 32,
            max_position_embeddings=MAX_TOKENS,
            projection_dim=widths.text,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def new_unet(widths: Widths) -> UNet2DConditionModel:
    """Predicts v for (B, 8, 16, 16) latents: cheap at 16 x 16, attention to the text at 8 x 8 and 4 x 4."""
    depth = len(widths.unet)
    unet = UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * (depth - 1)),
        up_block_types=(*("CrossAttnUpBlock2D",) * (depth - 1), "UpBlock2D"),
        block_out_channels=widths.unet,
        layers_per_block=1,
        cross_attention_dim=widths.text,
        attention_head_dim=widths.heads,  # diffusers means the number of heads
        norm_num_groups=8,
    )
    start_as_identity(unet)
    return unet


def start_as_identity(model: nn.Module) -> None:
    """Sets the last convolution of every residual block to zero, which trains faster from nothing."""
    for name, module in model.named_modules():
        if name.endswith("conv2") and isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A finished folder. Its text encoder understands no other tokenizer than its own."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    autoencoder: AutoencoderKL
    unet: UNet2DConditionModel


def load_folder(folder: Path) -> Parts:
    """The parts in float32 on the CPU, to go on training them."""
    return Parts(
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text_encoder"),
        autoencoder=AutoencoderKL.from_pretrained(folder / "vae"),
        unet=UNet2DConditionModel.from_pretrained(folder / "unet"),
    )


def save_folder(
    folder: Path,
    *,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
) -> None:
    """Writes the parts as `StableDiffusionPipeline.from_pretrained(folder)` reads them, weights in fp16.

    Every file is written beside its place and renamed into it, so that a reader never meets half a file.
    """
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.42.0",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", SCHEDULER["_class_name"]],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    for part in ("scheduler", "text_encoder", "tokenizer", "unet", "vae"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, folder / "tokenizer")
    save_part(
        folder / "text_encoder", "model", text_encoder, json.loads(text_encoder.config.to_json_string())
    )
    save_part(folder / "vae", "diffusion_pytorch_model", autoencoder, dict(autoencoder.config))
    save_part(folder / "unet", "diffusion_pytorch_model", unet, dict(unet.config))
    _write(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    _write(folder / "model_index.json", index)
    words = folder / "words.txt"
    words.write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")


def save_part(folder: Path, stem: str, model: nn.Module, config: dict[str, object]) -> None:
    """One part's config and its weights in fp16, `stem`.safetensors, in a folder that is there."""
    # Where the weights were read from is nobody's business, and what wrote them is no matter.
    for private in ("_name_or_path", "_use_default_values", "transformers_version"):
        config.pop(private, None)
    name = type(model).__name__
    if isinstance(model, CLIPTextModel):
        # Else transformers would load the fp16 file as fp16 beside parts that diffusers loads as fp32.
        config |= {"architectures": [name], "dtype": "float32"}
    else:
        config |= {"_class_name": name}
    _write(folder / "config.json", config)
    weights = {
        key: tensor.detach().to("cpu", torch.float16).contiguous()
        for key, tensor in model.state_dict().items()
    }
    fresh = folder / f"{stem}.safetensors.new"
    save_file(weights, fresh, metadata={"format": "pt"})
    fresh.chmod(0o644)
    fresh.rename(folder / f"{stem}.safetensors")


def _write(path: Path, content: object) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    fresh.rename(path)


def new_tokenizer() -> CLIPTokenizer:
    """The tokenizer of the captions; the same on every machine, since it is learned from fixed words."""
    return learn_tokenizer(vocabulary())
