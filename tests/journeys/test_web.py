"""A server opens its gallery to the web, and closes it."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import aiohttp

from playground.reading import pictures_of
from tests.journeys.stage import draws, staged, told
from tests.journeys.test_sharing import opened, shares


async def test_who_manages_a_server_opens_its_gallery_and_closes_it(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site = f"http://127.0.0.1:{port}"
    async with (
        staged(tmp_path, WEB_GALLERY="true", WEB_PORT=str(port)) as stage,
        aiohttp.ClientSession(site) as browser,
    ):
        guild = stage.playground.world.guild
        page = f"/{guild.id}"

        async def status() -> int:
            async with browser.get(page) as answer:
                return answer.status

        assert await status() == 404
        said = await told(stage.mina, await stage.mina.command("server web", {"open": True}))
        assert "**Gallery in the web** open" in said
        assert f"{site}{page}" in said.replace("\\", "")
        async with browser.get("/") as answer:
            assert str(answer.url) == f"{site}{page}"
            text = await answer.text()
        assert f"<bdi>{guild.name}</bdi>" in text
        assert "Nothing is shared here yet." in text
        async with browser.get(page, headers={"Accept-Language": "de-CH"}) as answer:
            assert "Hier ist noch nichts geteilt." in await answer.text()

        await opened(stage)
        card = await draws(stage.anna, "a red <b>circle</b>", steps=3)
        assert f"sees it in the web, too: {site}{page}" in await shares(
            stage.anna, card, title="Round", tags="warm"
        )
        async with browser.get(page) as answer:
            text = await answer.text()
        assert 'alt="Round: a red &lt;b&gt;circle&lt;/b&gt;"' in text
        assert "Anna</bdi>" in text
        [thumbnail] = re.findall(r'src="(/[^"]*\.webp)"', text)
        async with browser.get(thumbnail) as answer:
            assert (answer.status, answer.content_type) == (200, "image/webp")
        async with browser.get(thumbnail.replace(".webp", ".png")) as answer:
            original = await answer.read()
        async with browser.get(pictures_of(card)[0]["url"]) as answer:
            assert original == await answer.read()

        await told(stage.mina, await stage.mina.command("server web", {"open": False}))
        assert await status() == 404
        async with browser.get(thumbnail) as answer:
            assert answer.status == 404
