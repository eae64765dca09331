"""What is done beside the rest: begun with something, and ended with it at the latest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


@asynccontextmanager
async def beside(work: Callable[[], Coroutine[Any, Any, T]], *, name: str) -> AsyncIterator[asyncio.Task[T]]:
    """Do this beside what is in the block, and end it with the block, unless it has ended by then.

    A failure of it is raised only to who awaits the task.
    """
    task = asyncio.create_task(work(), name=name)
    try:
        yield task
    finally:
        await end_all([task])


async def end_all(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel these, and wait until none of them runs; how they end is told to nobody."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def again_and_again(
    work: Callable[[], Awaitable[object]],
    *,
    every: float,
    failure: str,
    passing: tuple[type[Exception], ...],
    told: Callable[[Exception], str] = str,
) -> NoReturn:
    """Do this now, and again later, for ever. What goes wrong is told in the log, and tried the next time.

    Args:
        every: seconds from the end of one to the next.
        failure: begins what is told: "could not post a board".
        passing: what may go wrong without anybody's fault; it is told in a line, and not with where it did.
        told: what such an error says.
    """
    while True:
        try:
            await work()
        except passing as error:
            log.warning("%s: %s", failure, told(error))
        except Exception:  # the edge of the chore: one failure does not end it
            log.exception("%s", failure)
        await asyncio.sleep(every)
