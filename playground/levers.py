"""What tests and the curious can do to the playground over HTTP, below /playground/.

GET    /playground/world.json   where everything is, and who can log in
GET    /playground/violations   what did not conform to Discord's OpenAPI document
GET    /playground/requests     what the bot and the people asked of the API
POST   /playground/clock        {"advance": seconds}
POST   /playground/faults       {"method", "path", "times", "delay", "status", "after", "held", "retry_after"}
DELETE /playground/faults       forget the faults that have not happened yet, and let go what is held
POST   /playground/gateway      {"do": "drop" | "cut" | "reconnect" | "invalidate",
                                 "people", "code", "resumable"}
POST   /playground/users/{id}   {"accepts_messages": true | false, "installed": true | false}, as given
POST   /playground/bot          {"do": "start" | "stop" | "kill" | "restart"}, where we run the bot
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from playground.faults import Fault
from playground.nouns import Json, Snowflake

if TYPE_CHECKING:
    from playground.server import Playground

FAULT_FIELDS = {field.name for field in dataclasses.fields(Fault)}


def lever_routes(playground: Playground) -> list[web.RouteDef]:
    async def world(request: web.Request) -> web.Response:
        return _json(playground.describe())

    async def violations(request: web.Request) -> web.Response:
        return _json(playground.violations)

    async def requests(request: web.Request) -> web.Response:
        return _json([dataclasses.asdict(entry) for entry in playground.requests])

    async def clock(request: web.Request) -> web.Response:
        body = await _body(request)
        playground.clock.advance(float(body["advance"]))
        return _json({"now": playground.clock.now()})

    async def add_fault(request: web.Request) -> web.Response:
        body = await _body(request)
        if unknown := body.keys() - FAULT_FIELDS:
            raise ValueError(f"A fault has no {', '.join(sorted(unknown))}.")
        playground.faults.add(Fault(**body))
        return _json({})

    async def clear_faults(request: web.Request) -> web.Response:
        playground.faults.clear()
        return _json({})

    async def gateway(request: web.Request) -> web.Response:
        body = await _body(request)
        people = bool(body.get("people"))
        match body.get("do"):
            case "drop":
                reached = playground.gateway.drop(people=people, code=int(body.get("code", 4000)))
            case "cut":
                reached = playground.gateway.cut(people=people)
            case "reconnect":
                reached = playground.gateway.ask_to_reconnect(people=people)
            case "invalidate":
                resumable = bool(body.get("resumable"))
                reached = playground.gateway.invalidate(people=people, resumable=resumable)
            case other:
                raise ValueError(f"The gateway can drop, cut, reconnect and invalidate, not {other!r}.")
        return _json({"connections": reached})

    async def user(request: web.Request) -> web.Response:
        body = await _body(request)
        world = playground.world
        key = Snowflake(int(request.match_info["user"]))
        closed = world.closed_to_messages
        if "accepts_messages" in body:
            (closed.discard if body["accepts_messages"] else closed.add)(key)
        if "installed" in body:
            if (person := world.users.get(key)) is None or person.bot:
                raise ValueError("There is no such person.")
            world.install(person, bool(body["installed"]))
        return _json({})

    async def bot(request: web.Request) -> web.Response:
        body = await _body(request)
        if playground.bot_control is None:
            raise ValueError("The playground does not run the bot; it was started with --no-bot.")
        return _json({"bot_pid": await playground.bot_control(str(body.get("do")))})

    return [
        web.get("/playground/world.json", world),
        web.get("/playground/violations", violations),
        web.get("/playground/requests", requests),
        web.post("/playground/clock", _sentences(clock)),
        web.post("/playground/faults", _sentences(add_fault)),
        web.delete("/playground/faults", clear_faults),
        web.post("/playground/gateway", _sentences(gateway)),
        web.post(r"/playground/users/{user:[0-9]{1,20}}", _sentences(user)),
        web.post("/playground/bot", _sentences(bot)),
    ]


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _sentences(handler: Handler) -> Handler:
    """A wrong body is answered with a sentence that says what is wrong."""

    async def serve(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except KeyError as error:
            return _json({"message": f"The field {error} is missing."}, status=400)
        except (ValueError, TypeError, RecursionError) as error:
            return _json({"message": str(error)}, status=400)

    return serve


async def _body(request: web.Request) -> Json:
    body = json.loads(await request.text())
    if not isinstance(body, dict):
        raise ValueError("Give a JSON object.")
    return body


def _json(body: object, *, status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")
