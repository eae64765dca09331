"""How a worker's process ends: asked to leave, ended if it does not, and told in words."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from generation.messages import Leave
from generation.sentence import say
from generation.wire import encode

_LEAVE_S = 1.5  # time a worker has to leave by itself


async def put_down(process: asyncio.subprocess.Process) -> None:
    """Make sure that a worker is gone and nothing of it is left open."""
    into, out = stdin(process), stdout(process)
    rest = asyncio.ensure_future(out.read())  # the process counts as ended only when its pipe is read out
    try:
        if process.returncode is None:
            with contextlib.suppress(ConnectionError):
                into.write(encode(Leave()))
            into.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_S):
                    await process.wait()
        if process.returncode is None:
            end_at_once(process)
        await process.wait()
        into.close()
        with contextlib.suppress(ConnectionError):
            await into.wait_closed()
    finally:
        await rest


def end_at_once(process: asyncio.subprocess.Process) -> None:
    """Leave a worker no time; it may have ended by itself this moment."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()


def stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    """The pipe into a process that was started with one."""
    assert process.stdin is not None
    return process.stdin


def stdout(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    """The pipe out of a process that was started with one."""
    assert process.stdout is not None
    return process.stdout


def how_it_ended(status: int | None) -> str:
    """An exit status as part of a sentence."""
    if status is not None and status < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-status).name
            if name == "SIGKILL":
                return say(
                    "the drawing process was ended by {signal}, as the system does when memory runs out",
                    signal=name,
                )
            return say("the drawing process was ended by {signal}", signal=name)
    return say("the drawing process ended with status {status}", status=status)
