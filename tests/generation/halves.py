"""A pipeline at toy size, with random weights, that is published in two halves."""

from __future__ import annotations

from pathlib import Path

import diffusers
import torch
import transformers

from tests.generation.toys import _text_config, _tokenizer


def build_kandinsky(folder: Path) -> Path:
    """Kandinsky 2.2, the half that draws; its card names the one that reads the prompt."""
    torch.manual_seed(8)
    vision = transformers.CLIPVisionConfig(
        hidden_size=16,
        projection_dim=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
    )
    prior = diffusers.KandinskyV22PriorPipeline(
        prior=diffusers.PriorTransformer(
            num_attention_heads=2, attention_head_dim=8, num_layers=1, embedding_dim=16
        ),
        image_encoder=transformers.CLIPVisionModelWithProjection(vision),
        text_encoder=transformers.CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(),
        scheduler=diffusers.UnCLIPScheduler(prediction_type="sample", clip_sample_range=5.0),
        image_processor=transformers.CLIPImageProcessor(),
    )
    prior.save_pretrained(folder / "prior")
    unet = diffusers.UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        attention_head_dim=4,
        cross_attention_dim=16,
        encoder_hid_dim=16,
        encoder_hid_dim_type="image_proj",
        addition_embed_type="image",
        resnet_time_scale_shift="scale_shift",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    )
    movq = diffusers.VQModel(
        block_out_channels=(32, 32),  # its norms have 32 groups
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_type="spatial",
        latent_channels=4,
        vq_embed_dim=4,
        num_vq_embeddings=8,
    )
    with torch.no_grad():
        movq.decoder.conv_out.weight.mul_(4)
    scheduler = diffusers.DDPMScheduler(variance_type="learned_range", clip_sample=False)
    pipe = diffusers.KandinskyV22Pipeline(unet=unet, scheduler=scheduler, movq=movq)
    pipe.save_pretrained(folder / "decoder")
    (folder / "decoder" / "README.md").write_text(f"---\nprior:\n- {folder / 'prior'}\n---\n")
    return folder / "decoder"
