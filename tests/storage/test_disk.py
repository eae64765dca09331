"""Files are there whole or not at all, and a lock has one holder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage import disk
from tests.storage.things import files_in


def test_files_and_the_folders_above_them_are_made(tmp_path: Path) -> None:
    files = {
        tmp_path / "a" / "b" / "one": b"1",
        tmp_path / "a" / "two": b"",
        tmp_path / "three": b"3" * 100_000,
    }

    disk.write_durably(files)

    assert {path: path.read_bytes() for path in files_in(tmp_path)} == files


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a longer content")

    disk.write_durably({path: b"short"})

    assert path.read_bytes() == b"short"


def test_nothing_to_write_is_nothing_done(tmp_path: Path) -> None:
    disk.write_durably({})

    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_leaves_no_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "in the way").mkdir()

    with pytest.raises(OSError):
        disk.write_durably({tmp_path / "one": b"1", tmp_path / "in the way": b"2"})

    assert [path.name for path in files_in(tmp_path)] in ([], ["one"])


def test_many_may_write_the_same_file_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for result in [
            pool.submit(disk.write_durably, {tmp_path / "same" / "file": b"content"}) for _ in range(40)
        ]:
            result.result()

    assert [path.read_bytes() for path in files_in(tmp_path)] == [b"content"]


def test_a_lock_has_one_holder_at_a_time(tmp_path: Path) -> None:
    with disk.lock(tmp_path / "lock"), pytest.raises(BlockingIOError):
        disk.lock(tmp_path / "lock")

    disk.lock(tmp_path / "lock").close()
