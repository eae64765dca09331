"""One playground and one bot for all tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from playground.server import Playground
from tests.playground.page.bot import PageBot, page_bot


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def playground() -> AsyncIterator[Playground]:
    async with Playground() as playground:
        yield playground
        assert playground.violations == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bot(playground: Playground) -> AsyncIterator[PageBot]:
    async with page_bot(playground) as bot:
        yield bot
