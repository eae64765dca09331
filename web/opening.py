"""Opens the gallery for the web, and closes it."""

from __future__ import annotations

import errno
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import yarl
from aiohttp import web
from aiohttp.http import HttpProcessingError

from web.asking import Addresses
from web.site import Rooms, Site
from web.veil import Veil

LONGEST_LINE = 32_768
"""Bytes of a request's first line: a search of a thousand letters of any script fits into it."""

HERE = "localhost"
"""What every machine calls itself."""

log = logging.getLogger(__name__)


class CannotOpen(Exception):  # noqa: N818 - the message is a sentence for the owner
    """The gallery cannot be shown until the owner changes something."""


def addresses(veil: Veil, address: str) -> Addresses:
    """Where everything is.

    Args:
        address: that of the site for people, such as "https://example.org/gallery".
    """
    url = yarl.URL(address)
    return Addresses(veil=veil, prefix=url.raw_path.rstrip("/"), site=str(url.origin()))


@asynccontextmanager
async def opened(rooms: Rooms, addresses: Addresses, *, host: str, port: int) -> AsyncIterator[int]:
    """Show the gallery in the block. Yields the port.

    Args:
        port: 0 for any that is free.

    Raises:
        CannotOpen: nobody can listen there.
    """
    runner = web.AppRunner(
        Site(rooms, addresses, _hosts(addresses, host)).application(),
        access_log=None,  # who looks at what is nobody's business
        logger=_log_of_connections(),
        max_line_size=LONGEST_LINE,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise CannotOpen(_because(error, host, port)) from error
        bound: int = runner.addresses[0][1]
        log.info("the web gallery is open at http://%s:%d", host, bound)
        yield bound
    finally:
        await runner.cleanup()


def _hosts(addresses: Addresses, host: str) -> frozenset[str]:
    """The names by which it may be asked for."""
    people = yarl.URL(addresses.site).host or ""
    return frozenset({HERE, host.lower(), people.lower()}) - {""}


def _log_of_connections() -> logging.Logger:
    """For what goes wrong, but for what is no request at all: who tries every door sends such things."""
    own = logging.getLogger(f"{__name__}.connections")
    own.addFilter(_is_ours)
    return own


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _because(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"WEB_PORT is {port}, and another program listens there already; choose another one."
        case errno.EACCES:
            return f"WEB_PORT is {port}, where only the system may listen; choose one from 1024 on."
        case _:
            return f"WEB_HOST is {host}, which is no address of this machine; choose another one."
