"""What holds for all tests."""

from __future__ import annotations

import gc
import re

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Names that hold an address in memory differ from process to process, and xdist then runs nothing."""
    if unsteady := [item.nodeid for item in items if re.search(r" at 0x[0-9a-f]+", item.nodeid)]:
        raise pytest.UsageError(f"Give these tests ids of their own: {', '.join(unsteady)}")


def pytest_collection_finish() -> None:
    """What was imported stays until the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
