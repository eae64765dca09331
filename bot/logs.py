"""What is logged, and how."""

from __future__ import annotations

import logging
import sys


def log_to_stderr(level: str) -> None:
    """Log what matters at this level, without prompts and tokens."""
    logging.basicConfig(
        level=level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # What discord.py says at DEBUG, and partly at INFO, holds prompts and tokens; so does each statement that
    # aiosqlite tells of, with its values.
    for name in ("discord", "aiosqlite"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger("discord.client").addFilter(_lost_connection_in_words)


def _lost_connection_in_words(record: logging.LogRecord) -> bool:
    """A lost connection is no error of ours: one line about it, without a traceback."""
    if record.exc_info and str(record.msg).startswith("Attempting a reconnect"):
        kind, record.exc_info = record.exc_info[0], None
        record.msg = f"lost the connection to Discord ({kind.__name__ if kind else 'closed'}); {record.msg}"
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True
