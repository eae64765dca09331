"""Models load from a folder or one file, never from a pickle, and broken ones are told in a sentence."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generation.catalogue import Family, UnreadableModel, describe
from generation.engine.hashes import hash_file, hash_folder
from generation.engine.models import choose_device, choose_dtype, load
from tests.generation.checkpoints import write_checkpoint
from tests.generation.modelfiles import SD1
from tests.generation.toys import Bench, build_sd, build_sdxl, picture, write_safetensors

# diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")


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


def test_a_folder_whose_text_encoder_has_the_names_of_older_libraries_is_read(
    copied: Path, sd_bench: Bench
) -> None:
    from safetensors.torch import load_file, save_file

    weights = copied / "text_encoder" / "model.safetensors"
    tensors = load_file(weights)
    assert not any(name.startswith("text_model.") for name in tensors), "they have had other names since"
    save_file({f"text_model.{name}": each for name, each in tensors.items()}, weights, {"format": "pt"})
    read = load(describe(str(copied)), device="cpu").encoders[0].model.state_dict()
    assert all(each.equal(read[name]) for name, each in sd_bench.model.encoders[0].model.state_dict().items())


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


# One file ------------------------------------------------------------------------------------------------

Checkpoint = tuple[Path, Path]
"""The folder of a toy pipeline, and the same weights as one file with its configuration beside it."""


def _as_one_file(pipeline: Path, place: Path) -> Checkpoint:
    shutil.copytree(pipeline, place / "dreams", ignore=shutil.ignore_patterns("*.safetensors"))
    return pipeline, write_checkpoint(pipeline, place / "dreams.safetensors")


@pytest.fixture(scope="module")
def sd_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    place = tmp_path_factory.mktemp("checkpoints")
    return _as_one_file(build_sd(place / "folder", width=768), place)


@pytest.fixture(scope="module")
def sd2_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    place = tmp_path_factory.mktemp("checkpoints")
    folder = build_sd(place / "folder", prediction="v_prediction", width=1024, per_block=2)
    return _as_one_file(folder, place)


@pytest.fixture(scope="module")
def sdxl_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    place = tmp_path_factory.mktemp("checkpoints")
    return _as_one_file(build_sdxl(place / "folder", second=24), place)


@pytest.fixture
def own_checkpoint(sd_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A copy of the checkpoint and its configuration that a test may break."""
    file = sd_checkpoint[1]
    shutil.copytree(file.parent / "dreams", tmp_path / "dreams")
    return Path(shutil.copy(file, tmp_path))


def edited(file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """The checkpoint again, after this was done to its tensors."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file)


@pytest.mark.parametrize("kind", ["sd_checkpoint", "sd2_checkpoint", "sdxl_checkpoint"])
def test_a_checkpoint_file_draws_what_the_folder_draws_that_it_came_from(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder, file = request.getfixturevalue(kind)
    ours, theirs = Bench(str(file)), Bench(str(folder))
    assert ours.model.info == replace(theirs.model.info, name="dreams", source=str(file))
    changes: dict[str, Any] = {"sampler": "Euler a", "negative_prompt": "blue", "prompt": "a red circle"}
    drawn = picture(ours.draw(**changes))
    assert drawn.tobytes() == picture(theirs.draw(**changes)).tobytes()
    assert drawn.tobytes() != picture(ours.draw(**{**changes, "prompt": "a green square"})).tobytes()
    assert ours.model.hash.result() == hash_file(file)


def test_a_checkpoint_of_stable_diffusion_2_is_known_by_its_weights(sd2_checkpoint: Checkpoint) -> None:
    info = describe(str(sd2_checkpoint[1]))
    assert info.family is Family.SD2
    assert Bench(str(sd2_checkpoint[1])).model.record()["prediction_type"] == "v_prediction"


def test_the_card_beside_a_checkpoint_is_read(own_checkpoint: Path) -> None:
    (own_checkpoint.parent / "dreams" / "atelier.json").write_text('{"name": "Dreams", "steps": 7}')
    info = describe(str(own_checkpoint))
    assert (info.name, info.defaults.steps, info.native) == ("Dreams", 7, 64)


def test_a_single_file_that_lacks_its_familys_configuration_says_where_to_put_it(tmp_path: Path) -> None:
    file = write_safetensors(tmp_path / "dream.safetensors", SD1)
    (tmp_path / "dream").mkdir()  # of something else
    with pytest.raises(UnreadableModel, match=r"Connect once, or put them into a folder dream/ beside it"):
        load(describe(str(file)), device="cpu")


def test_the_configuration_of_another_family_is_refused(
    own_checkpoint: Path, sdxl_checkpoint: Checkpoint
) -> None:
    beside = own_checkpoint.with_suffix("")
    shutil.rmtree(beside)
    shutil.copytree(sdxl_checkpoint[1].with_suffix(""), beside)
    with pytest.raises(
        UnreadableModel,
        match="is Stable Diffusion 1, but the folder dreams/ beside it configures Stable Diffusion XL",
    ):
        describe(str(own_checkpoint))


def test_the_configuration_of_another_model_is_told_in_a_sentence(own_checkpoint: Path) -> None:
    config = own_checkpoint.with_suffix("") / "unet" / "config.json"
    config.write_text(config.read_text().replace('"layers_per_block": 1', '"layers_per_block": 2'))
    with pytest.raises(UnreadableModel, match="Is the folder dreams/ beside it this model's"):
        load(describe(str(own_checkpoint)), device="cpu")


def test_a_checkpoint_that_was_cut_off_is_told_in_a_sentence(own_checkpoint: Path) -> None:
    info = describe(str(own_checkpoint))
    whole = own_checkpoint.read_bytes()
    own_checkpoint.write_bytes(whole[:-1000])
    with pytest.raises(UnreadableModel, match="fetch it again"):
        describe(str(own_checkpoint))
    with pytest.raises(UnreadableModel, match="could not be loaded"):  # cut off since it was described
        load(info, device="cpu")


def test_a_checkpoint_with_a_broken_header_is_told_in_a_sentence(own_checkpoint: Path) -> None:
    info = describe(str(own_checkpoint))
    whole = own_checkpoint.read_bytes()
    for content in (whole[:8] + b"[" + whole[9:], b"\xff" * 8 + whole[8:], whole.replace(b"F32", b"F33")):
        own_checkpoint.write_bytes(content)
        with pytest.raises(UnreadableModel, match="could not be loaded"):
            load(info, device="cpu")


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("first_stage_model.decoder.conv_out.", "lacks weights that its configuration asks for"),
        ("cond_stage_model.transformer.text_model.final", "lacks weights that its configuration asks for"),
        ("model.diffusion_model.middle_block.1.norm.", "lacks weights that its configuration asks for"),
        ("cond_stage_model.", "holds a UNet without a text encoder"),
    ],
)
def test_a_checkpoint_that_lacks_a_part_is_refused(missing: str, sentence: str, own_checkpoint: Path) -> None:
    def drop(tensors: dict[str, Any]) -> None:
        gone = [name for name in tensors if name.startswith(missing)]
        assert gone
        for name in gone:
            del tensors[name]

    edited(own_checkpoint, drop)
    with pytest.raises(UnreadableModel, match=sentence):
        load(describe(str(own_checkpoint)), device="cpu")


def test_devices_and_dtypes_that_are_not_here_are_told_in_a_sentence() -> None:
    import torch

    assert choose_dtype("auto", torch.device("cuda")) is torch.float16
    assert choose_dtype("auto", torch.device("cpu")) is torch.float32
    assert choose_dtype("bf16", torch.device("cpu")) is torch.bfloat16
    with pytest.raises(UnreadableModel, match="DTYPE is float8"):
        choose_dtype("float8", torch.device("cpu"))
    with pytest.raises(UnreadableModel, match="DEVICE is toaster"):
        choose_device("toaster")
