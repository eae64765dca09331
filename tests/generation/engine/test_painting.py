"""Models made for inpainting draw as diffusers' own pipelines have them draw, with a mask and without."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image, ImageChops

from generation.catalogue import Family, describe
from generation.metadata import read
from generation.redraw import redraw
from generation.request import Hires, Size
from tests.generation.checkpoints import write_checkpoint
from tests.generation.engine.test_batch import largest_difference, recorded_calls, run_all
from tests.generation.engine.test_inputs import a_mask, a_photo, drawn, file_of, from_picture, stock
from tests.generation.toys import Bench, a_request, a_task, build_sd, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")

SIZE = Size(width=64, height=64)
BOX = (16, 8, 48, 40)


def build_painting(folder: Path, plain: Path) -> Path:
    """The pipeline in `plain` for inpainting: with a UNet of nine channels, whose weights are random."""
    kind = "StableDiffusionXL" if (plain / "text_encoder_2").is_dir() else "StableDiffusion"
    pipe = getattr(diffusers, f"{kind}Pipeline").from_pretrained(str(plain))
    torch.manual_seed(5)
    unet = diffusers.UNet2DConditionModel.from_config({**pipe.unet.config, "in_channels": 9})
    parts = {name: part for name, part in pipe.components.items() if part is not None} | {"unet": unet}
    more = {"requires_safety_checker": False} if kind == "StableDiffusion" else {}
    absent = dict.fromkeys(("safety_checker", "feature_extractor")) if more else {}
    getattr(diffusers, f"{kind}InpaintPipeline")(**parts, **absent, **more).save_pretrained(folder)
    return folder


def stock_painted(bench: Bench, request: Any, photo: Image.Image, mask: Image.Image) -> Image.Image:
    """What the stock pipeline makes of it; it is given a mask of whole cells."""
    kind = "StableDiffusionXL" if bench.model.info.family is Family.SDXL else "StableDiffusion"
    name = f"{kind}InpaintPipeline"
    pipe = getattr(diffusers, name).from_pretrained(bench.source)
    size = {"width": photo.width, "height": photo.height}
    return stock(name, pipe, bench, request, image=photo, mask_image=mask, **size)


@pytest.fixture(scope="module")
def toy_wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Single files are known by the width of their text encoder."""
    return build_sd(tmp_path_factory.mktemp("models") / "wide", width=768)


@pytest.fixture(scope="module")
def painting(tmp_path_factory: pytest.TempPathFactory, toy_sd: Path) -> Bench:
    return Bench(str(build_painting(tmp_path_factory.mktemp("models") / "painting", toy_sd)))


@pytest.fixture(scope="module")
def painting_xl(tmp_path_factory: pytest.TempPathFactory, toy_sdxl: Path) -> Bench:
    return Bench(str(build_painting(tmp_path_factory.mktemp("models") / "painting-xl", toy_sdxl)))


@pytest.mark.parametrize("strength", [1.0, 0.6])
@pytest.mark.parametrize("sampler", ["DPM++ 2M Karras", "Heun"])
def test_inside_a_mask_it_draws_as_the_stock_pipeline(sampler: str, strength: float, painting: Bench) -> None:
    photo, mask = a_photo(SIZE), a_mask(SIZE, BOX)
    task = from_picture(painting.source, photo, mask, strength=strength, sampler=sampler)
    ours = picture(drawn(painting, task))
    wanted = stock_painted(painting, task.request, photo, mask)
    assert ours.crop(BOX).tobytes() == wanted.crop(BOX).tobytes()
    outside = ImageChops.difference(ours, photo)
    outside.paste(0, BOX)
    assert outside.getbbox() is None


def test_inside_a_mask_sdxl_draws_as_the_stock_pipeline(painting_xl: Bench) -> None:
    photo, mask = a_photo(SIZE), a_mask(SIZE, BOX)
    task = from_picture(painting_xl.source, photo, mask, strength=0.6)
    wanted = stock_painted(painting_xl, task.request, photo, mask)
    assert picture(drawn(painting_xl, task)).crop(BOX).tobytes() == wanted.crop(BOX).tobytes()


def test_a_mask_of_parts_of_cells_is_told_as_whole_cells(painting: Bench) -> None:
    photo, grown = a_photo(SIZE), a_mask(SIZE, BOX)
    mask = Image.new("L", (64, 64))
    for x in range(16, 48, 8):  # a dot in each cell of the box
        for y in range(8, 40, 8):
            mask.putpixel((x + 5, y + 6), 255)
    task = from_picture(painting.source, photo, mask)
    wanted = stock_painted(painting, task.request, photo, grown)
    assert picture(drawn(painting, task)).tobytes() == Image.composite(wanted, photo, mask).tobytes()


@pytest.mark.parametrize("strength", [1.0, 0.6])
def test_from_a_whole_picture_it_draws_as_if_all_were_masked(strength: float, painting: Bench) -> None:
    photo = a_photo(SIZE)
    task = from_picture(painting.source, photo, strength=strength)
    wanted = stock_painted(painting, task.request, photo, Image.new("L", (64, 64), 255))
    assert picture(drawn(painting, task)).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("bench", ["painting", "painting_xl"])
def test_from_words_alone_it_draws_as_if_all_were_masked(bench: str, request: pytest.FixtureRequest) -> None:
    bench_: Bench = request.getfixturevalue(bench)
    all_white = from_picture(bench_.source, a_photo(SIZE), strength=1.0, steps=4).request
    wanted = stock_painted(bench_, all_white, a_photo(SIZE), Image.new("L", (64, 64), 255))
    assert picture(bench_.draw(size=SIZE)).tobytes() == wanted.tobytes()


def test_with_and_without_masks_they_share_calls_and_are_drawn_again(painting: Bench, tmp_path: Path) -> None:
    bench = painting.again(cap=3)
    photo, mask = a_photo(SIZE), a_mask(SIZE, BOX)
    tasks = [
        from_picture(bench.source, photo, mask, strength=1.0, job="masked"),
        from_picture(bench.source, photo, strength=1.0, job="whole"),
        a_task(a_request(bench.source, steps=5, size=SIZE), job="words"),
    ]
    alone = [drawn(bench, task) for task in tasks]
    together = run_all(bench, [(0, task) for task in tasks])
    for digest, data in map(file_of, (photo, mask)):
        (tmp_path / digest[:2]).mkdir(exist_ok=True)
        (tmp_path / digest[:2] / digest).write_bytes(data)
    for place, task in enumerate(tasks):
        png = together[task.id.job]
        assert recorded_calls(png) == ((6, 2 * place, 5),)
        assert largest_difference(picture(png), picture(alone[place])) <= 1
        again = redraw(read(png), model=bench.source, files=tmp_path)
        assert picture(again).tobytes() == picture(png).tobytes()


def test_a_second_pass_is_told_that_all_is_masked_in_its_own_size(painting: Bench) -> None:
    hires = Hires(size=Size(width=128, height=96), steps=4, strength=0.5)
    png = painting.draw(size=SIZE, hires=hires)
    assert picture(png).size == (128, 96)
    again = redraw(read(png), model=painting.source)
    assert picture(again).tobytes() == picture(png).tobytes()


def test_a_checkpoint_file_is_read_with_the_configuration_of_its_kind(toy_wide: Path, tmp_path: Path) -> None:
    folder = build_painting(tmp_path / "whole", toy_wide)
    file = write_checkpoint(folder, tmp_path / "painter.safetensors")
    shutil.copytree(folder, tmp_path / "painter", ignore=shutil.ignore_patterns("*.safetensors"))
    info = describe(str(file))
    assert (info.family, info.inpainting) == (Family.SD1, True)
    photo, mask = a_photo(SIZE), a_mask(SIZE, BOX)
    one, other = (drawn(Bench(str(place)), from_picture(str(place), photo, mask)) for place in (file, folder))
    assert picture(one).tobytes() == picture(other).tobytes()
