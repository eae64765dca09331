"""The log of a bot whose owner wants to see everything: still no token, and nobody's words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.logs import log_to_stderr
from storage.database import Database


@contextmanager
def unset_logging() -> Iterator[None]:
    """As in a process that has just begun. No fixture: pytest puts in its handlers after those."""
    root, loud = logging.getLogger(), [logging.getLogger(name) for name in ("discord", "aiosqlite")]
    handlers, levels = root.handlers[:], {logger: logger.level for logger in (root, *loud)}
    root.handlers.clear()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        for logger, level in levels.items():
            logger.setLevel(level)


async def test_at_debug_too_nothing_that_is_kept_is_logged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with unset_logging():
        log_to_stderr("DEBUG")
        logging.getLogger("bot").debug("this is logged")
        async with (
            Database.open(tmp_path / "atelier.db", migrations=tmp_path) as database,
            database.transaction() as transaction,
        ):
            await transaction.fetch_all("SELECT ?", ("a token",))
    logged = capsys.readouterr().err
    assert "this is logged" in logged
    assert "a token" not in logged
