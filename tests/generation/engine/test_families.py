"""v-prediction and SDXL at toy size, each against its stock pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import ImageChops, ImageStat

from generation.catalogue import Family
from generation.metadata import read
from generation.request import Size
from tests.generation.engine.test_loop import assert_equals_stock, stock_pipeline
from tests.generation.toys import Bench, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


@pytest.fixture(scope="module")
def sdxl_bench(toy_sdxl: Path) -> Bench:
    return Bench(str(toy_sdxl))


@pytest.fixture(scope="module")
def stock_sdxl(toy_sdxl: Path) -> Any:
    return stock_pipeline(str(toy_sdxl))


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "DPM++ 2M Karras", "UniPC", "DDPM"])
def test_a_model_that_predicts_velocity_draws_what_the_stock_pipeline_draws(
    sampler: str, toy_v: Path
) -> None:
    bench = Bench(str(toy_v))
    assert_equals_stock(bench, stock_pipeline(str(toy_v)), sampler=sampler)
    record = read(bench.draw(sampler=sampler)).record
    assert record is not None
    assert record["prediction_type"] == "v_prediction"


@pytest.mark.parametrize(
    "changes",
    [
        {"sampler": "Euler"},
        {"sampler": "DPM++ 2M SDE Karras"},
        {"negative_prompt": "blue"},
        {"guidance": 1.0},
        {"size": Size(width=128, height=64)},
    ],
    ids=lambda changes: str(*changes.values()),
)
def test_sdxl_draws_what_the_stock_pipeline_draws(
    changes: dict[str, Any], sdxl_bench: Bench, stock_sdxl: Any
) -> None:
    assert sdxl_bench.model.info.family is Family.SDXL
    assert_equals_stock(sdxl_bench, stock_sdxl, **changes)


def test_sdxl_takes_an_empty_negative_prompt_for_none_at_all(sdxl_bench: Bench) -> None:
    assert sdxl_bench.model.zero_empty_negative
    without = picture(sdxl_bench.draw())
    spaced = picture(sdxl_bench.draw(negative_prompt=" "))
    assert ImageChops.difference(without, spaced).getbbox() is not None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_draws_nearly_the_same_picture(dtype: str, toy_sdxl: Path, sdxl_bench: Bench) -> None:
    half = Bench(str(toy_sdxl), dtype=dtype)
    png = half.draw(sampler="Euler a")
    record = read(png).record
    assert record is not None
    assert record["dtype"] == dtype
    difference = ImageChops.difference(picture(png), picture(sdxl_bench.draw(sampler="Euler a")))
    mean = ImageStat.Stat(difference).mean
    assert max(mean) < 12, "the same seed means the same noise in every dtype"


@pytest.mark.parametrize("guidance", [1.0, 8.0])
@pytest.mark.parametrize("sampler", ["LCM", "DDIM"])
def test_a_model_that_is_told_its_guidance_draws_what_the_stock_pipeline_draws(
    guidance: float, sampler: str, toy_sd: Path, tmp_path: Path
) -> None:
    """A latent consistency model: one row for an image, and the guidance an input of the UNet."""
    import torch
    from diffusers import UNet2DConditionModel

    pipe = stock_pipeline(str(toy_sd))
    torch.manual_seed(0)
    pipe.unet = UNet2DConditionModel.from_config(dict(pipe.unet.config) | {"time_cond_proj_dim": 32})
    with torch.no_grad():
        pipe.unet.time_embedding.cond_proj.weight.mul_(5)
    pipe.save_pretrained(tmp_path / "lcm")
    bench = Bench(str(tmp_path / "lcm"))
    assert_equals_stock(
        bench, stock_pipeline(str(tmp_path / "lcm")), sampler=sampler, guidance=guidance, steps=4
    )
    record = read(bench.draw(sampler=sampler, guidance=guidance, steps=4)).record
    assert record is not None
    assert record["unet_calls"] == [[1, 0, 4]]
    other = picture(bench.draw(sampler=sampler, guidance=guidance + 2, steps=4))
    same = picture(bench.draw(sampler=sampler, guidance=guidance, steps=4))
    assert ImageChops.difference(same, other).getbbox() is not None, "the guidance is told"
