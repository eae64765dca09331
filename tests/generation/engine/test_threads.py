"""As many threads draw as there are cores to use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from generation.engine.threads import drawing_threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /sys")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight processors on four cores."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    for cpu in range(8):
        topology = tmp_path / f"devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    (tmp_path / "fs/cgroup").mkdir(parents=True)
    return tmp_path


def test_each_core_gets_one_thread(system: Path) -> None:
    assert drawing_threads(system) == 4


@pytest.mark.parametrize(
    ("share", "threads"), [("max 100000", 4), ("150000 100000", 2), ("10000 100000", 1), ("800000 100000", 4)]
)
def test_a_containers_share_is_kept_to(share: str, threads: int, system: Path) -> None:
    (system / "fs/cgroup/cpu.max").write_text(share + "\n")
    assert drawing_threads(system) == threads


def test_the_owners_own_choice_wins(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert drawing_threads(system) is None
