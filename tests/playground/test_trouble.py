"""Rate limits, and trouble on request."""

from __future__ import annotations

import time
from types import SimpleNamespace

import aiohttp
import discord
import pytest

from playground import Fault, Person, Playground
from playground.faults import Faults
from playground.ratelimits import RateLimits
from tests.playground.bots import Bot, running

MESSAGES = "/channels/{channel_id}/messages"


async def test_every_answer_has_rate_limit_headers(playground: Playground) -> None:
    headers = {"Authorization": f"Bot {playground.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        url = f"{playground.api}/channels/{playground.world.first_channel.id}/messages"
        remaining = []
        for n in range(6):
            async with session.post(url, json={"content": str(n)}) as response:
                remaining.append((response.status, int(response.headers["X-RateLimit-Remaining"])))
                body = await response.json()
        assert remaining == [(200, 4), (200, 3), (200, 2), (200, 1), (200, 0), (429, 0)]
        assert response.headers["Via"]
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["X-RateLimit-Limit"] == "5"
        assert 0 < float(response.headers["X-RateLimit-Reset-After"]) <= 5
        assert float(response.headers["X-RateLimit-Reset"]) > time.time()
        assert len(response.headers["X-RateLimit-Bucket"]) == 32
        assert body["message"] == "You are being rate limited."
        assert 0 < body["retry_after"] <= 5
        assert body["global"] is False
        async with session.get(f"{playground.api}/users/@me") as response:
            assert response.status == 200, "another bucket is not touched"
        async with session.get(f"{playground.api}/users/@me", headers={"Authorization": "Bot x"}) as response:
            assert response.status == 401
            assert await response.json() == {"message": "401: Unauthorized", "code": 0}
            assert "X-RateLimit-Bucket" in response.headers


async def test_discord_py_waits_for_the_bucket_to_fill(playground: Playground, bot: Bot) -> None:
    playground.ratelimits.limits["POST", MESSAGES] = (2, 0.3)
    async with running(bot, playground):
        channel = bot.guilds[0].text_channels[0]
        for n in range(5):
            await channel.send(str(n))
    statuses = [request.status for request in playground.requests if request.method == "POST"]
    assert statuses == [200] * 5


def test_all_requests_of_a_bot_share_fifty_a_second_but_those_of_interactions_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    still = SimpleNamespace(monotonic=lambda: 0.0, time=time.time)
    monkeypatch.setattr("playground.ratelimits.time", still)
    limits = RateLimits()
    for n in range(50):
        assert limits.ask("bot", "GET", f"/{n}", "", counted_globally=True).allowed
    verdict = limits.ask("bot", "GET", "/more", "", counted_globally=True)
    assert not verdict.allowed
    assert verdict.headers()["X-RateLimit-Scope"] == "global"
    assert limits.ask("bot", "POST", "/interactions", "", counted_globally=False).allowed
    assert limits.ask("other", "GET", "/more", "", counted_globally=True).allowed


async def test_the_next_answers_can_be_errors_before_or_after_the_deed(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    playground.ratelimits.limits.clear()
    async with running(bot, playground):
        channel = bot.guilds[0].text_channels[0]
        playground.faults.add(Fault(method="POST", path="/channels/*/messages", status=503))
        with pytest.raises(discord.DiscordServerError):
            await channel.send("lost")
        assert await anna.messages() == []
        playground.faults.add(Fault(method="POST", path="/channels/*/messages", status=503, after=True))
        with pytest.raises(discord.DiscordServerError):
            await channel.send("sent, but nobody says so")
        assert len(await anna.messages()) == 1
        playground.faults.add(Fault(status=429, retry_after=0.05, times=2))
        await channel.send("after two refusals")
        assert len(await anna.messages()) == 2
        statuses = [request.status for request in playground.requests if request.who != "anna"]
    assert statuses[-5:] == [503, 503, 429, 429, 200]


async def test_the_next_answers_can_be_late(playground: Playground, bot: Bot) -> None:
    async with running(bot, playground):
        playground.faults.add(Fault(path="/users/*", delay=0.2))
        started = time.monotonic()
        await bot.fetch_user(playground.world.people[0].id)
        assert time.monotonic() - started >= 0.2
        playground.faults.add(Fault(path="/nothing", status=500))
        playground.faults.clear()
        assert playground.faults.take("GET", "/nothing") is None


async def test_what_was_refused_can_be_done_nevertheless(
    playground: Playground, bot: Bot, anna: Person
) -> None:
    async with running(bot, playground):
        channel = bot.guilds[0].text_channels[0]
        playground.faults.add(Fault(method="POST", path="/channels/*/messages", status=503, held=True))
        with pytest.raises(discord.DiscordServerError):
            await channel.send("done long after it was refused")
        assert await anna.messages() == []
        playground.faults.clear()
        assert len(await anna.messages()) == 1


def test_what_is_let_go_while_a_request_is_still_read_is_not_held_any_more() -> None:
    faults, done = Faults(), []
    faults.add(Fault(held=True))
    fault = faults.take("PATCH", "/webhooks/1")
    assert fault is not None
    faults.clear()
    faults.hold(fault, lambda: done.append("at once"))
    assert done == ["at once"]


def test_a_fault_must_be_an_error() -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        Faults().add(Fault(status=200))


async def test_levers_work_over_http(playground: Playground, bot: Bot, anna: Person) -> None:
    @bot.tree.command()
    async def hello(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("hello")

    async with running(bot, playground), aiohttp.ClientSession(playground.url) as session:

        async def pull(lever: str, **body: object) -> tuple[int, object]:
            async with session.post(f"/playground/{lever}", json=body) as response:
                return response.status, await response.json()

        assert (await pull("gateway", do="reconnect")) == (200, {"connections": 1})
        await bot.resumed.wait()
        before = playground.clock.now()
        status, body = await pull("clock", advance=900)
        assert status == 200
        assert isinstance(body, dict)
        assert before + 900 <= body["now"] <= playground.clock.now()
        assert (await pull("faults", method="POST", path="/interactions/*", delay=0.01))[0] == 200
        await anna.command("hello")
        assert (await pull("faults", status=503))[0] == 200
        async with session.delete("/playground/faults") as response:
            assert response.status == 200
        assert (await pull(f"users/{anna.id}", accepts_messages=False))[0] == 200
        assert (await pull(f"users/{anna.id}", installed=False))[0] == 200
        assert playground.world.closed_to_messages == {int(anna.id)}, "what is not named stays"
        mistakes: list[tuple[str, dict[str, object], str]] = [
            ("gateway", {"do": "explode"}, "not 'explode'"),
            ("clock", {}, "'advance' is missing"),
            ("clock", {"advance": -1}, "only moves forward"),
            ("faults", {"colour": 1}, "no colour"),
            ("bot", {"do": "kill"}, "--no-bot"),
        ]
        for lever, wrong, sentence in mistakes:
            status, body = await pull(lever, **wrong)
            assert status == 400
            assert sentence in str(body)
        async with session.get("/playground/requests") as response:
            asked = [request["path"] for request in await response.json()]
        assert "/users/@me" in asked
        async with session.get("/playground/violations") as response:
            assert await response.json() == []
