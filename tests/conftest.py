"""What holds for all tests."""

from __future__ import annotations

import asyncio
import gc
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from storage.database import Database

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from tests.browser import Kind, Window, Windows


# How fast examples come and go says only how busy the machine is.
settings.register_profile("at any pace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("at any pace")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Names that hold an address in memory differ from process to process, and xdist then runs nothing."""
    if unsteady := [item.nodeid for item in items if re.search(r" at 0x[0-9a-f]+", item.nodeid)]:
        raise pytest.UsageError(f"Give these tests ids of their own: {', '.join(unsteady)}")


def pytest_collection() -> None:
    """What is imported stays until the end: the garbage collector need not look at it again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the newest version in which nothing is: copied in a moment, made in fifty times that."""
    path = tmp_path_factory.mktemp("blank") / "atelier.db"

    async def made() -> None:
        async with Database.open(path):
            pass

    asyncio.run(made())
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all that look at pages, since to start it takes seconds; each has windows of its own."""
    from tests.browser import chromium

    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def idle_windows() -> dict[Kind, list[Window]]:
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def windows(browser: Browser, idle_windows: dict[Kind, list[Window]]) -> AsyncIterator[Windows]:
    from tests.browser import Windows

    windows = Windows(browser, idle_windows)
    yield windows
    await windows.close()
    windows.check()
