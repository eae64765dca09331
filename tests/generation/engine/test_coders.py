"""Previews of families whose latents have forms of their own, judged by those families' own pipelines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderKLCogVideoX
from PIL import Image

from generation.catalogue import describe
from generation.engine.coders import Coder, coder_of, out_of_cells
from generation.engine.lane import arguments_for
from generation.engine.memory import Memory
from generation.engine.pipeline import Pipeline, load_pipeline
from generation.engine.previews import Look, Previews
from generation.engine.sightings import look_of, unpacked
from generation.request import Size
from tests.generation.engine.test_sightings import drawn, request_for, shown
from tests.generation.newer import build_flux2, build_qwen, build_sana
from tests.generation.toys import Bench

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

BUILT: dict[str, Callable[[Path], Path]] = {
    "Flux 2": build_flux2,
    "Qwen-Image": build_qwen,
    "Sana": build_sana,
}


@pytest.fixture(scope="module", params=BUILT)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = BUILT[request.param](tmp_path_factory.mktemp("models") / "toy")
    return load_pipeline(describe(str(folder)), device="cpu")


@pytest.fixture
def size(model: Pipeline) -> Size:
    is_sana = "Sana" in type(model.pipe).__name__
    return Size(width=512, height=512) if is_sana else Size(width=96, height=64)


def stock(model: Pipeline, size: Size) -> tuple[torch.Tensor, Any]:
    """The last latents that the pipeline itself knows, and the picture that it makes of them."""
    seen: list[torch.Tensor] = []

    def note(pipe: Any, index: int, time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append(tensors["latents"].clone())
        return tensors

    request = request_for(model, size=size, steps=2)
    arguments = arguments_for(model, request, torch.Generator("cpu").manual_seed(3))
    picture = model.pipe(**arguments, callback_on_step_end=note).images[0]
    return seen[-1], picture


def test_latents_are_decoded_as_the_pipeline_itself_does(model: Pipeline, size: Size) -> None:
    last, picture = stock(model, size)
    coder, latents = coder_of(model.pipe.vae), unpacked(model.pipe, last, size)
    assert coder is not None
    assert latents is not None
    assert latents.shape == (1, 4, size.height // coder.factor, size.width // coder.factor)
    assert coder.channels == 4
    with torch.inference_mode():
        ours = (coder.decode(latents)[0].permute(1, 2, 0) / 2 + 0.5).clamp(0, 1).numpy()
    assert picture.std() > 0.01, "nothing could be told of one grey"
    assert abs(ours - picture).max() < 1e-4


@torch.inference_mode()
def test_what_is_encoded_is_what_would_be_decoded(model: Pipeline) -> None:
    coder = coder_of(model.pipe.vae)
    assert coder is not None
    pictures = torch.rand(2, 3, 64, 32) * 2 - 1
    latents = coder.encode(pictures)
    assert latents.shape == (2, 4, 64 // coder.factor, 32 // coder.factor)
    once = coder.decode(latents)
    assert once.shape == pictures.shape
    own = coder._decoded(coder._encoded(pictures))
    torch.testing.assert_close(once, own, atol=1e-4, rtol=1e-4)


def test_who_watches_sees_each_step_but_the_last_and_no_bit_changes(model: Pipeline, size: Size) -> None:
    said = drawn(model, steps=3, size=size)
    small = shown(said)
    assert [each.size for each in small] == [(256, round(256 * size.height / size.width))] * 2
    assert all(isinstance(each, Image.Image) and each.getcolors(2) is None for each in small)
    assert drawn(model, watched=False, steps=3, size=size)[-1] == said[-1]


def test_tokens_that_do_not_fill_the_picture_show_nothing(model: Pipeline, size: Size) -> None:
    tokens = torch.zeros(1, 25, 16)
    try:
        assert unpacked(model.pipe, tokens, size) is None
    except RuntimeError:  # their own pipeline cannot put them anywhere, and says so
        assert hasattr(model.pipe, "_unpack_latents")


def test_an_autoencoder_of_another_kind_is_not_looked_through() -> None:
    assert coder_of(None) is None
    with torch.device("meta"):
        assert coder_of(AutoencoderKLCogVideoX()) is None


@torch.inference_mode()
def test_a_mean_and_a_spread_of_each_channel_count_where_the_pipeline_takes_them(
    sd_bench: Bench, toy_sdxl: Path
) -> None:
    """As with Playground 2.5, an SDXL whose latents were put on one scale for EDM's way of training."""
    torch.manual_seed(2)
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=4,
        scaling_factor=0.5,
        latents_mean=[1.0, -1.0, 0.5, 0.0],
        latents_std=[1.0, 2.0, 4.0, 8.0],
    ).eval()
    vae.decoder.conv_out.weight.mul_(4)
    latents, config = torch.randn(1, 4, 4, 4), vae.config
    mean, std = (torch.tensor(each).view(1, 4, 1, 1) for each in (config.latents_mean, config.latents_std))
    xl, plain = Coder(vae, by_channel=True), Coder(vae)
    torch.testing.assert_close(xl.decode(latents), vae.decode(latents * std / 0.5 + mean).sample)
    torch.testing.assert_close(plain.decode(latents), vae.decode(latents / 0.5).sample)
    webps = [
        Look(each, None, torch.device("cpu"), need_vae=lambda: None).webp(latents) for each in (xl, plain)
    ]
    assert webps[0] != webps[1]
    for bench, wanted in ((Bench(str(toy_sdxl)), webps[0]), (sd_bench, webps[1])):
        look = Previews(replace(bench.model, vae=vae), Memory(bench.model)).look
        assert look.webp(latents) == wanted


def test_cells_are_taken_apart_in_their_order() -> None:
    cells = torch.arange(8.0).view(1, 8, 1, 1)
    assert out_of_cells(cells).tolist() == [[[[0, 1], [2, 3]], [[4, 5], [6, 7]]]]


def test_a_look_of_theirs_is_fitted_or_decoded_but_never_of_another_form(model: Pipeline) -> None:
    look = look_of(model)
    assert isinstance(look, Look)
    with torch.inference_mode():
        assert look.webp(torch.randn(1, 4, 8, 12))
