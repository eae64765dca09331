"""Messages on a byte stream: how the bot's process and the worker's talk through two pipes.

A frame is eight bytes of length and a pickle. Both ends are our own processes on one machine.
"""

from __future__ import annotations

import asyncio
import pickle
from typing import BinaryIO, cast

from generation.messages import Command, Described, Report

_LENGTH_BYTES = 8


def encode(message: Command | Report | Described) -> bytes:
    """One message as a frame."""
    body = pickle.dumps(message, protocol=5)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


async def read_report(stream: asyncio.StreamReader) -> Report | Described | None:
    """The next report of a worker, or None when the pipe has ended, be it in the middle of a frame."""
    try:
        length = int.from_bytes(await stream.readexactly(_LENGTH_BYTES), "big")
        return cast(Report | Described, pickle.loads(await stream.readexactly(length)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def read_command(stream: BinaryIO) -> Command | None:
    """The next command for a worker (blocks), or None when the pipe has ended."""
    header = stream.read(_LENGTH_BYTES)
    if len(header) < _LENGTH_BYTES:
        return None
    length = int.from_bytes(header, "big")
    body = stream.read(length)
    return cast(Command, pickle.loads(body)) if len(body) == length else None
