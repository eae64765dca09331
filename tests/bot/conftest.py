"""What several files of tests look at."""

from __future__ import annotations

import asyncio

import pytest

from bot.catalogues import Found, collected


@pytest.fixture(scope="session")
def said() -> Found:
    """All that the bot says."""
    return asyncio.run(collected())
