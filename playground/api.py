"""Serving a request to the API: who asks, how often, with what body, and how it is answered."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from playground.asking import snowflake
from playground.drafts import REQUEST_LIMIT
from playground.errors import ApiError, invalid_json, not_found, too_large, unauthorized
from playground.faults import Fault, Faults
from playground.gateway import Gateway
from playground.interactions import Interactions
from playground.nouns import Json, Snowflake, Upload, User
from playground.ratelimits import RateLimits, Verdict
from playground.world import World

if TYPE_CHECKING:
    from playground.openapi import OpenApi

log = logging.getLogger(__name__)

DEEPEST = 64
"""Objects and lists within each other that a body may have."""
PREFIX = "/api/v{version:9|10}"
FILE_PART = re.compile(r"files?\[([0-9]{1,9})\]|file")
VIA = "1.1 playground"


@dataclass(slots=True, kw_only=True)
class House:
    """Everything an endpoint may need."""

    world: World
    interactions: Interactions
    gateway: Gateway
    ratelimits: RateLimits
    faults: Faults
    openapi: OpenApi | None
    requests: deque[Request]
    violations: list[str]
    registered: asyncio.Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that was answered, for tests to look back at."""

    who: str
    method: str
    path: str
    status: int


@dataclass(slots=True, kw_only=True)
class Call:
    """One request, read: who asks for what."""

    house: House
    user: User | None
    path: dict[str, str]
    query: dict[str, str]
    body: Any = None
    uploads: Sequence[Upload] = ()

    @property
    def world(self) -> World:
        return self.house.world

    @property
    def me(self) -> User:
        if self.user is None:
            raise unauthorized()
        return self.user

    @property
    def by_bot(self) -> bool:
        """Whether the bot asks: with its token, or without any, as it answers interactions."""
        return self.user is None or self.user.bot

    @property
    def fields(self) -> Json:
        """The body, where it must be an object."""
        if not isinstance(self.body, dict):
            raise invalid_json()
        return self.body

    def id(self, name: str) -> Snowflake:
        return snowflake(self.path[name], name)

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("1", "true")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    body: object
    status: int = 200


Handler = Callable[[Call], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation. A handler returns JSON (200), None (204) or a `Reply`."""

    method: str
    path: str
    handler: Handler
    login: bool = True


@dataclass(slots=True)
class Api:
    """Serves endpoints to bots and people."""

    house: House
    endpoints: Sequence[Endpoint]

    def routes(self) -> list[web.RouteDef]:
        routes = [
            # Strictly digits: what lies beside messages (pins, ...) is not taken for the id of one.
            web.route(
                endpoint.method,
                PREFIX + endpoint.path.replace("{message_id}", "{message_id:[0-9]{1,20}}"),
                self._server(endpoint),
            )
            for endpoint in self.endpoints
        ]
        return [*routes, web.route("*", "/api/{rest:.*}", self._nothing)]

    def _server(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def serve(request: web.Request) -> web.Response:
            return await self._serve(endpoint, request)

        return serve

    async def _serve(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        house = self.house
        call = Call(
            house=house,
            user=self._user(request),
            path={key: value for key, value in request.match_info.items() if key != "version"},
            query=dict(request.query),
        )
        who = call.user.username if call.user else "nobody" if endpoint.login else house.world.bot.username
        verdict = self._count(endpoint, call)
        headers = verdict.headers()
        below = "/" + request.path.split("/", 3)[3]
        fault = house.faults.take(endpoint.method, below) if call.by_bot else None
        try:
            reply = await self._perform(endpoint, request, call, verdict, fault)
        except ApiError as error:
            reply = Reply(body=error.body(), status=error.status)
            if isinstance(error, RateLimitedError):
                headers["Retry-After"] = f"{error.retry_after:.3f}"
        except ConnectionError:  # whoever asked hung up before all was said
            reply = Reply(body=None, status=400)
        except Exception as error:  # the edge: a failure of ours is answered as Discord's own are
            log.exception("%s %s failed", endpoint.method, below)
            house.violations.append(f"{endpoint.method} {endpoint.path}: the playground failed: {error!r}")
            reply = Reply(body={"message": "500: Internal Server Error", "code": 0}, status=500)
        if house.openapi is not None:
            house.openapi.check_response(endpoint.method, endpoint.path, reply.status, reply.body)
        house.requests.append(Request(who=who, method=endpoint.method, path=below, status=reply.status))
        log.debug("%s %s %s: %s", who, endpoint.method, below, reply.status)
        return _response(reply, headers)

    async def _perform(
        self, endpoint: Endpoint, request: web.Request, call: Call, verdict: Verdict, fault: Fault | None
    ) -> Reply:
        """Do what is asked, unless a limit, a fault or the OpenAPI document is against it."""
        call.body, call.uploads = await _read(request)
        # What was sent is here; a client that loses patience now cannot take it back, as with the real one.
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.held and fault.status is None:
            let_go = asyncio.Event()
            self.house.faults.hold(fault, let_go.set)
            await let_go.wait()
        if endpoint.login and call.user is None:
            raise unauthorized()
        if not verdict.allowed:
            raise RateLimitedError(verdict.reset_after, everywhere=verdict.everywhere)
        if fault is not None and fault.status is not None and not fault.after:
            if fault.held:
                self.house.faults.hold(fault, functools.partial(_carried_out, endpoint, call))
            raise _failed(fault.status, fault.retry_after)
        if self.house.openapi is not None and call.by_bot:
            self.house.openapi.check_request(endpoint.method, endpoint.path, call.body)
        result = endpoint.handler(call)
        if fault is not None and fault.status is not None:
            raise _failed(fault.status, fault.retry_after)
        reply = (
            result if isinstance(result, Reply) else Reply(body=result, status=204 if result is None else 200)
        )
        _encoded(reply.body)  # what cannot be said is a failure of ours, to be answered as one
        return reply

    def _count(self, endpoint: Endpoint, call: Call) -> Verdict:
        """Count the request in its bucket: the user's, or the interaction's where nobody logs in."""
        token = call.path.get("webhook_token") or call.path.get("interaction_token") or ""
        major = call.path.get("channel_id") or call.path.get("guild_id") or token
        return self.house.ratelimits.ask(
            call.user.username if call.user else token,
            endpoint.method,
            endpoint.path,
            major,
            counted_globally=endpoint.login and call.user is not None and call.user.bot,
        )

    async def _nothing(self, request: web.Request) -> web.Response:
        log.warning("%s %s: there is no such endpoint in the playground", request.method, request.path)
        error = not_found()
        return _response(Reply(body=error.body(), status=error.status), {})

    def _user(self, request: web.Request) -> User | None:
        """Who the Authorization header names; bots say `Bot` before their token, people do not."""
        header = request.headers.get("Authorization", "")
        user = self.house.world.user_by_token(header.removeprefix("Bot "))
        return user if user is not None and user.bot == header.startswith("Bot ") else None


class RateLimitedError(ApiError):
    """429: come back later."""

    def __init__(self, retry_after: float, *, everywhere: bool) -> None:
        super().__init__(429, 0, "You are being rate limited.")
        self.retry_after = retry_after
        self.everywhere = everywhere

    def body(self) -> Json:
        return {**super().body(), "retry_after": round(self.retry_after, 3), "global": self.everywhere}


async def _read(request: web.Request) -> tuple[Any, list[Upload]]:
    """The body as JSON, and the files beside it. Reads all, so that the client can hear a refusal."""
    if not request.can_read_body:
        return None, []
    if request.content_type.startswith("multipart/"):
        try:
            return await _read_multipart(await request.multipart())
        except (ValueError, HttpProcessingError):  # no boundary, or parts that are none
            raise invalid_json() from None
    content = bytearray()
    size = 0
    async for chunk in request.content.iter_chunked(2**16):
        size += len(chunk)
        if size <= REQUEST_LIMIT:
            content += chunk
    if size > REQUEST_LIMIT:
        raise too_large()
    return _parsed(bytes(content)) if content else None, []


async def _read_multipart(reader: MultipartReader) -> tuple[Any, list[Upload]]:
    body: Any = {}
    uploads: list[Upload] = []
    size = 0
    async for part in reader:
        if not isinstance(part, BodyPartReader):
            raise invalid_json()
        content = bytearray()
        while chunk := await part.read_chunk(2**16):
            size += len(chunk)
            if size <= REQUEST_LIMIT:
                content += chunk
        found = FILE_PART.fullmatch(part.name or "")
        if part.name == "payload_json":
            body = _parsed(bytes(content)) if size <= REQUEST_LIMIT else {}
        elif found is not None:
            key = int(found[1] or 0)
            uploads.append(Upload(key=key, filename=part.filename or "unknown", content=bytes(content)))
    if size > REQUEST_LIMIT:
        raise too_large()
    return body, uploads


def _parsed(content: bytes) -> Any:
    """The JSON of a body: finite, not too deep, and with U+FFFD for halves of characters."""
    try:
        body = json.loads(content)
        if _deeper_than(body, DEEPEST):
            raise invalid_json()
        text = json.dumps(body, ensure_ascii=False, allow_nan=False)
        return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValueError, RecursionError):
        raise invalid_json() from None


def _deeper_than(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    children = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(child, levels - 1) for child in children)


def _carried_out(endpoint: Endpoint, call: Call) -> None:
    """Do what was answered with an error some time ago."""
    try:
        endpoint.handler(call)
    except ApiError as error:
        log.info("%s %s came too late: %s", endpoint.method, endpoint.path, error)


def _failed(status: int, retry_after: float) -> ApiError:
    if status == 429:
        return RateLimitedError(retry_after, everywhere=False)
    return ApiError(status, 0, f"{status}: a fault that was asked for")


def _response(reply: Reply, headers: dict[str, str]) -> web.Response:
    headers = {**headers, "Via": VIA}
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    # `body`, not `text`: with a charset in its content type discord.py takes JSON for a string.
    headers["Content-Type"] = "application/json"
    return web.Response(status=reply.status, headers=headers, body=_encoded(reply.body))


def _encoded(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
