"""What no well-behaved client sends: it is refused in Discord's shape, and harms nobody else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from playground import Playground
from playground.nouns import Json


class Wire:
    """Sends whatever bytes it is given, as the bot or as Anna."""

    def __init__(self, playground: Playground, session: aiohttp.ClientSession) -> None:
        self.playground = playground
        self.session = session
        self.messages = f"/channels/{playground.world.first_channel.id}/messages"

    async def __call__(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        by: str = "bot",
        content_type: str | None = "application/json",
    ) -> tuple[int, Any]:
        """Status and answer. A dict or list is sent as JSON, anything else as it is."""
        tokens = {"bot": f"Bot {self.playground.bot_token}", "anna": self.playground.world.people[0].token}
        headers = {"Authorization": tokens[by]}
        if content_type is not None:
            headers["Content-Type"] = content_type
        sent = json.dumps(data) if isinstance(data, dict | list) else data
        url = self.playground.api + path
        async with self.session.request(method, url, data=sent, headers=headers) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else None

    async def register(self, *options: Json) -> Json:
        """The command /draw with these options, alone."""
        commands = f"/applications/{self.playground.world.bot.id}/commands"
        shape = {"name": "draw", "description": "Draws", "options": options}
        status, (made,) = await self("PUT", commands, [shape])
        assert status == 200
        command: Json = made
        return command

    def asking(self, command: Json, *options: Json, kind: int = 2, **data: Any) -> Json:
        """The body with which Anna uses a command."""
        world = self.playground.world
        named = {key: command[key] for key in ("id", "version", "name")}
        return {
            "type": kind,
            "application_id": str(world.bot.id),
            "channel_id": str(world.first_channel.id),
            "data": {**named, "options": options, **data},
        }


@pytest.fixture
async def wire(playground: Playground) -> AsyncIterator[Wire]:
    playground.openapi = playground._house.openapi = None  # our own answers to nonsense are looked at here
    playground.ratelimits.unlimited()
    async with aiohttp.ClientSession() as session:
        yield Wire(playground, session)


async def test_half_a_character_spoils_neither_the_message_nor_the_history(wire: Wire) -> None:
    for content in (rb'{"content":"oops \ud83d"}', b'{"content":"oops \xed\xa0\xbd"}'):
        status, message = await wire("POST", wire.messages, content)
        assert (status, message["content"][:5]) == (200, "oops ")
        assert "\ufffd" in message["content"]
    status, smile = await wire("POST", wire.messages, rb'{"content":"\ud83d\ude00"}')
    assert (status, smile["content"]) == (200, "\U0001f600")
    status, history = await wire("GET", wire.messages)
    assert (status, len(history)) == (200, 3)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b'{"content": NaN}',
        b'{"content": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
    ids=["cut off", "no UTF-8", "not a number", "infinite", "very deep", "deep"],
)
async def test_what_is_no_json_is_refused(wire: Wire, body: bytes) -> None:
    status, answer = await wire("POST", wire.messages, body)
    assert (status, answer["code"]) == (400, 50109)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
async def test_broken_multipart_is_refused(wire: Wire, content_type: str) -> None:
    status, answer = await wire("POST", wire.messages, b"nothing of the kind", content_type=content_type)
    assert (status, answer["code"]) == (400, 50109)


@pytest.mark.parametrize("number", ["²", "1" * 5000, "-1", "1.0", "٣", True])
async def test_ids_are_digits(wire: Wire, number: Any) -> None:
    for field in (
        {"allowed_mentions": {"users": [number]}},
        {"message_reference": {"message_id": number}},
        {"attachments": [{"id": number}]},
    ):
        status, answer = await wire("POST", wire.messages, {"content": "x", **field})
        assert (status, answer["code"]) == (400, 50035), field
    status, answer = await wire("GET", f"{wire.messages}?before={number}")
    assert (status, answer["code"]) == (400, 50035)
    async with wire.session.get(f"{wire.playground.url}/avatars/{number}.svg") as response:
        assert response.status == 404


@pytest.mark.parametrize("value", ["x", {}, "²", "7"])
async def test_a_file_that_was_not_sent_is_missed(wire: Wire, value: Any) -> None:
    command = await wire.register({"name": "file", "description": "d", "type": 11})
    given = {"type": 11, "name": "file", "value": value}
    for body in (
        wire.asking(command, given),
        wire.asking(command, {**given, "focused": True}, kind=4),
    ):
        status, answer = await wire("POST", "/interactions", body, by="anna")
        assert (status, answer["code"]) == (400, 50035)
