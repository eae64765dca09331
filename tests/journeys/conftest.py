"""One bot for all journeys of a module that do not need one of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.journeys.stage import Stage, staged


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A bot that draws noise at once."""
    async with staged(tmp_path_factory.mktemp("bot")) as stage:
        yield stage
