"""v-prediction and SDXL at toy size, each against its stock pipeline."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerAncestralDiscreteScheduler
from PIL import ImageChops, ImageStat

from generation.catalogue import Family
from generation.metadata import read
from generation.request import Size
from tests.generation.engine.test_batch import recorded_calls
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
@pytest.mark.parametrize(
    ("sampler", "pipeline"), [("LCM", "LatentConsistencyModelPipeline"), ("DDIM", "StableDiffusionPipeline")]
)
def test_a_model_that_is_told_its_guidance_draws_what_the_stock_pipeline_draws(
    guidance: float, sampler: str, pipeline: str, toy_sd: Path, tmp_path: Path
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
    index = tmp_path / "lcm" / "model_index.json"  # as those of the first who made one
    index.write_text(index.read_text().replace("StableDiffusionPipeline", pipeline))
    bench = Bench(str(tmp_path / "lcm"))
    assert (bench.model.info.family, bench.model.info.takes_negative) == (Family.SD1, False)
    assert_equals_stock(
        bench, stock_pipeline(str(tmp_path / "lcm")), sampler=sampler, guidance=guidance, steps=4
    )
    record = read(bench.draw(sampler=sampler, guidance=guidance, steps=4)).record
    assert record is not None
    assert record["unet_calls"] == [[1, 0, 4]]
    other = picture(bench.draw(sampler=sampler, guidance=guidance + 2, steps=4))
    same = picture(bench.draw(sampler=sampler, guidance=guidance, steps=4))
    assert ImageChops.difference(same, other).getbbox() is not None, "the guidance is told"


def test_a_turbo_model_draws_with_its_defaults_as_its_card_says_in_one_row(
    toy_sdxl: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(toy_sdxl, tmp_path / "turbo"))
    config = EulerAncestralDiscreteScheduler.from_pretrained(
        folder, subfolder="scheduler", timestep_spacing="trailing"
    )
    config.save_pretrained(folder / "scheduler")
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("EulerDiscrete", "EulerAncestralDiscrete"))
    bench, stock = Bench(str(folder)), stock_pipeline(str(folder))
    assert type(stock.scheduler) is EulerAncestralDiscreteScheduler
    defaults = bench.model.info.defaults
    png = bench.draw(steps=defaults.steps, guidance=defaults.guidance, sampler=defaults.sampler)
    stock.set_progress_bar_config(disable=True)
    theirs = stock(
        "a red circle",
        width=64,
        height=64,
        num_inference_steps=4,
        guidance_scale=0.0,
        generator=torch.Generator("cpu").manual_seed(7),
    )
    assert ImageChops.difference(picture(png), theirs.images[0]).getbbox() is None
    assert recorded_calls(png) == ((1, 0, 4),)
