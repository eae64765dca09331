"""The real site over real files, and pictures that are shared in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.gallery import SERVER, WebGallery, gallery


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[WebGallery]:
    """A site with one open server and nothing in it."""
    async with gallery(tmp_path) as site:
        await site.open(SERVER)
        yield site
