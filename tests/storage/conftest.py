"""The rooms of storage, opened on real files."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from storage.database import Database
from storage.deliveries import Deliveries
from storage.gallery import Gallery
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.reviews import Reviews
from storage.servers import Servers
from storage.styles import Styles
from tests.storage.keeping import Kept


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "atelier.db"


@pytest.fixture
async def database(path: Path, blank: Path) -> AsyncIterator[Database]:
    shutil.copy(blank, path)
    async with Database.open(path) as database:
        yield database


@pytest.fixture
def pictures(database: Database, tmp_path: Path) -> Pictures:
    return Pictures(database, tmp_path / "pictures")


@pytest.fixture
def jobs(database: Database, pictures: Pictures) -> Jobs:
    return Jobs(database, pictures)


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


@pytest.fixture
def reviews(database: Database) -> Reviews:
    return Reviews(database)


@pytest.fixture
async def servers(database: Database) -> Servers:
    return await Servers.opened(database)


@pytest.fixture
def kept(path: Path, blank: Path) -> Iterator[Kept]:
    shutil.copy(blank, path)
    kept = Kept(path)
    yield kept
    kept.close()


@pytest.fixture
def gallery(database: Database) -> Gallery:
    return Gallery(database)


@pytest.fixture
def styles(database: Database) -> Styles:
    return Styles(database)
