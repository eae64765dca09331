"""One bot for all journeys of a module that do not need one of their own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.journeys.stage import Stage, staged


@pytest.fixture(scope="session", autouse=True)
def signals() -> None:
    """Journeys end their bot as Ctrl-C does, look at its processes in /proc, and kill them."""
    if sys.platform == "win32":
        pytest.skip("Windows has no signals to end a bot with")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A bot that draws noise at once."""
    async with staged(tmp_path_factory.mktemp("bot")) as stage:
        yield stage
