"""What may be named as a refiner in models.toml, and what is said of everything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.generation.modelfiles import REFINER, SDXL, a_folder
from tests.generation.shelves import PAGE, problem, problems, shelf_of
from tests.generation.toys import write_safetensors

DREAM = '[[model]]\nname = "a"\nsource = "./dream"\nrefiner = "./refiner"\n'


@pytest.fixture
def dream(tmp_path: Path) -> Path:
    a_folder(tmp_path / "dream", pipeline="StableDiffusionXLPipeline")
    return tmp_path


def a_refiner(folder: Path, **index: object) -> Path:
    (folder / "unet").mkdir(parents=True)
    (folder / "text_encoder_2").mkdir()
    for part in ("unet", "text_encoder_2"):
        write_safetensors(folder / part / "model.safetensors", {"a": [1]})
    kind = {"_class_name": "StableDiffusionXLImg2ImgPipeline", "requires_aesthetics_score": True}
    (folder / "model_index.json").write_text(json.dumps(kind | index))
    return folder


def test_a_refiner_is_a_folder_a_file_or_a_name_on_the_hub(dream: Path) -> None:
    folder = a_refiner(dream / "refiner")
    model = shelf_of(dream, DREAM).default
    assert (model.refiner, model.refiner_start) == (str(folder), 0.8)
    file = write_safetensors(dream / "refiner.safetensors", REFINER)
    model = shelf_of(dream, DREAM.replace("./refiner", "refiner.safetensors") + "refiner_start = 0.7").default
    assert (model.refiner, model.refiner_start) == (str(file), 0.7)
    hub = "stabilityai/stable-diffusion-xl-refiner-1.0"
    assert shelf_of(dream, DREAM.replace("./refiner", hub)).default.refiner == hub


def test_the_example_on_the_page_is_right(tmp_path: Path) -> None:
    model = shelf_of(tmp_path, PAGE.split("## A refiner")[1].split("```")[1].removeprefix("toml")).default
    assert (model.refiner, model.refiner_start) == ("stabilityai/stable-diffusion-xl-refiner-1.0", 0.8)


def test_what_is_no_refiner_is_a_sentence_with_its_line(dream: Path) -> None:
    assert problem(dream, DREAM).startswith("Line 4 of models.toml: There is no model at ")
    for nowhere in ("~nobody-at-all/refiner", "a" * 5000):
        assert "neither the name of a model" in problem(dream, DREAM.replace("./refiner", nowhere))
    folder = a_refiner(dream / "refiner", _class_name="StableDiffusionXLPipeline")
    assert "is no SDXL refiner but a StableDiffusionXLPipeline; name one like" in problem(dream, DREAM)
    a_refiner(dream / "unscored", requires_aesthetics_score=False)
    assert "is no SDXL refiner" in problem(dream, DREAM.replace("./refiner", "unscored"))
    (folder / "model_index.json").write_text((dream / "unscored" / "model_index.json").read_text())
    (dream / "pickles").mkdir()
    assert "holds no model_index.json" in problem(dream, DREAM.replace("./refiner", "pickles"))
    write_safetensors(dream / "base.safetensors", SDXL)
    assert "is no SDXL refiner" in problem(dream, DREAM.replace("./refiner", "base.safetensors"))
    assert "is a pickle" in problem(dream, DREAM.replace("./refiner", "refiner.ckpt"))


def test_a_refiner_without_weights_is_a_sentence(dream: Path) -> None:
    folder = a_refiner(dream / "refiner")
    (folder / "unet" / "model.safetensors").unlink()
    assert "has no weights in unet/" in problem(dream, DREAM)


def test_only_sdxl_has_a_refiner(dream: Path) -> None:
    a_refiner(dream / "refiner")
    a_folder(dream / "plain")
    assert problem(dream, DREAM.replace("./dream", "./plain")) == (
        "Line 4 of models.toml: plain is Stable Diffusion 1, and only Stable Diffusion XL has a refiner."
    )
    # What is still to be fetched is judged by its name; whoever named a refiner knows better.
    assert shelf_of(dream, DREAM.replace("./dream", "somebody/animagine")).default.refiner is not None


@pytest.mark.parametrize("share", ["0", "1", "1.5", "true", '"0.8"'])
def test_a_share_that_is_none_is_a_sentence(share: str, dream: Path) -> None:
    a_refiner(dream / "refiner")
    assert problem(dream, f"{DREAM}refiner_start = {share}") == (
        f"Line 5 of models.toml: refiner_start is a number between 0 and 1, like 0.8, not {share}."
    )


def test_a_share_without_a_refiner_is_a_sentence(dream: Path) -> None:
    text = DREAM.replace('refiner = "./refiner"', "refiner_start = 0.5")
    assert problems(dream, text) == [
        "Line 4 of models.toml: This model has no refiner to start; name one, or leave refiner_start out."
    ]
