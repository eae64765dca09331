"""ControlNets in folders are looked at anew: what comes, changes or goes counts at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from generation import controlnets
from generation.controlnets import ControlFolders, ControlNets, Preprocessor, control_folders
from generation.modelfiles import UnreadableModel
from tests.generation.toys import write_safetensors

SHAPES = {
    "conv_in.weight": [320, 4, 3, 3],
    "controlnet_cond_embedding.conv_in.weight": [16, 3, 3, 3],
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": [320, 768],
}


def a_folder(place: Path) -> Path:
    place.mkdir(parents=True)
    write_safetensors(place / "diffusion_pytorch_model.safetensors", SHAPES)
    (place / "config.json").write_text(json.dumps({"_class_name": "ControlNetModel"}))
    return place


def names(found: ControlNets) -> list[str]:
    return [info.name for info in found.usable]


def test_what_comes_changes_and_goes_is_seen_at_the_next_look(tmp_path: Path) -> None:
    folders = ControlFolders(tmp_path)
    assert folders.look() == ControlNets()
    file = write_safetensors(tmp_path / "house-canny.safetensors", SHAPES)
    place = a_folder(tmp_path / "mine-depth")
    assert names(folders.look()) == names(folders.lately()) == ["house-canny", "mine-depth"]
    (place / "atelier.json").write_text('{"name": "Depths", "kind": "pose"}')
    (found,) = [info for info in folders.look().usable if info.place == place]
    assert (found.name, found.kind) == ("Depths", "pose")
    file.with_suffix(".json").write_text('{"kind": "lineart"}')
    assert folders.look().find("house-canny").kind == "lineart"  # type: ignore[union-attr]
    file.unlink()
    (tmp_path / "half.safetensors").write_bytes(b"\0" * 20)
    seen = folders.look()
    assert names(seen) == ["Depths"]
    assert [each.name for each in seen.broken] == ["half"]


def test_another_file_of_the_same_name_is_another_one_and_the_same_is_the_same(tmp_path: Path) -> None:
    file = write_safetensors(tmp_path / "one-canny.safetensors", SHAPES)
    folders = ControlFolders(tmp_path)
    (first,) = folders.look().usable
    assert folders.look().usable == (first,)
    state = file.stat()
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns - 10**9))  # an older one was copied over it
    (second,) = folders.look().usable
    assert (second.name, second.place) == (first.name, first.place)
    assert second != first


def test_what_was_not_changed_is_not_read_again(tmp_path: Path) -> None:
    file = write_safetensors(tmp_path / "one-canny.safetensors", SHAPES)
    folders = ControlFolders(tmp_path)
    assert names(folders.look()) == ["one-canny"]
    state = file.stat()
    file.write_bytes(b"\0" * state.st_size)  # which nobody could tell without reading it
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert names(folders.look()) == ["one-canny"]
    assert names(ControlFolders(tmp_path).look()) == []


def test_a_folder_that_cannot_be_read_is_told_at_first_and_later_is_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "nets"
    folder.write_text("no folder")
    folders = ControlFolders(folder)
    with pytest.raises(UnreadableModel, match="of ControlNets cannot be read"):
        folders.look()
    folder.unlink()
    a_folder(folder / "mine")
    assert names(folders.look()) == ["mine"]
    folder.rename(tmp_path / "away")
    folder.write_text("no folder")
    assert names(folders.look()) == ["mine"]
    assert "of ControlNets cannot be read" in caplog.text


def test_the_owners_come_before_those_that_came_along(tmp_path: Path) -> None:
    shipped = [path.name for path in sorted(controlnets.SHIPPED.iterdir()) if path.is_dir()]
    folders = control_folders(tmp_path, depth=tmp_path)
    assert {info.place.parent for info in folders.look().usable} == {controlnets.SHIPPED}
    assert folders.look().preprocessors == controlnets.WEIGHTLESS | {Preprocessor.DEPTH}
    a_folder(tmp_path / shipped[0])
    assert [info.place.parent for info in folders.look().usable if info.place.name == shipped[0]] == [
        tmp_path
    ]
