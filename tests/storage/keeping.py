"""A database for tests of properties, which are no coroutines."""

from __future__ import annotations

import asyncio
from pathlib import Path

from storage.database import Database
from storage.gallery import Gallery
from storage.jobs import Jobs
from storage.pictures import Pictures


class Kept:
    """A database that lives through all examples of a property."""

    def __init__(self, path: Path) -> None:
        self._runner = asyncio.Runner()
        self._opened = Database.open(path)
        self.database = self._runner.run(self._opened.__aenter__())
        self.jobs = Jobs(self.database, Pictures(self.database, path.parent / "pictures"))
        self.gallery = Gallery(self.database)
        self.run = self._runner.run

    def close(self) -> None:
        self.run(self._opened.__aexit__(None, None, None))
        self._runner.close()
