"""Shared pictures: shown to a server, found, liked, remixed, taken out again, and judged by moderators."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from playground.faults import Fault
from playground.nouns import Json, Overwrite, Snowflake
from playground.permissions import Permission
from playground.person import Asked, Person
from playground.reading import button_labels, components_of, is_ephemeral, pictures_of, text_of
from storage.boards import week_of
from tests.journeys.kept import change
from tests.journeys.stage import Stage, asks, draws, result, says, staged, told
from tests.journeys.test_endurance import QUARTER_OF_AN_HOUR

pytestmark = pytest.mark.asyncio(loop_scope="module")

MORE = "More: like this one, where it comes from, save its prompt…"


async def opened(stage: Stage) -> str:
    """A gallery in the showcase."""
    place = stage.mina.channel("showcase")
    said = await told(stage.mina, await stage.mina.command("server gallery", {"channel": place}))
    assert said.startswith("**Gallery** what people share is shown in <#")
    return place


async def shares(person: Person, card: Json, **fields: str) -> str:
    form = await person.press(card, "Share")
    return await told(
        person, await person.submit(form, {name.title(): text for name, text in fields.items()})
    )


async def in_gallery(person: Person, place: str, *words: str) -> Json:
    """The newest message of the gallery with these words."""
    return await person.message(lambda m: m["channel_id"] == place and says(*words)(m))


async def page(person: Person, asked: Asked) -> Json:
    return await person.answer(asked, lambda m: is_ephemeral(m) and "###" in text_of(m))


def labels(card: Json) -> list[str]:
    return [label for label in button_labels(card) if "like" in label.lower()]


async def test_a_picture_is_shared_liked_found_and_remixed_by_somebody_else(stage: Stage) -> None:
    anna, bruno = stage.anna, stage.bruno
    card = await draws(anna, "a *red* circle", steps=3, seed=7)
    assert "Share" not in button_labels(card)  # there is no gallery yet
    assert "has no gallery" in await told(anna, await anna.command("gallery new"))
    assert "gallery" not in await told(anna, await anna.command("help"))
    place = await opened(stage)
    assert "</gallery new:" in await told(anna, await anna.command("help"))
    card = await draws(anna, "a *red* <b>circle</b>", steps=3, seed=7)
    assert button_labels(card)[:5] == ["Reroll", "Edit", "Settings", "Share", "Delete"]
    assert await told(bruno, await bruno.press(card, "Share")) == (
        "Only the person who asked for a picture can share it."
    )
    said = await shares(anna, card, title="Round **thing**", tags="#Warm, simple")
    assert said.startswith("It is in the gallery: https://discord.com/channels/")
    post = await in_gallery(bruno, place, "Round")
    assert post["id"] in said
    text = text_of(post)
    assert "### Round \\*\\*thing\\*\\*" in text
    assert "> a \\*red\\* \\<b\\>circle" in text
    assert "#warm" in text
    assert f"shared by <@{anna.id}>" in text
    assert post["mentions"] == []
    assert len(pictures_of(post)) == 1
    assert button_labels(post) == ["Like", "Use this prompt", "Remix", "Report"]
    again = await told(anna, await anna.press(card, "Share"))
    assert again.endswith(post["id"])
    assert again.startswith("It is shared already: ")

    assert await told(anna, await anna.press(post, "Like")) == "This is yours; likes come from others."
    await bruno.press(post, "Like")
    post = await bruno.message(lambda m: m["id"] == post["id"] and labels(m) == ["1 like"])
    assert len(pictures_of(post)) == 1
    assert post["components"][0]["components"][1]["items"][0]["media"]["url"] == pictures_of(post)[0]["url"]
    await bruno.press(post, "1 like")
    post = await bruno.message(lambda m: m["id"] == post["id"] and labels(m) == ["Like"])

    line = await told(bruno, await bruno.press(post, "Use this prompt"))
    assert "/imagine prompt:a *red* <b>circle</b>" in line
    form = await bruno.press(post, "Remix")
    remix = await result(bruno, await bruno.submit(form, {"Prompt": "a blue circle"}))
    assert (await shares(bruno, remix)).startswith("It is in the gallery: ")
    child = await in_gallery(anna, place, "a blue circle", "remixed from")
    assert f"remixed from <@{anna.id}>: [this one](https://discord.com/channels/" in text_of(child)
    assert f"/{place}/{post['id']})" in text_of(child)

    link = f"https://discord.com/channels/{anna.guild['id']}/{place}/{child['id']}"
    tree = await told(anna, await anna.command("lineage", {"message": link}))
    first, second = tree.splitlines()[1:]
    assert "red" in first
    assert f"/{post['id']})" in first
    assert "**▸** a blue circle" in second
    assert "no link" in await told(anna, await anna.command("lineage", {"message": "https://a.b/c"}))

    found = await page(bruno, await bruno.command("gallery search", {"words": 'RED "circ* ('}))
    assert "Round" in text_of(found)
    assert "a blue circle" not in text_of(found)
    assert is_ephemeral(found)
    assert {each["value"] for each in await bruno.autocomplete("gallery top", "tag", "wa")} == {"warm"}
    tagged = await page(bruno, await bruno.command("gallery top", {"tag": "WARM", "when": "week"}))
    assert "Round" in text_of(tagged)
    menu = next(part for part in components_of(found) if part.get("custom_id") == "gallery:open")
    shown = await bruno.answer(await bruno.select(found, "gallery:open", [menu["options"][0]["value"]]))
    assert len(pictures_of(shown)) == 1
    alike = await page(bruno, await bruno.select(shown, MORE, ["alike"]))
    assert "a blue circle" in text_of(alike)

    form = await bruno.select(post, MORE, ["mine"])
    saved = await told(bruno, await bruno.submit(form, {"Prompt": "{prompt}, round"}))
    after = f"-# after a picture that <@{anna.id}> shared"
    assert saved == f"Saved `Round **thing**` as one of your styles.\n{after}"
    assert (await told(bruno, await bruno.command("styles show", {"name": "round **thing**"}))).endswith(
        after
    )
    styled = await draws(bruno, "a hat", style="Round **thing**")
    assert "a hat, round" in text_of(styled)

    await anna.press(await anna.answer(await anna.select(post, MORE, ["out"])), "Take it out")
    await bruno.until(lambda: post["id"] in bruno.deleted)
    assert "Round" not in text_of(await page(bruno, await bruno.command("gallery new")))
    child = await anna.message(lambda m: m["id"] == child["id"] and "remixed from" not in text_of(m))
    await bruno.press(remix, "Delete")
    await bruno.until(lambda: child["id"] in bruno.deleted)


async def test_what_is_reported_moderators_hide_keep_or_block(stage: Stage) -> None:
    anna, bruno, mina = stage.anna, stage.bruno, stage.mina
    place = await opened(stage)
    notices = mina.channel("notices")
    log, quiet = mina.channel("pictures"), mina.channel("after-hours")
    for about, channel in (("moderators", quiet), ("log", log)):
        await told(mina, await mina.command(f"server {about}", {"channel": channel}))
    first, second = [await draws(bruno, prompt) for prompt in ("a rude sign", "a fine sign")]
    await shares(bruno, first)
    await shares(bruno, second)
    rude, fine = [await in_gallery(anna, place, words) for words in ("a rude sign", "a fine sign")]
    assert await reports(anna, rude, " \n ") == "Say in a few words what is wrong with it."
    assert await reports(anna, rude, "**rude** <@1>") == "Thank you. Moderators will look at it."
    assert await reports(anna, rude, "again") == "You have reported it already; moderators know."
    notice = await mina.message(lambda m: m["channel_id"] == quiet and "**Reported** by" in text_of(m))
    assert "takes it out" in await reports(bruno, rude, "mine")
    await reports(anna, fine, "dull")

    shown = await mina.answer(await mina.command("moderate"))
    assert is_ephemeral(shown)
    assert "\\*\\*rude\\*\\* \\<\\@1\\>" in text_of(shown)
    assert "1 more waits" in text_of(shown)
    assert pictures_of(shown)[0]["filename"].startswith("SPOILER_")
    await mina.press(shown, "Hide")
    await mina.message(lambda m: m["id"] == notice["id"] and button_labels(m) == ["Show it again"])
    await anna.until(lambda: rude["id"] in anna.deleted)
    decided = await mina.message(lambda m: m["id"] == shown["id"] and "Hidden" in text_of(m))
    assert (decided["attachments"], button_labels(decided)) == ([], ["Show it again"])
    assert f"hid a picture of <@{bruno.id}>" in text_of(
        await mina.message(lambda m: m["channel_id"] != notices and "hid a picture" in text_of(m))
    )
    assert "a rude sign" not in text_of(await page(anna, await anna.command("gallery new")))
    assert "hidden by moderators" in text_of(await page(bruno, await bruno.command("gallery mine")))
    assert "cannot be shared again" in await told(bruno, await bruno.press(first, "Share"))

    other = await mina.answer(await mina.command("moderate"))
    assert "a fine sign" in text_of(other)
    await mina.press(other, "Keep")
    await mina.message(lambda m: m["id"] == other["id"] and "Kept" in text_of(m))
    assert "**Hidden** by <@" in await told(mina, await mina.command("server reports"))
    assert await told(mina, await mina.command("moderate")) == "Nothing is waiting for moderators."
    assert await told(anna, await anna.select(fine, MORE, ["out"])) == (
        "Only who shared this, or a moderator, can take it out of the gallery."
    )

    third = await draws(bruno, "a third sign")
    await reports_again(mina, anna, fine)
    last = await mina.answer(await mina.command("moderate"))
    await mina.press(last, "Hide and block the person")
    await anna.until(lambda: fine["id"] in anna.deleted)
    # The first was a matter of taste, and is shown again.
    nothing = await mina.answer(await mina.command("moderate"))
    assert text_of(nothing) == "Nothing is waiting for moderators."
    [hidden] = [part for part in components_of(nothing) if part.get("custom_id") == "moderate:hidden"]
    held = await mina.answer(await mina.select(nothing, "moderate:hidden", [hidden["options"][-1]["value"]]))
    assert "a rude sign" in text_of(held)
    assert "**Hidden** by <@" in text_of(held)
    assert pictures_of(held)[0]["filename"].startswith("SPOILER_")
    said = await told(mina, await mina.press(held, "Show it again"))
    assert said.startswith("It is in the gallery again: https://discord.com/channels/")
    again = [m["id"] for m in await anna.messages(place) if "a rude sign" in text_of(m)]
    assert again == [said.rpartition("/")[2]]
    assert await told(mina, await mina.press(decided, "Show it again")) == "It is in the gallery already."
    await mina.message(lambda m: m["id"] == decided["id"] and "Shown again" in text_of(m))
    await mina.message(lambda m: f"brought back a picture of <@{bruno.id}>" in text_of(m))
    assert "a rude sign" in text_of(await page(anna, await anna.command("gallery new")))
    assert "cannot take part in its gallery" in await told(bruno, await bruno.press(third, "Share"))
    await told(mina, await mina.command("server people unblock", {"person": bruno.id}))
    await told(mina, await mina.command("server words ban", {"words": "third, tagged"}))
    assert "“third”" in await shares(bruno, third)
    other = await draws(bruno, "a fourth sign")
    assert "“tagged” in titles and tags" in await shares(bruno, other, tags="t-a-g-g-e-d")
    await shares(bruno, other)
    fourth = await in_gallery(mina, place, "a fourth sign")
    await mina.press(await mina.answer(await mina.select(fourth, MORE, ["out"])), "Take it out")
    await mina.message(lambda m: f"took a picture of <@{bruno.id}> out of the gallery" in text_of(m))
    # The message that was there before anybody decided says so by itself.
    notice = await mina.message(lambda m: m["id"] == notice["id"] and "Shown again" in text_of(m))
    assert button_labels(notice) == []
    # Whose it was may delete it, and what was decided is known still.
    await bruno.press(first, "Delete")
    await bruno.until(lambda: first["id"] in bruno.deleted)
    lines = (await told(mina, await mina.command("server reports"))).splitlines()
    assert [line.split(" by ")[0] for line in lines] == [
        "**Taken out of the gallery**",
        "**Shown again**",
        "**Hidden**",
        "**Kept**",
        "**Hidden**",
    ]
    assert all(f"a picture of <@{bruno.id}>" in line for line in lines)
    columns = "server, post, person, decision, decided_by, decided_at"
    change(
        stage, f"INSERT INTO decisions ({columns}) SELECT {columns} FROM decisions, json_each('[1, 2, 3]')"
    )
    newest = (await told(mina, await mina.command("server reports"))).splitlines()
    assert (len(newest), newest[-1]) == (16, "-# These are the newest 15; older ones are not listed.")
    private = await draws(bruno, "a fifth sign", private=True)
    assert "Share" not in button_labels(private)


async def test_of_two_reports_at_once_moderators_are_shown_one(stage: Stage) -> None:
    anna, bruno, mina, place = stage.anna, stage.bruno, stage.mina, await opened(stage)
    await told(mina, await mina.command("server moderators", {"channel": mina.channel("pictures")}))
    await shares(anna, await draws(anna, "a doubtful sign"))
    post = await in_gallery(anna, place, "a doubtful sign")
    form, other = await bruno.press(post, "Report"), await mina.press(post, "Report")
    reason = {"What is wrong with it": "rude"}
    one, two = await asyncio.gather(bruno.submit(form, reason), mina.submit(other, reason))
    assert await told(bruno, one) == await told(mina, two) == "Thank you. Moderators will look at it."
    shown = await mina.message(lambda m: m["channel_id"] != place and "**Reported** by" in text_of(m))

    await anna.press(await anna.answer(await anna.select(post, MORE, ["out"])), "Take it out")
    gone = await mina.message(lambda m: m["id"] == shown["id"] and "**Gone** before" in text_of(m))
    assert (gone["attachments"], button_labels(gone)) == ([], ["Block the person"])
    said = await told(mina, await mina.press(gone, "Block the person"))
    assert said.startswith(f"<@{anna.id}> is blocked in this server")
    await mina.message(lambda m: m["id"] == shown["id"] and button_labels(m) == [])
    await told(mina, await mina.command("server people unblock", {"person": anna.id}))

    await shares(bruno, await draws(bruno, "another sign"))
    await reports(mina, await in_gallery(mina, place, "another sign"), "rude")
    shown = await mina.message(lambda m: "**Reported** by" in text_of(m))
    asked = await bruno.answer(await bruno.command("privacy forget"))
    await bruno.press(asked, "Forget it all")
    gone = await mina.message(lambda m: m["id"] == shown["id"] and "**Gone** before" in text_of(m))
    assert (gone["attachments"], button_labels(gone)) == ([], [])


async def test_no_report_has_a_moderator_blocked(stage: Stage) -> None:
    mina, place = stage.mina, await opened(stage)
    hellos = [m for m in await mina.messages(place) if "will be shown here" in text_of(m)]
    assert await opened(stage) == place  # that is no news
    assert [m for m in await mina.messages(place) if "will be shown here" in text_of(m)] == hellos
    assert hellos
    await shares(stage.anna, await draws(stage.anna, "a sign of Anna's"))
    await reports(stage.bruno, post := await in_gallery(stage.bruno, place, "a sign of Anna"), "rude")
    shown = await mina.answer(await mina.command("moderate"))
    own = {"id": stage.anna.id, "type": 1, "allow": str(int(Permission.MANAGE_MESSAGES))}
    await mina.manage(place, permission_overwrites=[own])
    said = await told(mina, await mina.press(shown, "Hide and block the person"))
    assert said == f"<@{stage.anna.id}> moderates here, and cannot be blocked by a report."
    assert post["id"] not in stage.bruno.deleted
    await mina.press(shown, "Keep")
    await mina.manage(place, permission_overwrites=[])


async def test_of_several_pictures_the_one_that_is_shared_is_remixed(stage: Stage) -> None:
    anna, bruno, place = stage.anna, stage.bruno, await opened(stage)
    card = await draws(anna, "{one|two} {pine|oak}", count=4, seed=5)
    posts = []
    for number in (0, 2):
        shared = await anna.submit(await anna.press(card, "Share"), {"Which of them": str(number)})
        said = await told(anna, shared)
        posts.append(next(post for post in await anna.messages(place) if post["id"] in said))
    form = await bruno.press(posts[1], "Remix")
    assert form.modal is not None
    filled = [part["component"].get("value") for part in form.modal["components"]]
    assert (f"> {filled[0]}\n" in text_of(posts[1]), filled[-1]) == (True, "7")
    remix = await result(bruno, await bruno.submit(form, {"Seed": ""}))
    assert len(pictures_of(remix)) == 1
    await shares(bruno, remix, title="one of four")
    assert f"/{place}/{posts[1]['id']})" in text_of(await in_gallery(bruno, place, "one of four"))


async def test_of_a_gallery_that_somebody_cannot_see_lineage_tells_them_nothing(stage: Stage) -> None:
    place, world = stage.mina.channel("moderators"), stage.playground.world
    room = world.channels[Snowflake(int(place))]
    let_in = Overwrite(target=world.bot.id, role=False, allow=int(Permission.VIEW_CHANNEL))
    world.channels[room.id] = replace(room, overwrites=(*room.overwrites, let_in))
    await told(stage.mina, await stage.mina.command("server gallery", {"channel": place}))
    asked = await asks(stage.mina, "a secret plan", channel_id=place)
    await shares(stage.mina, await stage.mina.answer(asked, lambda m: "Share" in button_labels(m)))
    post = await stage.mina.message(lambda m: m["channel_id"] == place and "shared by" in text_of(m))
    link = {"message": f"https://discord.com/channels/{stage.mina.guild['id']}/{place}/{post['id']}"}
    assert "secret plan" in await told(stage.mina, await stage.mina.command("lineage", link))
    assert "secret" not in await told(stage.bruno, await stage.bruno.command("lineage", link))


async def test_who_cannot_see_the_gallery_finds_nothing_in_it(stage: Stage) -> None:
    anna, bruno, mina, place = stage.anna, stage.bruno, stage.mina, await opened(stage)
    await shares(anna, await draws(anna, "a hidden treasure"), tags="treasure")
    found = await page(bruno, await bruno.command("gallery new"))
    assert "a hidden treasure" in text_of(found)
    assert await bruno.autocomplete("gallery top", "tag", "trea")
    card = await draws(bruno, "something for all to see")
    [listed] = [part for part in components_of(found) if part.get("custom_id") == "gallery:open"]
    private = await bruno.answer(
        await bruno.select(found, "gallery:open", [listed["options"][0]["value"]]), pictures_of
    )

    view = str(int(Permission.VIEW_CHANNEL))
    everybody = {"id": stage.mina.guild["id"], "type": 0, "deny": view}
    ours = {"id": str(stage.playground.world.bot.id), "type": 1, "allow": view}
    await mina.manage(place, permission_overwrites=[everybody, ours])
    refused = "You cannot see the channel in which this server's gallery is."
    for name in ("top", "new", "mine", "random"):
        assert await told(bruno, await bruno.command(f"gallery {name}")) == refused
    for pressed, button in ((card, "Share"), (private, "Like"), (private, "Use this prompt")):
        assert await told(bruno, await bruno.press(pressed, button)) == refused
    search = await bruno.command("gallery search", {"words": "treasure"})
    assert await told(bruno, search) == refused
    assert await bruno.autocomplete("gallery top", "tag", "trea") == []
    for name in ("gallery:sort", "gallery:open"):
        part = next(part for part in components_of(found) if part.get("custom_id") == name)
        assert await told(bruno, await bruno.select(found, name, [part["options"][0]["value"]])) == refused
    assert "a hidden treasure" in text_of(await page(mina, await mina.command("gallery new")))
    await mina.manage(place, permission_overwrites=[])
    assert "a hidden treasure" in text_of(await page(bruno, await bruno.command("gallery new")))
    chance = text_of(await page(bruno, await bruno.command("gallery random", {"tag": "treasure"})))
    assert "By chance" in chance
    assert "a hidden treasure" in chance


async def reports(person: Person, post: Json, reason: str) -> str:
    form = await person.press(post, "Report")
    return await told(person, await person.submit(form, {"What is wrong with it": reason}))


async def reports_again(person: Person, other: Person, post: Json) -> None:
    assert await reports(person, post, "still there") == "Thank you. Moderators will look at it."


async def test_after_a_crash_nothing_is_doubled_or_lost_and_pages_can_be_leafed_through(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path) as stage:
        anna, bruno = stage.anna, stage.bruno
        place = await opened(stage)
        many = await draws(anna, "{leaf|leaf} 1", count=4)
        for number in range(4):
            form = await anna.press(many, "Share")
            shared = await anna.submit(form, {"Which of them": str(number), "Tags": "leaves"})
            assert "It is in the gallery" in await told(anna, shared)
        await shares(anna, await draws(anna, "oldest of a page"), tags="leaves")
        words = "leaf “%20” ☂️ 𝔏"
        nothing = await page(anna, await anna.command("gallery search", {"words": words}))
        assert "Nothing was found." in text_of(nothing)
        # It is taken, but the bot only hears of an error, and dies before it looks.
        path = f"/channels/{place}/messages"
        stage.playground.faults.add(Fault(method="POST", path=path, status=503, after=True, times=1))
        await anna.submit(await anna.press(await draws(anna, "the last"), "Share"), {"Tags": "leaves"})
        post = await in_gallery(bruno, place, "the last")
        newest = await page(anna, await anna.command("gallery new", {"tag": "leaves", "when": "month"}))
        assert "Picture" not in text_of(newest)
        await shares(anna, await draws(anna, "an old one"))
        old = await in_gallery(bruno, place, "> an old one")
        form = await bruno.press(old, "Remix")
        await shares(bruno, await result(bruno, await bruno.submit(form, {"Prompt": "a young one"})))
        young = await in_gallery(anna, place, "> a young one", "remixed from")
        await told(stage.mina, await stage.mina.command("server retention", {"days": 1}))
        await stage.bot.kill()
        change(stage, "UPDATE jobs SET settled_at = settled_at - 100000 WHERE prompt = 'an old one'")
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR)  # the nonce is forgotten
        change(stage, "UPDATE posts SET channel_id = NULL, message_id = NULL WHERE prompt = 'the last'")
        # As if it had died between a like and saying so, and before it posted the board of the week.
        liked = "SELECT id FROM posts WHERE prompt = 'the last'"
        change(stage, f"INSERT INTO likes VALUES (({liked}), {bruno.id}, 0)")
        change(stage, "UPDATE posts SET shared_at = shared_at - 604800, day = day - 7")
        week = week_of(time.time()) - 1
        change(
            stage,
            "INSERT INTO boards (server, week, claimed_at, posts) "
            f"SELECT server, {week}, 0, json_array(({liked})) FROM galleries",
        )
        await stage.bot.start()
        board = await in_gallery(bruno, place, "The best of the week")
        assert "**1.** the last" in text_of(board)
        assert "**2.**" not in text_of(board)
        await bruno.message(lambda m: m["id"] == post["id"] and labels(m) == ["1 like"])
        assert len([m for m in await anna.messages(place) if "> the last" in text_of(m)]) == 1
        # What its server keeps no longer has left the gallery, and what came of it names nobody.
        await anna.message(lambda m: m["id"] == young["id"] and "remixed" not in text_of(m))
        await anna.until(lambda: old["id"] in anna.deleted)
        await anna.press(newest, "Further")
        second = await anna.message(lambda m: m["id"] == newest["id"] and "the last" not in text_of(m))
        assert "#leaves · of a month" in text_of(second)
        menu = next(part for part in components_of(nothing) if part.get("custom_id") == "gallery:sort")
        await anna.select(nothing, "gallery:sort", [menu["options"][0]["value"]])
        again = await anna.message(lambda m: m["id"] == nothing["id"] and "of a day" in text_of(m))
        assert words in text_of(again)

        assert is_ephemeral(await bruno.answer(await bruno.press(board, "What is liked now")))
