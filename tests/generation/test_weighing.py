"""How much memory a model's weights need, and what is missing of them, told without loading it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generation.catalogue import MemoryMode, describe
from generation.modelfiles import UnreadableModel
from generation.weighing import Weights, weigh
from tests.generation.modelfiles import a_folder
from tests.generation.toys import MINI, NOISE, write_safetensors

UNET = "diffusion_pytorch_model.safetensors"


def a_model(folder: Path) -> Path:
    """A folder in diffusers' format whose weights are headers with zeros: 40 numbers in three parts."""
    a_folder(folder, weights=None)
    parts = {"unet": ["diffusers", "U"], "vae": ["diffusers", "V"], "text_encoder": ["transformers", "C"]}
    more = {"tokenizer": ["transformers", "T"], "safety_checker": [None, None]}
    index = {"_class_name": "StableDiffusionPipeline", **parts, **more}
    (folder / "model_index.json").write_text(json.dumps(index))
    for part in ("text_encoder", "tokenizer"):
        (folder / part).mkdir()
    write_safetensors(folder / "unet" / UNET, {"a": [4, 5], "b": []})
    write_safetensors(folder / "vae" / UNET, {"a": [9]})
    write_safetensors(folder / "text_encoder" / "model.safetensors", {"a": [2, 5]})
    return folder


def weighed(folder: Path, memory: MemoryMode = MemoryMode.FAST) -> Weights:
    weights = weigh(replace(describe(str(folder)), memory=memory))
    assert weights is not None
    return weights


def broken(folder: Path) -> str:
    with pytest.raises(UnreadableModel) as caught:
        weighed(folder)
    return str(caught.value).replace(f"{folder.parent}/", "")


def test_the_embedded_model_weighs_what_its_card_says() -> None:
    """9.7 million parameters, 19.5 MB in fp16."""
    weights = weighed(Path(MINI))
    assert round(weights.total(2) / 1e6, 1) == 19.4
    files = sum(path.stat().st_size for path in Path(MINI).glob("*/*.safetensors"))
    assert 0 < files - weights.total(2) < 100_000  # their headers


def test_what_is_on_the_device_at_once_depends_on_the_memory_mode(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "model")
    said = {mode: (weights := weighed(folder, mode)).at_once(2) for mode in MemoryMode}
    assert list(said.values()) == [80, 80, 42, None, None]
    assert weights.total(2) == 21 + 2 * (9 + 10)  # the UNet in 8 bits
    assert Weights(numbers={"transformer": 9, "vae": 1}, memory=MemoryMode.SMALLEST).total(2) == 9 + 2


def test_of_several_files_of_a_part_only_those_count_that_are_read(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "model")
    for name in ("diffusion_pytorch_model.non_ema.safetensors", "diffusion_pytorch_model.fp16.safetensors"):
        write_safetensors(folder / "unet" / name, {"a": [1000]})
    assert weighed(folder).numbers == {"unet": 21, "vae": 9, "text_encoder": 10}
    (folder / "unet" / UNET).unlink()
    (folder / "unet" / "diffusion_pytorch_model.non_ema.safetensors").unlink()
    write_safetensors(folder / "vae" / "diffusion_pytorch_model.fp16.safetensors", {"a": [7]})
    assert weighed(folder).numbers == {"unet": 1000, "vae": 7, "text_encoder": 10}


def test_the_parts_of_a_single_file_are_told_by_their_names(tmp_path: Path) -> None:
    shapes = {
        "model.diffusion_model.input_blocks.0.0.weight": [320, 4, 3, 3],
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": [1, 768],
        "first_stage_model.x": [6],
        "cond_stage_model.x": [5],
        "model_ema.x": [1_000_000],
    }
    info = describe(str(write_safetensors(tmp_path / "dream.safetensors", shapes)))
    weights = weigh(info)
    assert weights is not None
    assert weights.numbers == {"unet": 320 * 36 + 768, "vae": 6, "text_encoder": 5}


def test_what_the_owner_puts_beside_a_model_counts_too(tmp_path: Path) -> None:
    info = describe(str(a_model(tmp_path / "model")))
    vae = write_safetensors(tmp_path / "vae.safetensors", {"a": [100]})
    (tmp_path / "tiny").mkdir()
    write_safetensors(tmp_path / "tiny" / UNET, {"a": [3]})
    (tmp_path / "image_encoder").mkdir()
    write_safetensors(tmp_path / "image_encoder" / "model.safetensors", {"a": [7]})
    look = write_safetensors(tmp_path / "look.safetensors", {"a": [50]})
    beside: dict[str, Any] = {
        "vae": str(vae),
        "taesd": str(tmp_path / "tiny"),
        "refiner": MINI,
        "ip_adapter": str(look),
    }
    weights = weigh(replace(info, **beside))
    assert weights is not None
    mini = weighed(Path(MINI)).numbers
    assert weights.numbers == {
        "unet": 21,
        "vae": 100,
        "text_encoder": 10,
        "taesd": 3,
        "ip_adapter": 50,
        "image_encoder": 7,
        "refiner's unet": mini["unet"],
        "refiner's text_encoder": mini["text_encoder"],
    }


def test_what_is_still_to_be_fetched_and_what_draws_noise_cannot_be_weighed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert weigh(describe("somebody/sdxl-model")) is None
    assert weigh(describe(NOISE)) is None
    assert weigh(replace(describe(MINI), refiner="somebody/refiner")) is None


def test_a_file_that_is_missing_or_was_cut_off_is_named(tmp_path: Path) -> None:
    folder = a_model(tmp_path / "model")
    encoder = folder / "text_encoder" / "model.safetensors"
    encoder.write_bytes(encoder.read_bytes()[:-3])
    assert "text_encoder/model.safetensors is not a whole safetensors file: it should have" in broken(folder)
    encoder.unlink()
    assert "has no weights in text_encoder/ as .safetensors files" in broken(folder)
    write_safetensors(encoder.with_name("model-00002-of-00003.safetensors"), {"a": [1]})
    assert "model/text_encoder lacks 2 of the 3 files of its weights" in broken(folder)
    (folder / "tokenizer").rmdir()
    assert "has no folder tokenizer/, which its model_index.json names" in broken(folder)
