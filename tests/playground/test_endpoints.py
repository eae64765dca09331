"""Every operation, by hand: what it answers, and (with DISCORD_OPENAPI) that its answer is Discord's."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from playground import Person, Playground
from playground.nouns import Json
from playground.permissions import Permission
from playground.person import RefusedError
from playground.server import ENDPOINTS_OF_ALL


class Caller:
    """Asks the API with the bot's token."""

    def __init__(self, playground: Playground, session: aiohttp.ClientSession) -> None:
        self.playground = playground
        self.session = session

    async def __call__(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bot {self.playground.bot_token}"}
        async with self.session.request(
            method, self.playground.api + path, json=body, headers=headers
        ) as response:
            text = await response.text()
            return response.status, await response.json() if text else None


@pytest.fixture
async def call(playground: Playground) -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession() as session:
        yield Caller(playground, session)


DRAW: Json = {"name": "draw", "description": "Draws", "options": []}


async def test_commands_are_created_changed_listed_and_deleted(playground: Playground, call: Caller) -> None:
    application, guild = playground.world.bot.id, playground.world.guild.id
    for base in (
        f"/applications/{application}/commands",
        f"/applications/{application}/guilds/{guild}/commands",
    ):
        assert (await call("GET", base)) == (200, [])
        status, made = await call("POST", base, DRAW)
        assert (status, made["name"], made["type"]) == (201, "draw", 1)
        status, again = await call("POST", base, {**DRAW, "description": "Paints"})
        assert (status, again["id"], again["description"]) == (200, made["id"], "Paints")
        status, edited = await call("PATCH", f"{base}/{made['id']}", {"name": "paint"})
        assert (status, edited["id"], edited["name"]) == (200, made["id"], "paint")
        assert (await call("GET", f"{base}/{made['id']}")) == (200, edited)
        assert [command["name"] for command in (await call("GET", base))[1]] == ["paint"]
        assert (await call("DELETE", f"{base}/{made['id']}")) == (204, None)
        status, gone = await call("GET", f"{base}/{made['id']}")
        assert (status, gone["code"]) == (404, 10063)
        status, many = await call("PUT", base, [DRAW, {"name": "Remix", "type": 3}])
        assert (status, [command["type"] for command in many]) == (200, [1, 3])
        assert (await call("PUT", base, [])) == (200, [])


async def test_commands_discord_would_refuse_are_refused(playground: Playground, call: Caller) -> None:
    base = f"/applications/{playground.world.bot.id}/commands"
    option = {"name": "a", "description": "d", "type": 3}
    for wrong, where in [
        ({**DRAW, "name": "Draw"}, "name"),
        ({**DRAW, "name": "x" * 33}, "name"),
        ({**DRAW, "description": ""}, "description"),
        ({**DRAW, "description": "x" * 101}, "description"),
        ({**DRAW, "options": [option] * 2}, "options"),
        ({**DRAW, "options": [{**option, "name": str(n)} for n in range(26)]}, "options"),
        ({**DRAW, "options": [option, {**option, "name": "b", "required": True}]}, "options"),
        ({**DRAW, "options": [{**option, "choices": [{"name": "n", "value": "v"}] * 26}]}, "options"),
        ({**DRAW, "options": [{**option, "type": 12}]}, "options"),
        ({"name": "Remix", "type": 3, "description": "none allowed"}, "description"),
        ({**DRAW, "options": [{**option, "type": 1}, {**option, "name": "b"}]}, "options"),
        ({**DRAW, "options": [{**option, "type": 2, "options": [option]}]}, "options"),
        ({**DRAW, "options": [{**option, "choices": [{"name": "n"}]}]}, "options"),
        ({**DRAW, "options": [{**option, "choices": [{"name": "n", "value": 1}]}]}, "options"),
        ({**DRAW, "options": [{**option, "type": 4, "choices": [{"name": "n", "value": "1"}]}]}, "options"),
        ({**DRAW, "options": [{**option, "type": 4, "choices": [{"name": "n", "value": 1.5}]}]}, "options"),
        ({**DRAW, "options": [{**option, "type": 6, "choices": [{"name": "n", "value": "1"}]}]}, "options"),
        ({**DRAW, "options": [{**option, "type": 6, "autocomplete": True}]}, "options"),
        ({**DRAW, "options": [{**option, "type": 4, "min_value": 2, "max_value": 1}]}, "options"),
        ({**DRAW, "options": [{**option, "type": 4, "min_value": 0.5}]}, "options"),
        ({**DRAW, "options": [{**option, "min_length": 2, "max_length": 1}]}, "options"),
    ]:
        status, answer = await call("POST", base, wrong)
        assert (status, answer["code"]) == (400, 50035), wrong
        assert where in answer["errors"], answer
    long = {"name": "n" * 32, "description": "d" * 100, "type": 3}
    choices = [{"name": "c" * 95 + str(n), "value": "v" * 100} for n in range(25)]
    options = [{**long, "name": f"{n}{'n' * 30}", "choices": choices} for n in range(2)]
    status, answer = await call("POST", base, {**DRAW, "options": options})
    assert (status, answer["errors"]["_errors"][0]["code"]) == (400, "APPLICATION_COMMAND_TOO_LARGE")
    status, answer = await call("PUT", base, [{"name": f"menu {n}", "type": 2} for n in range(16)])
    assert (status, answer["code"]) == (400, 50035)
    status, answer = await call("PUT", base, [DRAW, DRAW])
    assert (status, answer["code"]) == (400, 50035)
    status, answer = await call("PUT", "/applications/1/commands", [])
    assert (status, answer["code"]) == (403, 50001)
    playground.violations.clear()


async def test_everything_else_is_answered_too(playground: Playground, call: Caller, anna: Person) -> None:
    world = playground.world
    said = await anna.say("hello")
    channel, guild = world.first_channel.id, world.guild.id
    status, me = await call("GET", "/users/@me")
    assert (status, me["id"], me["bot"]) == (200, str(world.bot.id), True)
    for path, name in [
        ("/oauth2/applications/@me", "Atelier"),
        ("/applications/@me", "Atelier"),
        (f"/guilds/{guild}", "The Studio"),
        (f"/channels/{channel}", "pictures"),
    ]:
        status, answer = await call("GET", path)
        assert (status, answer["name"]) == (200, name)
    assert (await call("GET", f"/users/{anna.id}"))[1]["global_name"] == "Anna"
    member = (await call("GET", f"/guilds/{guild}/members/{anna.id}"))[1]
    assert member["user"]["username"] == "anna"
    assert len((await call("GET", f"/guilds/{guild}/channels"))[1]) == 5
    assert (await call("GET", "/gateway"))[1] == {"url": playground.gateway.url}
    assert (await call("GET", "/gateway/bot"))[1]["shards"] == 1
    assert (await call("GET", f"/channels/{channel}/messages?limit=1"))[1][0]["id"] == said["id"]
    assert (await call("GET", f"/channels/{channel}/messages/{said['id']}"))[1]["content"] == "hello"
    assert (await call("POST", f"/channels/{channel}/typing")) == (204, None)
    status, direct = await call("POST", "/users/@me/channels", {"recipient_id": anna.id})
    assert [user["id"] for user in direct["recipients"]] == [anna.id]
    assert (await call("GET", f"/channels/{direct['id']}"))[1] == direct
    assert (await call("GET", "/users/@me/channels"))[1] == [direct]
    assert (await call("GET", f"/channels/{channel}/messages?limit=none"))[0] == 400
    assert (await call("GET", "/channels/none"))[1]["code"] == 50035
    assert (await call("POST", "/interactions", {}))[1]["code"] == 20001
    status, answer = await call("GET", "/nothing")
    assert (status, answer) == (404, {"message": "404: Not Found", "code": 0})


async def test_no_json_is_said_to_be_none(playground: Playground) -> None:
    url = f"{playground.api}/users/@me/channels"
    headers = {"Authorization": f"Bot {playground.bot_token}", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=b"{", headers=headers) as response,
    ):
        assert (response.status, (await response.json())["code"]) == (400, 50109)


async def test_without_a_token_nothing_is_told(playground: Playground) -> None:
    async with aiohttp.ClientSession() as session:
        for endpoint in ENDPOINTS_OF_ALL:
            if endpoint.login:
                for headers in ({}, {"Authorization": playground.bot_token}, {"Authorization": "Bot x"}):
                    url = playground.api + re.sub(r"{\w+}", "1", endpoint.path)
                    async with session.request(endpoint.method, url, headers=headers) as response:
                        assert response.status == 401, endpoint


async def test_the_server_its_roles_and_members_are_listed(playground: Playground, call: Caller) -> None:
    world = playground.world
    guild = f"/guilds/{world.guild.id}"
    status, (mine,) = await call("GET", "/users/@me/guilds")
    assert (status, mine["name"], mine["owner"]) == (200, "The Studio", False)
    assert int(mine["permissions"]) & Permission.SEND_MESSAGES
    status, roles = await call("GET", f"{guild}/roles")
    assert (status, [int(role["id"]) for role in roles]) == (200, list(world.roles_of(world.guild)))
    assert await call("GET", f"{guild}/roles/{roles[0]['id']}") == (200, roles[0])
    status, answer = await call("GET", f"{guild}/roles/5")
    assert (status, answer["code"]) == (404, 10011)
    status, (first,) = await call("GET", f"{guild}/members")
    status, rest = await call("GET", f"{guild}/members?limit=1000&after={first['user']['id']}")
    assert (status, len(rest)) == (200, len(world.users) - 1)
    for limit in ("0", "1001", "x", "9" * 5000):
        assert (await call("GET", f"{guild}/members?limit={limit}"))[0] == 400


async def test_many_messages_are_deleted_at_once(playground: Playground, call: Caller, anna: Person) -> None:
    world = playground.world
    channel = world.first_channel.id
    path = f"/channels/{channel}/messages/bulk-delete"
    said = [(await anna.say(str(number)))["id"] for number in range(3)]
    status, answer = await call("POST", path, {"messages": said})
    assert (status, answer["code"]) == (403, 50013)
    role = next(role for role in world.roles.values() if role.bot)
    world.roles[role.id] = replace(role, permissions=role.permissions | Permission.MANAGE_MESSAGES)
    for wrong in (said[:1], said[:1] * 2, "x", ["x", "y"], [str(n) for n in range(101)]):
        status, answer = await call("POST", path, {"messages": wrong})
        assert (status, answer["code"]) == (400, 50035), wrong
    playground.violations.clear()
    status, answer = await call("POST", path, {"messages": ["1", "2"]})
    assert (status, answer["code"]) == (400, 50034)
    assert await call("POST", path, {"messages": [*said[:2], str(world.mint())]}) == (204, None)
    await anna.until(lambda: anna.deleted == set(said[:2]))
    assert [message["id"] for message in await anna.messages()] == said[2:]


async def test_what_lies_beside_messages_is_not_taken_for_one(playground: Playground, call: Caller) -> None:
    channel = playground.world.first_channel.id
    for name in ("pins", "x", "²", "1" * 21):
        status, answer = await call("GET", f"/channels/{channel}/messages/{name}")
        assert (status, answer) == (404, {"message": "404: Not Found", "code": 0})


async def test_a_person_sets_their_client_to_another_language(playground: Playground, call: Caller) -> None:
    token = playground.world.people[0].token
    async with Person(api=playground.api, gateway=playground.gateway.url, token=token) as anna:
        await anna.speak("de")
        assert (await anna.request("GET", "/users/@me"))["locale"] == "de"
        with pytest.raises(RefusedError, match="must be one of"):
            await anna.speak("tlh")
    assert playground.world.people[0].locale == "de"
    assert (await call("PATCH", "/users/@me/settings", {"locale": "de"}))[0] == 403


async def test_who_manages_channels_restricts_hides_and_removes_one(
    playground: Playground, call: Caller, anna: Person, mina: Person
) -> None:
    world = playground.world
    place = anna.channel("showcase")
    said = await anna.say("hello", channel_id=place)
    for method in ("PATCH", "DELETE"):
        status, answer = await call(method, f"/channels/{place}", {"nsfw": True})
        assert (status, answer["code"]) == (403, 50013)
    assert (await mina.manage(place, nsfw=True))["nsfw"] is True
    with pytest.raises(RefusedError, match="true or false"):
        await mina.manage(place, nsfw="yes")
    with pytest.raises(RefusedError, match="list of overwrites"):
        await mina.manage(place, permission_overwrites=["x"])
    everybody = {"id": str(world.guild.id), "type": 0, "deny": str(int(Permission.VIEW_CHANNEL))}
    assert (await mina.manage(place, permission_overwrites=[everybody]))["nsfw"] is True
    assert (await call("GET", f"/channels/{place}"))[0] == 403
    await mina.remove_channel(place)
    assert (await call("GET", f"/channels/{place}"))[0] == 404
    assert int(said["id"]) not in world.messages
    assert [kept.name for kept in world.keeper.load(type(world.first_channel))] == [
        channel.name for channel in world.channels.values()
    ]
