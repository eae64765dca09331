"""What a record says of a file is about the content that was drawn with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from generation.engine.hashes import unchanged
from generation.modelfiles import UnreadableModel


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
