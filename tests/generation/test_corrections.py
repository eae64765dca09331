"""A model that was judged by its name turns out to be another; what its owner decided holds where it can."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from generation.catalogue import Family, describe
from generation.model import MemoryMode, ModelInfo
from generation.request import OWN_SAMPLER, Size
from generation.shelf import Shelf, read_shelf
from tests.generation.modelfiles import a_folder

DREAM = """
[[model]]
name = "Plain"
source = "fake:noise"

[[model]]
name = "Dream"
source = "someone/dreams-xl"
default = true
"""


def shelf_of(folder: Path, text: str) -> Shelf:
    path = folder / "models.toml"
    path.write_text(text)
    return read_shelf(path)


def files_of(folder: Path, pipeline: str = "StableDiffusionPipeline") -> ModelInfo:
    """What a worker says of it when its files have come."""
    return replace(describe(str(a_folder(folder / "files", pipeline=pipeline))), source="someone/dreams-xl")


def test_what_nobody_decided_is_that_of_the_true_family(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, DREAM)
    assert (shelf.default.family, shelf.default.native) == (Family.SDXL, 1024)
    corrected, misfits = shelf.corrected(files_of(tmp_path))
    dream = corrected.default
    assert misfits == ()
    assert (dream.name, dream.source) == ("Dream", "someone/dreams-xl")
    assert (dream.family, dream.native, dream.multiple, dream.max_edge) == (Family.SD1, 512, 64, 1024)
    assert (dream.defaults.steps, dream.defaults.sampler) == (25, "DPM++ 2M Karras")
    assert dream.note is None, "it is here"
    assert corrected.models[0] is shelf.models[0]
    assert corrected.corrected(files_of(tmp_path / "again")) == (corrected, ()), "once is enough"


def test_what_the_owner_decided_holds_even_if_it_is_what_the_guess_was(tmp_path: Path) -> None:
    decided = 'steps = 30\nguidance = 5.0\nsampler = "Euler"\nsize = 768\nmemory = "small"\n'
    shelf = shelf_of(tmp_path, DREAM + decided + 'negative_prompt = "blurry"\n')
    dream = shelf.corrected(files_of(tmp_path))[0].default
    assert (dream.family, dream.native, dream.memory) == (Family.SD1, 768, MemoryMode.SMALL)
    assert (dream.defaults.steps, dream.defaults.guidance, dream.defaults.sampler) == (30, 5.0, "Euler")
    assert (dream.defaults.size, dream.negative_prompt) == (None, "blurry")


def test_what_the_owner_decided_in_vain_is_left_out_and_told(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, DREAM + 'size = "1536x1024"\nsampler = "Euler"\nsteps = 9\n')
    corrected, misfits = shelf.corrected(files_of(tmp_path, "StableDiffusion3Pipeline"))
    dream = corrected.default
    assert (dream.family, dream.samplers) == (Family.OTHER, (OWN_SAMPLER,))
    assert (dream.defaults.sampler, dream.defaults.size, dream.defaults.steps) == (OWN_SAMPLER, None, 9)
    assert len(misfits) == 2
    assert misfits[0].startswith("The size of Dream is not used: ")
    assert misfits[1] == "The sampler of Dream is not used: it draws with one of its own."


def test_a_size_that_goes_is_kept(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, DREAM + 'size = "768x512"\n')
    dream = shelf.corrected(files_of(tmp_path))[0].default
    assert (dream.native, dream.defaults.size) == (512, Size(width=768, height=512))


def test_a_model_that_is_what_it_was_taken_for_stays_as_it_is(tmp_path: Path) -> None:
    shelf = shelf_of(tmp_path, DREAM)
    for model in shelf.models:
        assert shelf.corrected(model) == (shelf, ())
    assert shelf.corrected(describe("fake:gone")) == (shelf, ())


def test_a_hub_id_of_which_only_some_has_come_is_still_taken_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bot was stopped while it was fetched; it must be able to start again, and go on."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    store = tmp_path / "models--someone--dreams-xl"
    folder = a_folder(store / "snapshots" / "abc")
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text("abc")
    index = {name: ["diffusers", "A"] for name in ("scheduler", "text_encoder", "unet", "vae")}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"} | index))
    (folder / "scheduler").mkdir()
    (folder / "vae" / "diffusion_pytorch_model.safetensors").touch()
    assert describe("someone/dreams-xl").family is Family.SDXL, "the text encoder is missing"
    (folder / "text_encoder").mkdir()
    assert describe("someone/dreams-xl").family is Family.SDXL, "it is without weights"
    shards = [folder / "text_encoder" / f"model.fp16-0000{number}-of-00002.safetensors" for number in (1, 2)]
    shards[0].touch()
    assert describe("someone/dreams-xl").family is Family.SDXL, "half of its weights are there"
    shards[1].touch()
    assert describe("someone/dreams-xl").family is Family.SD1
