"""The playground: a Discord small enough to run on this machine, behind one port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from playground.api import Api, House, Request
from playground.channel_endpoints import CHANNEL_ENDPOINTS
from playground.clock import Clock
from playground.command_endpoints import COMMAND_ENDPOINTS
from playground.endpoints import ENDPOINTS
from playground.errors import CannotStartError, PortInUseError
from playground.faults import Faults
from playground.gateway import Gateway
from playground.guard import guard
from playground.interactions import Interactions
from playground.keep import Keeper
from playground.levers import lever_routes
from playground.nouns import Json
from playground.pages import page_routes
from playground.ratelimits import RateLimits
from playground.thread_endpoints import THREAD_ENDPOINTS
from playground.world import World

if TYPE_CHECKING:
    from playground.openapi import OpenApi

log = logging.getLogger(__name__)

ENDPOINTS_OF_ALL = (*ENDPOINTS, *CHANNEL_ENDPOINTS, *COMMAND_ENDPOINTS, *THREAD_ENDPOINTS)
STATIC = Path(__file__).parent / "static"


def _read_document(path: Path, violations: list[str]) -> OpenApi:
    # Only who checks against the document needs jsonschema.
    from playground.openapi import OpenApi

    try:
        return OpenApi(path, violations)
    except (OSError, ValueError) as error:
        raise CannotStartError(f"DISCORD_OPENAPI: {path} is no OpenAPI document ({error}).") from error


class Playground:
    """A chat server for one bot and its people; use it as `async with Playground() as playground`.

    `port` 0 lets the system choose. The world is kept in `data`, or in a temporary folder that goes with
    it. `openapi` is Discord's OpenAPI document, against which all is checked; by default the one that the
    environment names in DISCORD_OPENAPI. What does not conform to it, and where the playground itself
    failed, is in `violations`, a sentence each. `heartbeat` is the gateway's interval in seconds.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        data: Path | None = None,
        openapi: Path | None = None,
        heartbeat: float = 41.25,
        static: Path = STATIC,
    ) -> None:
        self._port = port
        self._data = data
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        named = os.environ.get("DISCORD_OPENAPI")
        document = openapi or (Path(named) if named else None)
        self.violations: list[str] = []
        self.openapi = _read_document(document, self.violations) if document else None
        self.heartbeat = heartbeat
        self.static = static
        self.clock = Clock()
        self.bot_control: Callable[[str], Awaitable[int | None]] | None = None

    async def __aenter__(self) -> Self:
        if self._data is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="playground-")
            self.data = Path(self._temporary.name)
        else:
            self.data = self._data
        self._keeper = Keeper(self.data)
        self.world = World(self.clock, self._keeper)
        self.gateway = Gateway(self.world, heartbeat=self.heartbeat)
        self.interactions = Interactions(self.world)
        self.faults = Faults()
        self.ratelimits = RateLimits()
        self.requests: deque[Request] = deque(maxlen=10_000)
        self._registered = asyncio.Event()
        self._house = House(
            world=self.world,
            interactions=self.interactions,
            gateway=self.gateway,
            ratelimits=self.ratelimits,
            faults=self.faults,
            openapi=self.openapi,
            requests=self.requests,
            violations=self.violations,
            registered=self._registered,
        )
        application = web.Application(middlewares=[guard])
        application.add_routes(Api(house=self._house, endpoints=ENDPOINTS_OF_ALL).routes())
        application.add_routes(lever_routes(self))
        application.add_routes(page_routes(self))
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            await self._stop()
            other = "choose another with --port, or --port 0 for any free one."
            if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
                raise PortInUseError(f"Port {self._port} is in use; {other}") from error
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise CannotStartError(f"Port {self._port} cannot be listened on ({reason}); {other}") from error
        host, port = self._runner.addresses[0][:2]
        self._port = port
        self.url = f"http://{host}:{port}"
        self.world.wire.url = self.url
        self.gateway.url = f"ws://{host}:{port}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _stop(self) -> None:
        self.gateway.close_all()
        await self._runner.cleanup()
        self.clock.stop()
        self._keeper.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def port(self) -> int:
        return self._port

    @property
    def api(self) -> str:
        return f"{self.url}/api/v10"

    @property
    def bot_token(self) -> str:
        return self.world.bot.token

    def describe(self) -> Json:
        """Where everything is and who can log in, as `--json` and world.json give it."""
        return {
            "url": self.url,
            "api": self.api,
            "gateway": self.gateway.url,
            "application_id": str(self.world.bot.id),
            "guild_id": str(self.world.guild.id),
            "channel_id": str(self.world.first_channel.id),
            "users": [
                {"id": str(user.id), "name": user.name, "token": user.token} for user in self.world.people
            ],
        }

    def environment(self) -> Mapping[str, str]:
        """What a bot's process needs in its environment to come here instead of to Discord."""
        return {
            "DISCORD_TOKEN": self.bot_token,
            "DISCORD_API_URL": self.api,
            "DISCORD_GATEWAY_URL": self.gateway.url,
        }

    async def registered(self) -> None:
        """Wait until a bot has registered its commands (since the last `forget_bot`) and is listening."""
        await self._registered.wait()
        await self.gateway.bot_online.wait()

    def forget_bot(self) -> None:
        self._registered.clear()
