"""What a refusal of Discord's means: for good, or try again, and when."""

from __future__ import annotations

import aiohttp
import discord

UNKNOWN_MESSAGE = 10008
UNAUTHORIZED, TOO_LARGE, TOO_MANY_REQUESTS = 401, 413, 429

UNREACHABLE = (aiohttp.ClientError, OSError, TimeoutError)
"""What is raised when Discord could not be reached; it may have heard us nevertheless."""

SMALLEST_LIMIT = 2**20
"""Bytes; files are made smaller once more if they may have this many, and no more below."""


def is_final(error: discord.HTTPException, file_limit: int) -> bool:
    """Whether Discord would refuse it again, however often and with however small files it is asked."""
    if error.status == TOO_LARGE:
        return file_limit < SMALLEST_LIMIT
    return error.status < 500 and error.status != TOO_MANY_REQUESTS


def retry_after(error: discord.HTTPException) -> float:
    """Seconds that Discord asked us to wait, 0 if it did not."""
    try:
        return float(error.response.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
