"""Pipelines at toy size, with random weights, whose latents have other forms than Stable Diffusion's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers

from tests.generation.toys import _vocabulary

CARD = '{"name": "toy", "min_edge": 64}'


def build_flux2(folder: Path) -> Path:
    """Flux 2 (Klein): tokens of cells of 2 x 2, each place in which has a mean and a spread of its own."""
    torch.manual_seed(5)
    template = (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    )
    tokenizer = _tokenizer(template)
    encoder = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=28,  # the prompt is what three of them say, the last of them the 27th
            num_attention_heads=1,
            num_key_value_heads=1,
            head_dim=8,
            vocab_size=len(tokenizer),
            max_position_embeddings=512,
        )
    )
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=24,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    vae = diffusers.AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=64,
    )
    with torch.no_grad():
        vae.bn.running_mean.normal_()
        vae.bn.running_var.uniform_(0.5, 2)
        vae.decoder.conv_out.weight.mul_(4)
    pipe = diffusers.Flux2KleinPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        transformer=transformer,
    )
    return _saved(pipe, folder)


def build_qwen(folder: Path) -> Path:
    """Qwen-Image: tokens of cells, and an autoencoder that was made for films."""
    torch.manual_seed(6)
    tokenizer = _tokenizer()
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}
    text = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "vocab_size": len(tokenizer),
        "rope_scaling": rope,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16}
    config = transformers.Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=1,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=4,
        z_dim=4,
        dim_mult=[1, 1, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1, -0.2, 0.3, 0.0],
        latents_std=[1.0, 2.0, 0.5, 1.5],
    )
    pipe = diffusers.QwenImagePipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config),
        tokenizer=tokenizer,
        transformer=transformer,
    )
    return _saved(pipe, folder)


def build_sana(folder: Path) -> Path:
    """Sana: an autoencoder that has no distribution, and a sampler of several steps for a flow.

    It draws sizes of a list of its own only, around 512 x 512 here.
    """
    torch.manual_seed(7)
    tokenizer = _tokenizer()
    encoder = transformers.Gemma2Model(
        transformers.Gemma2Config(
            head_dim=8,
            hidden_size=8,
            intermediate_size=8,
            num_attention_heads=1,
            num_hidden_layers=1,
            num_key_value_heads=1,
            vocab_size=len(tokenizer),
            bos_token_id=0,
            eos_token_id=1,
            attn_implementation="eager",
        )
    )
    transformer = diffusers.SanaTransformer2DModel(
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=4,
        num_cross_attention_heads=2,
        cross_attention_head_dim=4,
        cross_attention_dim=8,
        caption_channels=8,
        sample_size=16,
    )
    levels = 6
    vae = diffusers.AutoencoderDC(
        in_channels=3,
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=(4,) * levels,
        decoder_block_out_channels=(4,) * levels,
        encoder_qkv_multiscales=((),) * levels,
        decoder_qkv_multiscales=((),) * levels,
        encoder_layers_per_block=(1,) * levels,
        decoder_layers_per_block=(1,) * levels,
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
        scaling_factor=0.41407,
    )
    pipe = diffusers.SanaPipeline(
        tokenizer=tokenizer,
        text_encoder=encoder,
        vae=vae,
        transformer=transformer,
        scheduler=diffusers.DPMSolverMultistepScheduler(
            use_flow_sigmas=True, prediction_type="flow_prediction"
        ),
    )
    return _saved(pipe, folder)


def _saved(pipe: Any, folder: Path) -> Path:
    pipe.save_pretrained(folder)
    (folder / "atelier.json").write_text(CARD)
    return folder


def _tokenizer(template: str | None = None) -> Any:
    """Of the 256 bytes, and what encloses what somebody says."""
    letters = [token for token in _vocabulary() if not token.endswith("</w>") and not token.startswith("<|")]
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *letters]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = transformers.Qwen2Tokenizer(vocab=vocabulary, merges=[], pad_token="<|endoftext|>")
    tokenizer.chat_template = template
    return tokenizer
