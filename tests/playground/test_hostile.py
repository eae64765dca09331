"""What no well-behaved client sends: it is refused in Discord's shape, and harms nobody else."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from playground import Playground, media
from playground.drafts import FILE_LIMIT
from playground.nouns import Json
from tests.playground.bots import png


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


async def test_people_in_direct_messages_are_no_members(wire: Wire) -> None:
    world = wire.playground.world
    command = await wire.register(
        {"name": "who", "description": "d", "type": 6}, {"name": "where", "description": "d", "type": 7}
    )
    anna, mina = world.people[0], world.people[2]
    who = {"type": 6, "name": "who", "value": str(mina.id)}
    where = {"type": 7, "name": "where", "value": str(list(world.channels)[3])}
    body = wire.asking(command, who, where)
    assert (await wire("POST", "/interactions", body, by="anna"))[0] == 204
    resolved = wire.playground.interactions.newest.data["resolved"]
    (member,) = resolved["members"].values()
    assert member["permissions"] == str(world.permissions(mina, world.first_channel)) != "0"
    (channel,) = resolved["channels"].values()
    assert channel["permissions"] == "0"  # Anna does not see the moderators' channel
    _, direct = await wire("POST", "/users/@me/channels", {"recipient_id": str(world.bot.id)}, by="anna")
    who["value"] = str(anna.id)
    body = {**wire.asking(command, who), "channel_id": direct["id"]}
    assert (await wire("POST", "/interactions", body, by="anna"))[0] == 204
    assert set(wire.playground.interactions.newest.data["resolved"]) == {"users"}


def form_of(body: Json, content: bytes) -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field("payload_json", json.dumps(body), content_type="application/json")
    data.add_field("files[0]", io.BytesIO(content), filename="part.bin")
    return data


async def test_a_persons_file_is_limited_and_called_what_it_is_listed_as(wire: Wire) -> None:
    command = await wire.register({"name": "file", "description": "d", "type": 11})
    option = {"type": 11, "name": "file", "value": "0"}
    body = wire.asking(command, option, attachments=[{"id": "0", "filename": "listed.txt"}])
    for kind in (2, 5):  # a command's option, a modal's upload
        large = form_of({**body, "type": kind}, bytes(FILE_LIMIT + 1))
        status, answer = await wire("POST", "/interactions", large, by="anna", content_type=None)
        assert (status, answer["code"]) == (413, 40005)
    small = form_of(body, b"hello")
    assert (await wire("POST", "/interactions", small, by="anna", content_type=None))[0] == 204
    (kept,) = wire.playground.interactions.newest.data["resolved"]["attachments"].values()
    assert (kept["filename"], kept["size"]) == ("listed.txt", 5)


@pytest.mark.parametrize(
    ("embed", "where"),
    [
        ({"title": "x", "timestamp": "bad"}, "timestamp"),
        ({"title": "x", "timestamp": 1}, "timestamp"),
        ({"title": "x", "url": "javascript:alert(1)"}, "url"),
        ({"title": "x", "url": "nonsense"}, "url"),
        ({"title": "x", "url": "https://"}, "url"),
        ({"title": "x", "url": "attachment://a.png"}, "url"),
        ({"image": {"url": "javascript:alert(1)"}}, "image"),
        ({"footer": {"text": "x", "icon_url": "data:image/png,"}}, "footer"),
        ({"author": {"name": "x", "url": "http://["}}, "author"),
        ({"title": "x", "color": 0x1000000}, "color"),
        ({"title": "x", "color": -1}, "color"),
    ],
)
async def test_embeds_that_clients_could_not_show_are_refused(wire: Wire, embed: Json, where: str) -> None:
    status, answer = await wire("POST", wire.messages, {"embeds": [embed]})
    assert (status, answer["code"]) == (400, 50035)
    assert list(answer["errors"]["embeds"]["0"]) == [where]


async def test_a_proper_embed_is_kept(wire: Wire) -> None:
    embed = {
        "title": "x",
        "url": "https://example.org/a?b=c",
        "timestamp": "2026-11-21T12:00:00.000Z",
        "color": 0xFFFFFF,
        "image": {"url": "attachment://a.png"},
    }
    status, message = await wire("POST", wire.messages, {"embeds": [embed]})
    assert (status, message["embeds"]) == (200, [{**embed, "type": "rich"}])


@pytest.mark.parametrize("body", [{"content": "   \n"}, {"embeds": [{}]}, {"embeds": [{"color": 1}]}])
async def test_nothing_to_see_is_no_message(wire: Wire, body: Json) -> None:
    status, answer = await wire("POST", wire.messages, body)
    assert (status, answer["code"]) == (400, 50006)


async def test_blanks_around_a_message_are_taken_off(wire: Wire) -> None:
    status, message = await wire("POST", wire.messages, {"content": " \n two  words \n"})
    assert (status, message["content"]) == (200, "two  words")


@pytest.mark.parametrize("nonce", [{}, [], True, 1.5, "x" * 26])
async def test_a_nonce_is_a_number_or_a_short_text(wire: Wire, nonce: Any) -> None:
    status, answer = await wire("POST", wire.messages, {"content": "x", "nonce": nonce})
    assert (status, answer["code"]) == (400, 50035)
    body = {**wire.asking(await wire.register()), "nonce": nonce}
    status, answer = await wire("POST", "/interactions", body, by="anna")
    assert (status, answer["code"]) == (400, 50035)


@pytest.mark.parametrize("seconds", ["nan", "inf", -1, "x", None])
async def test_the_clock_moves_by_a_number_of_seconds(wire: Wire, seconds: Any) -> None:
    url = f"{wire.playground.url}/playground/clock"
    async with wire.session.post(url, json={"advance": seconds}) as response:
        assert response.status == 400
    assert (await wire("POST", wire.messages, {"content": "x"}))[0] == 200


@pytest.mark.parametrize("at", [12, 16, 29], ids=["chunk", "size", "checksum"])
async def test_a_picture_that_is_none_has_no_size(wire: Wire, at: int) -> None:
    content = bytearray(png(3, 5))
    content[at] ^= 0x40
    assert media.dimensions(bytes(content)) is None
    assert media.dimensions(png(3, 5)) == (3, 5)


@pytest.mark.parametrize("value", [{}, [], True, None, ""])
async def test_an_offered_choice_is_a_text_or_a_number(wire: Wire, value: Any) -> None:
    command = await wire.register({"name": "a", "description": "d", "type": 3, "autocomplete": True})
    body = wire.asking(command, {"type": 3, "name": "a", "value": "x", "focused": True}, kind=4)
    assert (await wire("POST", "/interactions", body, by="anna"))[0] == 204
    made = wire.playground.interactions.newest
    answer = {"type": 8, "data": {"choices": [{"name": "n", "value": value}]}}
    status, refusal = await wire("POST", f"/interactions/{made.id}/{made.token}/callback", answer)
    assert (status, refusal["code"]) == (400, 50035)
