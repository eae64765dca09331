"""The embedded model's folder is an ordinary one, small enough, and not open to the known pitfalls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

MODEL = Path(__file__).parents[2] / "models" / "mini"
pytestmark = [
    pytest.mark.skipif(
        not (MODEL / "unet/diffusion_pytorch_model.safetensors").exists(), reason="no weights"
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(MODEL)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_the_weights_are_at_most_25_megabytes_of_fp16() -> None:
    files = list(MODEL.rglob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) <= 25_000_000
    header = files[0].read_bytes()
    length = int.from_bytes(header[:8], "little")
    kinds = {
        entry["dtype"] for name, entry in json.loads(header[8 : 8 + length]).items() if name != "__metadata__"
    }
    assert kinds == {"F16"}


def test_all_parts_load_in_one_precision(pipeline: StableDiffusionPipeline) -> None:
    parts = (pipeline.unet, pipeline.vae, pipeline.text_encoder)
    assert {part.dtype for part in parts} == {torch.float32}


def test_another_sampler_inherits_what_the_model_needs(pipeline: StableDiffusionPipeline) -> None:
    config = DDIMScheduler.from_config(pipeline.scheduler.config).config
    assert config.prediction_type == "v_prediction"
    assert (config.clip_sample, config.set_alpha_to_one, config.steps_offset) == (False, False, 1)


def test_native_size_and_token_limit_are_read_from_the_model(pipeline: StableDiffusionPipeline) -> None:
    assert pipeline.unet.config.sample_size * pipeline.vae_scale_factor == 128
    assert pipeline.tokenizer.model_max_length == 77


def test_the_same_seed_draws_the_same_bytes(pipeline: StableDiffusionPipeline) -> None:
    first, again, other = (
        pipeline("a red circle", num_inference_steps=2, generator=torch.Generator().manual_seed(seed)).images[
            0
        ]
        for seed in (7, 7, 8)
    )
    assert first.size == (128, 128)
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()
