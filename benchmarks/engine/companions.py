"""What looks at pictures, or enlarges them, beside a model, of random weights: what it costs is the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from safetensors.torch import save_file

from generation.engine.upscalers import UpscalerShelf

TOKENS = 4
"""Of a look, as the plain IP-Adapters have."""
UPSCALED = 4
"""How many times larger the upscaler makes a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Of each, what its configuration says beyond the defaults."""

    checker: Mapping[str, Any]
    """Of the CLIP vision model in the safety checker."""
    encoder: Mapping[str, Any]
    """Of the one that an IP-Adapter goes by."""
    depth: Mapping[str, Any]
    """Of the DINOv2 in a Depth Anything, and under `heads` of what follows that."""
    pose: Mapping[str, Any]
    """Of the backbone of a ViTPose."""
    upscaler: Mapping[str, int]
    """Of a Real-ESRGAN Compact."""


_VIT_L = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
}
REAL = Sizes(
    checker={**_VIT_L, "projection_dim": 768},
    encoder={
        **_VIT_L,
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "projection_dim": 1024,
        "hidden_act": "gelu",
    },
    depth={
        "hidden_size": 384,
        "num_attention_heads": 6,
        "image_size": 518,
        "heads": {
            "reassemble_hidden_size": 384,
            "neck_hidden_sizes": [48, 96, 192, 384],
            "fusion_hidden_size": 64,
        },
    },
    pose={"hidden_size": 768, "num_attention_heads": 12, "image_size": [256, 192], "patch_size": [16, 16]},
    upscaler={"num_feat": 64, "num_conv": 32},
)
"""The checker of Stable Diffusion 1, ViT-H, Depth Anything 2 (small), ViTPose-B, realesr-general-x4v3."""
_TINY = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2}
TOY = Sizes(
    checker={**_TINY, "image_size": 32, "patch_size": 8, "projection_dim": 16},
    encoder={**_TINY, "image_size": 32, "patch_size": 8, "projection_dim": 16},
    depth={
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": 56,
        "heads": {
            "reassemble_hidden_size": 16,
            "neck_hidden_sizes": [8, 8, 8, 8],
            "fusion_hidden_size": 8,
        },
    },
    pose={
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": [32, 32],
        "patch_size": [8, 8],
    },
    upscaler={"num_feat": 8, "num_conv": 2},
)
"""Enough to see that it runs."""


def write_checker(sizes: Sizes, folder: Path) -> Path:
    """One that flags nothing."""
    vision = dict(sizes.checker)
    config = transformers.CLIPConfig(
        text_config={"num_hidden_layers": 1}, vision_config=vision, projection_dim=vision["projection_dim"]
    )
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.fill_(2.0)  # a cosine is 1 at the most
    checker.special_care_embeds_weights.fill_(2.0)
    checker.save_pretrained(folder)
    return folder


def write_ip_adapter(sizes: Sizes, unet: Any, folder: Path) -> Path:
    """The file of a plain one for this UNet, its image encoder beside it."""
    folder.mkdir(parents=True)
    config = transformers.CLIPVisionConfig(**sizes.encoder)
    encoder = transformers.CLIPVisionModelWithProjection(config)
    encoder.to(unet.dtype).save_pretrained(folder / "image_encoder")
    width = int(unet.config.cross_attention_dim)
    weights = {
        "image_proj.proj.weight": torch.randn(TOKENS * width, config.projection_dim) * 0.02,
        "image_proj.proj.bias": torch.zeros(TOKENS * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    crossing = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2" in name]
    for number, name in enumerate(crossing):
        for which in "kv":
            shape = (unet.get_submodule(name).inner_dim, width)
            weights[f"ip_adapter.{2 * number + 1}.to_{which}_ip.weight"] = torch.randn(shape) * 0.02
    file = folder / "bench.safetensors"
    save_file(weights, file)
    return file


def write_depth(sizes: Sizes, folder: Path) -> Path:
    """A Depth Anything."""
    backbone = dict(sizes.depth)
    heads = backbone.pop("heads")
    layers = backbone.get("num_hidden_layers", 12)
    taken = [layers * part // 4 for part in range(1, 5)]
    config = transformers.DepthAnythingConfig(
        backbone_config=transformers.Dinov2Config(
            **backbone, patch_size=14, out_indices=taken, reshape_hidden_states=False, apply_layernorm=True
        ),
        patch_size=14,
        **heads,
    )
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    edge = backbone["image_size"]
    said = {"image_processor_type": "DPTImageProcessor", "size": {"height": edge, "width": edge}}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def write_pose(sizes: Sizes, folder: Path) -> Path:
    """A ViTPose that sees somebody wherever it looks."""
    backbone = transformers.VitPoseBackboneConfig(
        **sizes.pose, out_indices=[sizes.pose.get("num_hidden_layers", 12)]
    )
    config = transformers.VitPoseConfig(backbone_config=backbone, use_simple_decoder=True, num_labels=17)
    model = transformers.VitPoseForPoseEstimation(config)
    torch.nn.init.constant_(model.head.conv.bias, 0.5)
    model.save_pretrained(folder)
    height, width = sizes.pose["image_size"]
    said = {"image_processor_type": "VitPoseImageProcessor", "size": {"height": height, "width": width}}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


def write_upscaler(sizes: Sizes, file: Path) -> Path:
    """A Real-ESRGAN Compact."""
    UpscalerShelf.make_ready()
    from spandrel.architectures.Compact import Compact

    file.parent.mkdir(parents=True)
    model = Compact(num_in_ch=3, num_out_ch=3, upscale=UPSCALED, **sizes.upscaler)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, file)
    return file
