"""A pipeline's folder as one checkpoint file, under the names Stable Diffusion was published with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Renamed = Iterator[tuple[str, Any]]

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_AROUND = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP = {
    "encoder.layers.": "transformer.resblocks.",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
    "final_layer_norm": "ln_final",
    "embeddings.token_embedding": "token_embedding",
    "embeddings.position_embedding.weight": "positional_embedding",
}


def write_checkpoint(folder: Path, file: Path) -> Path:
    """One .safetensors file with the weights of the Stable Diffusion 1, 2 or XL pipeline in `folder`."""
    from diffusers import DiffusionPipeline
    from safetensors.torch import save_file

    pipe = DiffusionPipeline.from_pretrained(str(folder))
    tensors = dict([*renamed_unet(pipe.unet), *_vae(pipe.vae)])
    if getattr(pipe, "text_encoder", None) is None:  # a refiner
        tensors |= _open_clip(pipe.text_encoder_2, "conditioner.embedders.0.model.")
    elif hasattr(pipe, "text_encoder_2"):
        first, second = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
        tensors |= _clip(pipe.text_encoder, first)
        tensors |= _open_clip(pipe.text_encoder_2, second)
    elif pipe.unet.config.cross_attention_dim == 1024:
        tensors |= _open_clip_2(pipe.text_encoder, "cond_stage_model.model.")
    else:
        tensors |= _clip(pipe.text_encoder, "cond_stage_model.transformer.")
    # What else the published files hold, and nothing needs.
    tensors["alphas_cumprod"] = pipe.scheduler.alphas_cumprod
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    return file


def renamed_unet(unet: Any) -> Renamed:
    """The original numbers its blocks through: each layer is one, and so is each halving of the size."""
    per_block = unet.config.layers_per_block + 1
    names = unet.state_dict()
    for name, tensor in names.items():
        if match := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name):
            side, block, kind, layer, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
            if kind.endswith("samplers"):
                layer = per_block - 1
            place = block * per_block + layer
            blocks = f"input_blocks.{place + 1}" if side == "down" else f"output_blocks.{place}"
            attends = any(other.startswith(f"{side}_blocks.{block}.attentions") for other in names)
            renamed = {
                "resnets": f"{blocks}.0.{_replaced(rest, _RESNET)}",
                "attentions": f"{blocks}.1.{rest}",
                "downsamplers": f"{blocks}.0.{rest.replace('conv.', 'op.')}",
                "upsamplers": f"{blocks}.{2 if attends else 1}.{rest}",
            }[kind]
        elif match := re.fullmatch(r"mid_block\.(\w+)\.(\d+)\.(.+)", name):
            resnet = f"middle_block.{2 * int(match[2])}.{_replaced(match[3], _RESNET)}"
            renamed = resnet if match[1] == "resnets" else f"middle_block.1.{match[3]}"
        else:
            renamed = _replaced(name, _AROUND)
        yield f"model.diffusion_model.{renamed}", tensor


def published_layers(unet: Any) -> dict[str, str]:
    """What the layers of a UNet were called when they were published."""
    pairs = zip(unet.state_dict(), renamed_unet(unet), strict=True)
    return {
        name.removesuffix(".weight"): renamed.removeprefix("model.diffusion_model.").removesuffix(".weight")
        for name, (renamed, _) in pairs
        if name.endswith(".weight")
    }


def _vae(vae: Any) -> Renamed:
    last = len(vae.config.block_out_channels) - 1
    for name, tensor in vae.state_dict().items():
        value = tensor
        renamed = re.sub(r"down_blocks\.(\d+)\.resnets", r"down.\1.block", name)
        renamed = re.sub(
            r"up_blocks\.(\d+)\.resnets", lambda match: f"up.{last - int(match[1])}.block", renamed
        )
        renamed = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", renamed)
        renamed = re.sub(
            r"up_blocks\.(\d+)\.upsamplers\.0", lambda match: f"up.{last - int(match[1])}.upsample", renamed
        )
        renamed = re.sub(r"mid_block\.resnets\.(\d)", lambda match: f"mid.block_{int(match[1]) + 1}", renamed)
        renamed = renamed.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0" in renamed:
            renamed = _replaced(renamed.replace("mid_block.attentions.0", "mid.attn_1"), _VAE_ATTENTION)
            if value.ndim == 2:  # the original has convolutions of one pixel there
                value = value[:, :, None, None]
        yield f"first_stage_model.{renamed}", value


def _clip(encoder: Any, prefix: str) -> Renamed:
    import torch

    yield f"{prefix}text_model.embeddings.position_ids", torch.arange(77)[None]
    for name, tensor in encoder.state_dict().items():
        yield f"{prefix}text_model.{name.removeprefix('text_model.')}", tensor


def _open_clip(encoder: Any, prefix: str) -> Renamed:
    import torch

    weights = {name.removeprefix("text_model."): tensor for name, tensor in encoder.state_dict().items()}
    for name, tensor in weights.items():
        if name == "text_projection.weight":
            yield f"{prefix}text_projection", tensor.T
        elif match := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)", name):
            three = [weights[name.replace("q_proj", f"{each}_proj")] for each in "qkv"]
            yield f"{prefix}transformer.resblocks.{match[1]}.attn.in_proj_{match[2]}", torch.cat(three)
        elif "self_attn.k_proj" not in name and "self_attn.v_proj" not in name:
            yield prefix + _replaced(name, _OPEN_CLIP), tensor


def _open_clip_2(encoder: Any, prefix: str) -> Renamed:
    """Of Stable Diffusion 2, whose files hold a last layer and a projection that it does without."""
    import torch

    for name, tensor in _open_clip(encoder, prefix):
        yield name, tensor
        if ".resblocks.0." in name:
            yield name.replace(".resblocks.0.", ".resblocks.23."), tensor.clone()
    yield f"{prefix}text_projection", torch.zeros(1024, 1024)
    yield f"{prefix}logit_scale", torch.zeros(())


def _replaced(name: str, table: dict[str, str]) -> str:
    for ours, original in table.items():
        name = name.replace(ours, original)
    return name
