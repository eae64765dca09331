"""Models load from a folder or one file, never from a pickle, and broken ones are told in a sentence."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from generation.catalogue import UnreadableModel, describe
from generation.engine.models import choose_device, choose_dtype, hash_file, hash_folder, load
from tests.generation.test_catalogue import SD1
from tests.generation.toys import Bench, write_safetensors


@pytest.fixture
def copied(toy_sd: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_sd, tmp_path / "copied"))


def test_the_hash_of_a_file_is_what_a1111_shows(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    assert hash_file(file) == hashlib.sha256(b"weights").hexdigest()[:10]


def test_the_hash_of_a_folder_follows_weights_and_configuration_only(copied: Path, toy_sd: Path) -> None:
    before = hash_folder(copied, None)
    assert before == hash_folder(toy_sd, None)
    assert len(before) == 10
    (copied / "README.md").write_text("a card")
    (copied / "unet" / "notes.md").write_text("more")
    assert hash_folder(copied, None) == before
    config = copied / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text() + " ")
    assert hash_folder(copied, None) != before


def test_a_folder_with_half_size_weights_only_is_read(copied: Path, sd_bench: Bench) -> None:
    for path in copied.glob("*/*.safetensors"):
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    model = load(describe(str(copied)), device="cpu")
    assert model.unet.conv_in.weight.equal(sd_bench.model.unet.conv_in.weight)


def test_truncated_weights_are_told_in_a_sentence(copied: Path) -> None:
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UnreadableModel, match="could not be loaded"):
        load(describe(str(copied)), device="cpu")


def test_a_pickle_in_a_component_is_never_opened(copied: Path) -> None:
    (copied / "text_encoder" / "model.safetensors").unlink()
    (copied / "text_encoder" / "pytorch_model.bin").write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(UnreadableModel, match="could not be loaded"):
        load(describe(str(copied)), device="cpu")


def test_a_model_on_the_hub_that_cannot_be_fetched_is_told_in_a_sentence() -> None:
    info = replace(describe("fake:noise"), source="nobody/nothing-at-all")
    with pytest.raises(UnreadableModel, match="nobody/nothing-at-all could not be fetched"):
        load(info, device="cpu")


def test_a_single_file_that_lacks_its_familys_configuration_says_so(tmp_path: Path) -> None:
    file = write_safetensors(tmp_path / "dream.safetensors", SD1)
    with pytest.raises(UnreadableModel, match="Connect once, or use a folder"):
        load(describe(str(file)), device="cpu")


def test_devices_and_dtypes_that_are_not_here_are_told_in_a_sentence() -> None:
    import torch

    assert choose_dtype("auto", torch.device("cuda")) is torch.float16
    assert choose_dtype("auto", torch.device("cpu")) is torch.float32
    assert choose_dtype("bf16", torch.device("cpu")) is torch.bfloat16
    with pytest.raises(UnreadableModel, match="DTYPE is float8"):
        choose_dtype("float8", torch.device("cpu"))
    with pytest.raises(UnreadableModel, match="DEVICE is toaster"):
        choose_device("toaster")
