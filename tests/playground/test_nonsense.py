"""Whatever is sent, the playground answers like Discord and never fails itself."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from playground import Playground
from playground.nouns import Json

JUNK: list[Any] = [
    None,
    0,
    1,
    -1,
    1.5,
    True,
    "",
    "x",
    "x" * 5000,
    [],
    [1],
    ["a"],
    {},
    {"a": 1},
    [[]],
    [{}],
    10**30,
    "²",
    "1" * 5000,
    "oops \ud83d",
    "javascript:alert(1)",
    "attachment://",
]
BUTTONS = {
    "type": 1,
    "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "a", "emoji": {"name": "x"}}],
}
SELECT = {
    "type": 1,
    "components": [{"type": 3, "custom_id": "b", "options": [{"label": "a", "value": "a"}]}],
}
CARD = {
    "type": 17,
    "components": [
        {"type": 10, "content": "x"},
        {"type": 12, "items": [{"media": {"url": "http://a/b.png"}, "description": "d"}]},
        {
            "type": 9,
            "components": [{"type": 10, "content": "x"}],
            "accessory": {"type": 11, "media": {"url": "http://a/b"}},
        },
        {"type": 14},
    ],
}
V2: Json = {"flags": 1 << 15, "components": [CARD, BUTTONS, SELECT]}
EMBED = {
    "title": "t",
    "fields": [{"name": "a", "value": "b"}],
    "footer": {"text": "x"},
    "author": {"name": "n"},
    "image": {"url": "http://x/y.png"},
    "url": "http://x/y",
    "color": 1,
    "timestamp": "2026-11-21T12:00:00Z",
}
LEGACY: Json = {
    "content": "<@1> @everyone",
    "embeds": [EMBED],
    "components": [BUTTONS],
    "allowed_mentions": {"parse": ["users"], "users": ["1"], "replied_user": True},
    "attachments": [],
    "message_reference": {"message_id": "1", "fail_if_not_exists": False},
}
MODAL: Json = {
    "custom_id": "m",
    "title": "t",
    "components": [
        {"type": 18, "label": "l", "component": {"type": 4, "custom_id": "t", "style": 1}},
        {
            "type": 18,
            "label": "l",
            "component": {"type": 22, "custom_id": "c", "options": [{"label": "a", "value": "a"}]},
        },
        {
            "type": 18,
            "label": "l",
            "component": {"type": 19, "custom_id": "f", "required": False},
        },
    ],
}
OPTIONS = [
    {"name": "text", "description": "d", "type": 3, "required": True, "max_length": 100},
    {"name": "number", "description": "d", "type": 4, "choices": [{"name": "a", "value": 1}]},
    {"name": "size", "description": "d", "type": 10, "min_value": 1, "max_value": 2},
    {"name": "typed", "description": "d", "type": 3, "min_length": 1, "autocomplete": True},
    {"name": "who", "description": "d", "type": 6},
    {"name": "file", "description": "d", "type": 11},
]
COMMANDS: list[Json] = [
    {
        "name": "draw",
        "description": "d",
        "options": OPTIONS,
        "default_member_permissions": 1 << 11,
        "contexts": [0, 1],
        "integration_types": [0],
        "name_localizations": {"de": "malen"},
        "dm_permission": True,
    },
    {"name": "g", "description": "d", "options": [{"name": "s", "type": 1, "description": "d"}]},
    {"name": "M", "type": 3},
]


def spoiled(value: Any, chance: random.Random) -> Any:
    """A copy with one to three places replaced by nonsense."""
    value = [copy.deepcopy(value)]
    for _ in range(chance.randint(1, 3)):
        parent, key = chance.choice(list(_places(value)))
        parent[key] = copy.deepcopy(chance.choice(JUNK))
    return value[0]


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from _places(node[key])


@pytest.mark.parametrize("seed", range(3))
async def test_nonsense_is_refused_and_nothing_breaks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_OPENAPI", raising=False)
    chance = random.Random(seed)
    async with Playground() as playground, aiohttp.ClientSession() as session:
        playground.ratelimits.unlimited()
        place = playground.describe()
        application, channel = place["application_id"], place["channel_id"]
        bot, person = f"Bot {playground.bot_token}", place["users"][0]["token"]
        messages = f"/channels/{channel}/messages"
        commands = f"/applications/{application}/commands"

        async def call(method: str, path: str, body: Any, token: str = "") -> Any:
            headers = {"Content-Type": "application/json", **({"Authorization": token} if token else {})}
            url = playground.api + path
            async with session.request(method, url, data=json.dumps(body), headers=headers) as response:
                assert response.status < 500, playground.violations[-1]
                return await response.json() if response.content_type == "application/json" else None

        for _ in range(60):
            await call("PUT", commands, spoiled(COMMANDS, chance), bot)
            await call("POST", messages, spoiled(chance.choice([LEGACY, V2]), chance), bot)
            message = await call("POST", messages, V2, bot)
            await call("PATCH", f"{messages}/{message['id']}", spoiled(LEGACY, chance), bot)
            draw = (await call("PUT", commands, COMMANDS, bot))[0]
            asked = {"type": 2, "application_id": application, "channel_id": channel, "nonce": "1"}
            options = [{"type": 3, "name": "text", "value": "x"}, {"type": 4, "name": "number", "value": 1}]
            data = {"id": draw["id"], "version": draw["version"], "name": "draw", "options": options}
            await call("POST", "/interactions", spoiled({**asked, "data": data}, chance), person)
            pressed = {"component_type": 3, "custom_id": "b", "values": ["a"]}
            body = {**asked, "type": 3, "message_id": message["id"], "data": pressed}
            await call("POST", "/interactions", spoiled(body, chance), person)
            await call("POST", "/interactions", {**asked, "data": data}, person)
            made = playground.interactions.newest
            answers: list[Json] = [
                {"type": 4, "data": V2},
                {"type": 4, "data": LEGACY},
                {"type": 9, "data": MODAL},
            ]
            callback = f"/interactions/{made.id}/{made.token}/callback?with_response=1"
            await call("POST", callback, spoiled(chance.choice(answers), chance))
            await call("POST", callback, chance.choice(answers))
            webhook = f"/webhooks/{application}/{made.token}"
            await call("PATCH", f"{webhook}/messages/@original", spoiled(V2, chance))
            await call("POST", webhook, spoiled(LEGACY, chance))
            fields = [
                {"type": 18, "component": {"type": 4, "custom_id": "t", "value": "x"}},
                {"type": 18, "component": {"type": 22, "custom_id": "c", "values": ["a"]}},
            ]
            data = {"id": str(made.id), "custom_id": "m", "components": fields}
            await call("POST", "/interactions", spoiled({**asked, "type": 5, "data": data}, chance), person)
        assert playground.violations == []
