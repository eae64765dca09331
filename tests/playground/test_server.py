"""What the server lets in, the page and the files it serves, and what stays over a restart."""

from __future__ import annotations

import os
from pathlib import Path

import aiohttp
import discord
import pytest

from playground import Person, Playground
from playground.errors import CannotStartError
from playground.keep import WorldFileError
from playground.reading import is_ephemeral
from tests.playground.bots import Bot, person, png, running


async def status(playground: Playground, path: str, method: str = "GET", **headers: str) -> int:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, playground.url + path, headers=names) as response,
    ):
        return response.status


async def test_only_this_machine_is_listened_to(playground: Playground) -> None:
    assert playground.url.startswith("http://127.0.0.1:")
    assert await status(playground, "/playground/world.json") == 200
    assert await status(playground, "/playground/world.json", Host=f"localhost:{playground.port}") == 200


@pytest.mark.parametrize("path", ["/", "/playground/world.json", "/api/v10/gateway", "/playground/requests"])
async def test_foreign_names_are_refused(playground: Playground, path: str) -> None:
    for host in ("evil.example", f"evil.example:{playground.port}", "127.0.0.1.evil.example", ""):
        assert await status(playground, path, Host=host) in (400, 403)


async def test_other_sites_pages_are_refused(playground: Playground) -> None:
    ours = playground.url
    for path, method in [("/playground/world.json", "GET"), ("/playground/clock", "POST"), ("/", "GET")]:
        assert await status(playground, path, method, Origin="https://evil.example") == 403
        assert await status(playground, path, method, Origin="null") == 403
        assert await status(playground, path, method, Origin="http://127.0.0.1:1") == 403
        if path != "/":
            assert await status(playground, path, method, Sec_Fetch_Site="cross-site") == 403
    assert (
        await status(playground, "/playground/world.json", Origin=ours, Sec_Fetch_Site="same-origin") == 200
    )
    assert await status(playground, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate") == 200
    async with aiohttp.ClientSession(headers={"Origin": "https://evil.example"}) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await session.ws_connect(playground.gateway.url)


async def test_under_its_other_name_the_page_is_led_to_its_address(playground: Playground) -> None:
    url = f"http://localhost:{playground.port}/"
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as response:
        assert response.status == 302
        assert response.headers["Location"] == playground.url


async def test_world_json_tells_the_page_where_everything_is(playground: Playground) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(playground.url + "/playground/world.json") as response:
            told = await response.json()
            policy = response.headers["Content-Security-Policy"]
        first = told["users"][0]
        async with session.get(
            f"{told['api']}/channels/{told['channel_id']}/messages", headers={"Authorization": first["token"]}
        ) as response:
            assert response.status == 200
    assert told == playground.describe()
    assert [user["name"] for user in told["users"]] == ["Anna", "Bruno", "Mina"]
    assert "bot_token" not in told
    assert "default-src 'none'" in policy


async def test_the_page_and_nothing_else_is_served_from_its_folder(tmp_path: Path) -> None:
    static = tmp_path / "static"
    static.mkdir()
    (static / "main.js").write_text("1")
    (static / "index.html").write_text('<title>Hello</title><script src="/static/main.js"></script>')
    (tmp_path / "secret").write_text("secret")
    async with Playground(static=static) as playground, aiohttp.ClientSession(playground.url) as session:
        async with session.get("/") as response:
            assert response.content_type == "text/html"
            page = await response.text()
            assert page.startswith("<title>Hello</title>")
            assert response.headers["Cache-Control"] == "no-cache"
        versioned = page.split('"')[1]
        for path, kept in (("/static/main.js", "no-cache"), (versioned, "max-age=31536000, immutable")):
            async with session.get(path) as response:
                assert response.content_type in ("text/javascript", "application/javascript")
                assert response.headers["Cache-Control"] == kept
                assert await response.text() == "1"
        os.utime(static / "main.js", ns=(0, 10**9))  # an old file that was put back
        async with session.get("/") as response:
            assert versioned not in await response.text(), "a file that was changed is asked for"
        within = versioned.removesuffix("main.js")
        for path in (
            *("/static/%2e%2e/secret", "/static/../secret", "/static/nothing", "/nothing"),
            *(f"{within}%2e%2e/secret", f"{within}../../secret", f"{within}nothing"),
        ):
            async with session.get(path) as response:
                assert response.status == 404
        (static / "index.html").unlink()
        async with session.get("/") as response:
            assert "page is not installed" in await response.text()


async def test_only_pictures_and_films_are_shown_in_place(playground: Playground, anna: Person) -> None:
    files = [
        ("a.png", png()),
        ("a.html", b"<script>alert(1)</script>"),
        ("a.svg", b"<svg/>"),
        ("b.png", b"x"),
    ]
    said = await anna.say("files", files=files)
    kinds = []
    async with aiohttp.ClientSession() as session:
        for attachment in said["attachments"]:
            async with session.get(attachment["url"]) as response:
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert "sandbox" in response.headers["Content-Security-Policy"]
                kinds.append((response.content_type, "Content-Disposition" in response.headers))
        wrong = said["attachments"][0]["url"].replace("a.png", "b.png")
        async with session.get(wrong) as response:
            assert response.status == 404
    assert kinds == [
        ("image/png", False),
        ("text/html", True),
        ("image/svg+xml", True),
        ("application/octet-stream", True),
    ]


async def test_everybody_has_a_face(playground: Playground, anna: Person) -> None:
    async with aiohttp.ClientSession(playground.url) as session:
        async with session.get(f"/avatars/{anna.id}.svg") as response:
            assert response.content_type == "image/svg+xml"
            assert ">A<" in await response.text()
        async with session.get("/avatars/1.svg") as response:
            assert response.status == 404


async def test_a_world_goes_on_where_it_was(tmp_path: Path) -> None:
    bot = Bot()

    @bot.tree.command()
    async def hello(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("hello")
        await interaction.followup.send("psst", ephemeral=True, file=discord.File(__file__))

    async with Playground(data=tmp_path) as playground, running(bot, playground):
        async with person(playground) as anna:
            direct = await anna.direct_messages()
            await anna.command("hello")
            await anna.message(is_ephemeral)
            said = await anna.say("a picture", files=[("a.png", png(3, 3))])
        before, token = playground.describe(), playground.bot_token
        files = len(list((tmp_path / "attachments").iterdir()))
    async with Playground(data=tmp_path) as playground:
        after = playground.describe()
        assert {**after, "url": "", "api": "", "gateway": ""} == {
            **before,
            "url": "",
            "api": "",
            "gateway": "",
        }
        assert playground.bot_token == token
        async with person(playground) as anna:
            assert [command["name"] for command in await anna.commands()] == ["hello"]
            assert await anna.direct_messages() == direct
            messages = await anna.messages()
            assert [message["content"] for message in messages] == ["a picture", "hello"]
            assert await anna.fetch(messages[0]["attachments"][0]) == png(3, 3)
            assert int((await anna.say("newer"))["id"]) > int(said["id"])
        assert files == 2
        assert len(list((tmp_path / "attachments").iterdir())) == 1, "ephemeral files are gone"


async def test_one_folder_serves_one_playground_at_a_time(tmp_path: Path) -> None:
    async with Playground(data=tmp_path):
        with pytest.raises(WorldFileError, match="is another playground running"):
            async with Playground(data=tmp_path):
                pass


async def test_a_folder_that_is_no_world_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "world.db").write_bytes(b"something else entirely, and long enough to be looked at" * 50)
    with pytest.raises(WorldFileError, match="not a playground's world"):
        async with Playground(data=tmp_path):
            pass


async def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CannotStartError, match="file cannot be used: "):
        async with Playground(data=tmp_path / "file"):
            pass
    with pytest.raises(CannotStartError, match="nothing is no OpenAPI document"):
        Playground(data=tmp_path, openapi=tmp_path / "nothing")


async def test_a_temporary_world_leaves_nothing_behind() -> None:
    async with Playground() as playground:
        folder = playground.data
        assert folder.is_dir()
    assert not folder.exists()
