"""The real site over real files, and pictures that are shared in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.gallery import WebGallery, new_gallery


@pytest.fixture
async def site(tmp_path: Path, blank: Path) -> AsyncIterator[WebGallery]:
    async with new_gallery(tmp_path, blank) as site:
        yield site
