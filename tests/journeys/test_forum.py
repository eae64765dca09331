"""A gallery in a forum: each picture is a post there, and so is the board of the week."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from playground.faults import Fault
from playground.nouns import Json
from playground.reading import text_of
from storage.boards import week_of
from tests.journeys.kept import change
from tests.journeys.stage import draws, staged, told
from tests.journeys.test_sharing import MORE, labels, shares

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_crash_doubles_and_loses_no_post_of_a_forum(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        anna, bruno, mina = stage.anna, stage.bruno, stage.mina
        place = mina.channel("exhibition")
        await told(mina, await mina.command("server gallery", {"channel": place}))
        await shares(anna, await draws(anna, "a red square"), title="Square")
        # It is taken, but the bot only hears of an error, and dies before it looks.
        path = f"/channels/{place}/threads"
        stage.playground.faults.add(Fault(method="POST", path=path, status=503, after=True, times=1))
        await anna.submit(await anna.press(await draws(anna, "a red circle"), "Share"), {"Title": "Round"})
        post = await bruno.message(lambda m: "### Round" in text_of(m))
        assert post["id"] == post["channel_id"]
        await stage.bot.kill()
        change(stage, "UPDATE posts SET channel_id = NULL, message_id = NULL WHERE title = 'Round'")
        # As if it had died between a like and saying so, and before it posted the board of the week.
        change(stage, f"INSERT INTO likes SELECT id, {bruno.id}, 0 FROM posts")
        change(stage, "UPDATE posts SET shared_at = shared_at - 604800, day = day - 7")
        week = week_of(time.time()) - 1
        change(
            stage,
            "INSERT INTO boards (server, week, claimed_at, posts) "
            f"SELECT server, {week}, 0, json_group_array(id) FROM (SELECT * FROM posts ORDER BY id DESC)",
        )
        await stage.bot.start()
        await bruno.message(lambda m: m["id"] == post["id"] and labels(m) == ["1 like"])
        board = await bruno.message(lambda m: "**1.** Round" in text_of(m))
        begun = [data["name"] for name, data in bruno.events if name == "THREAD_CREATE"]
        assert begun == ["Square", "Round", "The best of the week"]

        asked = await anna.answer(await anna.select(post, MORE, ["out"]))
        await anna.press(asked, "Take it out")
        await anna.until(lambda: post["id"] in anna.deleted)
        # The bot may not delete threads here, so its name goes and it is put away.
        await anna.until(lambda: ("THREAD_UPDATE", post["id"], "…", True) in [*map(thread, anna.events)])
        told_anew = await bruno.message(lambda m: m["id"] == board["id"] and "**1.** Square" in text_of(m))
        assert "Round" not in text_of(told_anew)


def thread(event: tuple[str, Json]) -> tuple[object, ...]:
    name, data = event
    return name, data.get("id"), data.get("name"), data.get("thread_metadata", {}).get("archived")
