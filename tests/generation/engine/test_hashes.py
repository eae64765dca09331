"""What a record says of a file is about the content that was drawn with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from generation.engine.hashes import unchanged
from generation.modelfiles import UnreadableModel, weights_in


def test_a_file_that_is_replaced_while_it_is_read_is_not_recorded_falsely(tmp_path: Path) -> None:
    file, other = tmp_path / "net.safetensors", tmp_path / "other"
    file.write_bytes(b"old")
    other.write_bytes(b"new")
    with unchanged(file) as told:
        assert told == hashlib.sha256(file.read_bytes()).hexdigest()[:10]
    with (
        pytest.raises(UnreadableModel, match=r"net\.safetensors was changed while it was read"),
        unchanged(file),
    ):
        other.rename(file)


def test_of_a_folder_the_weights_count_that_are_read_all_of_them_and_no_others(tmp_path: Path) -> None:
    def told() -> str:
        with unchanged(*weights_in(tmp_path)) as digest:
            return digest

    parts = [tmp_path / f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for path in (*parts, tmp_path / "model.fp16.safetensors", tmp_path / "other.safetensors"):
        path.write_bytes(path.name.encode())
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": parts[0].name, "b": parts[1].name, "c": parts[0].name}}))
    first = told()
    parts[1].write_bytes(b"another")
    assert len({first, told()}) == 2
    with (
        pytest.raises(UnreadableModel, match="was changed while it was read"),
        unchanged(*weights_in(tmp_path)),
    ):
        parts[1].write_bytes(b"yet another")
    for wrong in ("{}", '{"weight_map": {"a": 1}}'):
        index.write_text(wrong)
        with pytest.raises(UnreadableModel, match="does not say in which files"):
            weights_in(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"whole")
    assert told() == hashlib.sha256(b"whole").hexdigest()[:10]
