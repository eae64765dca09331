"""Somebody makes the bot forget them: what they shared goes, and what came of it names them no more."""

from __future__ import annotations

import re
import time
from pathlib import Path

import aiohttp

from playground.permissions import Permission
from playground.reading import text_of
from storage.boards import NO_MESSAGE, week_of
from tests.journeys.kept import change, rows, until
from tests.journeys.stage import draws, result, staged, told
from tests.journeys.test_endurance import QUARTER_OF_AN_HOUR
from tests.journeys.test_sharing import in_gallery, labels, opened, reports, shares
from tests.ports import free_port


async def test_who_leaves_takes_their_things_from_the_gallery_the_board_and_the_web(tmp_path: Path) -> None:
    port = free_port()
    async with (
        staged(tmp_path, WEB_GALLERY="true", WEB_PORT=str(port)) as stage,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as browser,
    ):
        anna, bruno, mina, place = stage.anna, stage.bruno, stage.mina, await opened(stage)

        async def shown(path: str) -> str:
            async with browser.get(path) as answer:
                return await answer.text() if answer.status == 200 else f"status {answer.status}"

        await told(mina, await mina.command("server web", {"open": True}))
        await shares(anna, await draws(anna, "a secret garden"), title="Eden")
        eden = await in_gallery(bruno, place, "Eden")
        await bruno.press(eden, "Like")
        assert "Thank you" in await reports(bruno, eden, "too green")
        form = await bruno.press(eden, "Remix")
        await shares(bruno, await result(bruno, await bruno.submit(form, {"Prompt": "a blue garden"})))
        child = await in_gallery(anna, place, "a blue garden", f"remixed from <@{anna.id}>")
        await anna.press(child, "Like")
        await told(mina, await mina.command("server moderators", {"channel": mina.channel("pictures")}))
        assert "Thank you" in await reports(anna, child, "not green")
        notice = await mina.message(lambda m: f"<@{anna.id}>: not green" in text_of(m))
        await anna.message(lambda m: m["id"] == child["id"] and labels(m) == ["1 like"])
        assert await stage.bot.stop() == 0
        change(
            stage,
            "INSERT INTO boards (server, week, claimed_at, posts) "
            f"SELECT server, {week_of(time.time()) - 1}, {time.time()}, json_group_array(id) FROM posts",
        )
        await stage.bot.start()
        board = await in_gallery(bruno, place, "The best of the week", "Eden")
        assert f"<@{anna.id}>" in text_of(board)
        grid = await shown(f"/{anna.guild['id']}")
        pages = re.findall(r'<li class="tile[^>]*>\s*<a href="([^"]*)"', grid)
        [edens] = [path for path in pages if "Eden" in (await shown(path)).split("</h1>")[0]]
        [childs] = [path for path in pages if path != edens]
        [by_anna] = re.findall(r'href="([^"]*/by/[^"]*)"', await shown(edens))
        assert "Made from" in await shown(childs)
        assert "Eden" in await shown(by_anna)

        asked = await anna.answer(await anna.command("privacy forget"))
        await anna.press(asked, "Forget it all")
        await anna.message(lambda m: m["id"] == asked["id"] and "I have forgotten" in text_of(m))
        for path in (edens, by_anna, re.findall(r'src="([^"]*webp)"', grid)[1]):
            assert await shown(path) == "status 404"
        for path in (f"/{anna.guild['id']}", childs):
            assert "a blue garden" in await shown(path)
            assert not re.search("Eden|secret|Made from|Anna", await shown(path))
        await bruno.until(lambda: eden["id"] in bruno.deleted)
        told_anew = await bruno.message(lambda m: m["id"] == child["id"] and "remixed" not in text_of(m))
        assert labels(told_anew) == ["Like"]
        await mina.message(lambda m: m["id"] == notice["id"] and anna.id not in text_of(m))
        text = text_of(await bruno.message(lambda m: m["id"] == board["id"] and "Eden" not in text_of(m)))
        assert "**1.** a blue garden" in text
        for said in (text, text_of(told_anew), text_of(await mina.answer(await mina.command("moderate")))):
            assert anna.id not in said
        reported = text_of(await mina.answer(await mina.command("moderate")))
        assert "somebody who is forgotten: not green" in reported
        assert "too green" not in reported
        for question in ("SELECT 1 FROM posts WHERE person = {}", "SELECT 1 FROM likes WHERE person = {}"):
            assert not rows(stage, question.format(anna.id))

        # Where the bot may not read, it cannot tell whether a board stands, and posts none.
        history = str(int(Permission.READ_MESSAGE_HISTORY))
        everybody = {"id": anna.guild["id"], "type": 0, "deny": history}
        await mina.manage(place, permission_overwrites=[everybody])
        await stage.bot.kill()
        change(stage, "UPDATE boards SET channel_id = NULL, message_id = NULL")
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR)
        await stage.bot.start()
        await until(lambda: rows(stage, "SELECT message_id FROM boards") == [(NO_MESSAGE,)])
        boards = [m for m in await mina.messages(place) if "The best of the week" in text_of(m)]
        assert [m["id"] for m in boards] == [board["id"]]
