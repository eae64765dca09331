"""Where somebody brought the bot along, and it may not post itself; in threads, forums, and for adults."""

from __future__ import annotations

import asyncio
import io
import time
import zipfile
from pathlib import Path

import pytest

from bot.rounds import TAKING_LEAVE
from playground.faults import Fault
from playground.nouns import Json, Snowflake
from playground.person import Person, RefusedError
from playground.reading import button_labels, is_ephemeral, pictures_of, text_of
from tests.journeys.kept import change
from tests.journeys.stage import Stage, asks, draws, own_message, result, running, says, staged, told
from tests.journeys.test_endurance import QUARTER_OF_AN_HOUR, finished_cards, until_logged
from tests.journeys.test_sharing import MORE, in_gallery, labels, shares

pytestmark = pytest.mark.asyncio(loop_scope="module")

MUCH_LATER = QUARTER_OF_AN_HOUR + 60


async def late_one(person: Person, prompt: str) -> Json:
    """The message of the bot's own that brings this person pictures of this prompt."""
    late = await person.until(lambda: own_message(person, prompt))
    assert pictures_of(late)
    return late


async def history(person: Person, channel_id: str) -> Json:
    return await person.answer(await person.command("history", channel_id=channel_id), pictures_of)


async def begins(person: Person, channel_id: str, name: str, kind: int = 11) -> str:
    thread = await person.request("POST", f"/channels/{channel_id}/threads", {"name": name, "type": kind})
    return str(thread["id"])


# Brought along --------------------------------------------------------------------------------------------


async def test_where_the_bot_was_brought_along_it_draws_and_its_buttons_work(stage: Stage) -> None:
    anna, bruno, mina = stage.anna, stage.bruno, stage.mina  # who moderates another server is nobody here
    lobby = anna.channel("lobby")
    names = {command["name"] for command in await anna.commands(lobby)}
    assert {"imagine", "history", "settings", "upscale", "Remix this"} <= names
    assert not names & {"server", "gallery", "moderate", "lineage"}

    with stage.bot.holding():
        asked = await asks(anna, "held among neighbours", channel_id=lobby)
        card = await running(anna, asked)
        assert "only the person who asked" in (await told(mina, await mina.press(card, "Cancel"))).lower()
    card = await result(anna, asked)
    assert card["channel_id"] == lobby
    assert not is_ephemeral(card)
    assert button_labels(card)[:4] == [
        "Reroll",
        "Edit",
        "Settings",
        "Delete",
    ]  # there is no gallery to share to
    seen = await bruno.message(lambda message: message["id"] == card["id"] and pictures_of(message))
    again = await bruno.press(seen, "Reroll")  # who has not added the app may press, too
    assert "among neighbours" in text_of(await result(bruno, again))
    assert "Settings" in await told(bruno, await bruno.press(seen, "Settings"))
    form = await anna.press(card, "Edit")
    edited = await result(anna, await anna.submit(form, {"Prompt": "a red circle"}))
    assert "> a red circle" in text_of(edited)
    with stage.bot.holding():
        waits = await asks(anna, "held and unwanted", channel_id=lobby)
        await anna.press(await running(anna, waits), "Cancel")
        await anna.answer(waits, says("Cancelled"))
    await anna.press(card, "Delete")
    await anna.until(lambda: card["id"] in anna.deleted)


async def test_where_it_may_not_post_a_late_picture_is_a_direct_message(stage: Stage) -> None:
    anna = stage.anna
    with stage.bot.holding():
        await running(anna, await asks(anna, "held far away", channel_id=anna.channel("lobby")))
        stage.playground.clock.advance(MUCH_LATER)
    late = await late_one(anna, "held far away")
    assert late["channel_id"] == await anna.direct_messages()
    again = await anna.press(late, "Reroll")
    assert pictures_of(await result(anna, again))


async def test_whoever_takes_no_messages_finds_a_late_picture_in_the_history(stage: Stage) -> None:
    anna = stage.anna
    lobby, world = anna.channel("lobby"), stage.playground.world
    with stage.bot.holding():
        await running(anna, await asks(anna, "held and out of reach", channel_id=lobby))
        world.closed_to_messages.add(world.people[0].id)
        stage.playground.clock.advance(MUCH_LATER)
    await until_logged(stage, "not delivered: neither the channel nor a direct message takes it")
    page = await history(anna, lobby)
    world.closed_to_messages.clear()
    assert "held and out of reach" in text_of(page)
    assert is_ephemeral(page)


async def test_a_crash_loses_nothing_where_it_was_brought_along(stage: Stage) -> None:
    mina = stage.mina
    with stage.bot.holding():
        await running(mina, await asks(mina, "held survivor", channel_id=mina.channel("lobby")))
        await stage.bot.kill()
    stage.playground.clock.advance(MUCH_LATER)
    await stage.bot.start()
    late = await late_one(mina, "held survivor")
    assert late["channel_id"] == await mina.direct_messages()
    assert len(await finished_cards(mina, "held survivor", late["channel_id"])) == 1


async def test_before_its_token_dies_a_card_says_where_the_picture_will_come(stage: Stage) -> None:
    anna, bruno = stage.anna, stage.bruno
    with stage.bot.holding():
        away = await asks(anna, "held away", channel_id=anna.channel("lobby"))
        here = await asks(bruno, "held here")
        await running(anna, away)
        await bruno.answer(here, says("next"))
        await stage.bot.kill()
        soon = time.time() + TAKING_LEAVE + 3  # the bot believes so; in truth they live longer
        change(stage, f"UPDATE deliveries SET token_expires_at = {soon} WHERE state = 'open'")
        await stage.bot.start()
        card = await anna.answer(away, says("Still on it", "direct message", "/history"))
        other = await bruno.answer(here, says("Still on it", "a new one"))
        await asyncio.gather(anna.press(card, "Cancel"), bruno.press(other, "Cancel"))
        await anna.answer(away, says("Cancelled"))
        await bruno.answer(here, says("Cancelled"))


async def test_where_apps_are_quiet_all_of_it_works_for_who_asked_alone(stage: Stage) -> None:
    anna = stage.anna
    library = anna.channel("library")
    asked = await asks(anna, "held and hushed", channel_id=library)
    card = await result(anna, asked)
    assert is_ephemeral(card)
    assert "only for you" in text_of(card)
    with stage.bot.holding():
        card = await running(anna, await anna.press(card, "Reroll"))
        assert is_ephemeral(card)
        # Discord puts such messages away by itself: nobody has deleted a picture by that.
        world = stage.playground.world
        world.delete(world.messages[Snowflake(int(card["id"]))])
    late = await late_one(anna, "held and hushed")
    assert late["channel_id"] == await anna.direct_messages()


async def test_in_a_conversation_of_several_it_draws_too(stage: Stage) -> None:
    anna, bruno = stage.anna, stage.bruno
    body = {"recipients": [bruno.id, stage.mina.id]}
    group = (await anna.request("POST", "/users/@me/channels", body))["id"]
    with stage.bot.holding():
        card = await running(anna, await asks(anna, "held in company", channel_id=group))
        assert not is_ephemeral(card)
        stage.playground.clock.advance(MUCH_LATER)
    late = await late_one(anna, "held in company")
    assert late["channel_id"] == await anna.direct_messages()
    card = await result(anna, await asks(anna, "in company", channel_id=group, private=True))
    assert is_ephemeral(card)


async def test_an_export_is_as_many_messages_as_it_needs_and_may_have(stage: Stage) -> None:
    mina, world = stage.mina, stage.playground.world
    usual, world.file_limit = world.file_limit, 11_000
    try:
        await asyncio.gather(*(draws(mina, "to be sent", count=4) for _ in range(6)))
        parts = await exported(mina, mina.channel_id)
        assert all(part["attachments"][0]["size"] <= 11_000 for part in parts)
        assert "That is all." in text_of(parts[-1])
        assert len(parts) > 5
        names = [name for part in parts for name in await names_in(mina, part)]
        assert len(names) == len(set(names))
        assert "requests.json" in names
        pictures = [name for name in names if name.startswith("pictures/")]
        assert len(pictures) >= 24
        # Where somebody brought the bot along, Discord takes five messages besides the first.
        group = await mina.request(
            "POST", "/users/@me/channels", {"recipients": [stage.anna.id, stage.bruno.id]}
        )
        for place in (mina.channel("lobby"), group["id"]):
            parts = await exported(mina, place)
            assert "did not fit into messages of Discord" in text_of(parts[-1])
            assert len([part for part in parts if part["attachments"]]) == 4
    finally:
        world.file_limit = usual


async def exported(person: Person, channel_id: str) -> list[Json]:
    """What /privacy export sends there, in its order."""
    ends = ("That is all.", "did not fit", "already")

    def has_ended(message: Json) -> bool:
        return any(words in text_of(message) for words in ends)

    asked = await person.command("privacy export", channel_id=channel_id)
    while "already" in text_of(await person.answer(asked, has_ended)):  # the one before is only just there
        asked = await person.command("privacy export", channel_id=channel_id)
    sent = [m for m in person.seen.values() if m.get("interaction_metadata", {}).get("id") == asked.id]
    return sorted(sent, key=lambda message: int(message["id"]))


async def names_in(person: Person, part: Json) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(await person.fetch(part["attachments"][0]))) as parcel:
        return parcel.namelist()


# Threads and forums ---------------------------------------------------------------------------------------


async def test_it_draws_in_threads_and_comes_back_into_archived_ones(stage: Stage) -> None:
    anna, mina = stage.anna, stage.mina
    pictures = anna.channel("pictures")
    thread = await begins(anna, pictures, "an aside")
    card = await result(anna, await asks(anna, "in a thread", channel_id=thread))
    assert card["channel_id"] == thread
    assert pictures_of(await result(anna, await anna.press(card, "Reroll")))

    first = await result(anna, await asks(anna, "of which people talk", channel_id=pictures))
    path = f"/channels/{pictures}/messages/{first['id']}/threads"
    aside = str((await anna.request("POST", path, {"name": "below it"}))["id"])
    assert aside == first["id"]
    card = await result(anna, await asks(anna, "in the talk", channel_id=aside))
    await anna.press(first, "Delete")  # what people said below it stays
    await anna.until(lambda: first["id"] in anna.deleted)
    assert pictures_of(await result(anna, await anna.press(card, "Reroll")))

    with stage.bot.holding():
        await running(anna, await asks(anna, "held in a thread", channel_id=thread))
        await anna.request("PATCH", f"/channels/{thread}", {"archived": True})
        stage.playground.clock.advance(MUCH_LATER)
    found = await late_one(anna, "held in a thread")
    assert found["channel_id"] == thread

    with stage.bot.holding():
        card = await running(anna, await asks(anna, "held and asleep", channel_id=thread))
        await anna.request("PATCH", f"/channels/{thread}", {"archived": True})
    found = await late_one(anna, "held and asleep")  # an edit would not wake it
    assert found["channel_id"] == thread
    await anna.until(lambda: card["id"] in anna.deleted)

    with stage.bot.holding():
        await running(anna, await asks(anna, "held and locked out", channel_id=thread))
        await mina.request("PATCH", f"/channels/{thread}", {"archived": True, "locked": True})
    found = await late_one(anna, "held and locked out")
    assert found["channel_id"] == await anna.direct_messages()


async def test_what_was_asked_in_a_private_thread_is_told_in_it_and_to_who_manages_threads(
    stage: Stage,
) -> None:
    anna, bruno, mina = stage.anna, stage.bruno, stage.mina
    thread = await begins(anna, anna.channel("pictures"), "between us", kind=12)
    members = f"/channels/{thread}/thread-members"
    with pytest.raises(RefusedError, match="50001"):
        await bruno.request("PUT", f"{members}/{bruno.id}")
    await anna.request("PUT", f"{members}/{stage.playground.world.bot.id}")
    card = await result(anna, await asks(anna, "a gift for Bruno", channel_id=thread))
    link = {"message": f"https://discord.com/channels/{anna.guild['id']}/{thread}/{card['id']}"}
    assert "gift" not in await told(bruno, await bruno.command("lineage", link))
    assert "gift" in await told(mina, await mina.command("lineage", link))
    said = await told(mina, await mina.command("server moderators", {"channel": thread}))
    assert f"<#{thread}>" in said
    assert "Everybody in this server can see" not in said
    await told(mina, await mina.command("server moderators"))
    await anna.request("PUT", f"{members}/{bruno.id}")
    assert "gift" in await told(bruno, await bruno.command("lineage", link, channel_id=thread))


async def test_the_rules_of_a_channel_hold_in_its_threads(stage: Stage) -> None:
    anna, mina = stage.anna, stage.mina
    showcase = anna.channel("showcase")
    thread = await begins(anna, showcase, "seen from here")
    elsewhere = await begins(anna, anna.channel("pictures"), "seen from there")
    await told(mina, await mina.command("server channels allow", {"channel": showcase}))
    assert pictures_of(await result(anna, await asks(anna, "here", channel_id=thread)))
    said = await told(anna, await asks(anna, "there", channel_id=elsewhere))
    assert said == f"In this server I draw somewhere else: <#{showcase}>."
    await told(mina, await mina.command("server channels everywhere"))


async def test_a_gallery_can_be_a_forum(stage: Stage) -> None:
    anna, bruno, mina = stage.anna, stage.bruno, stage.mina
    forum = anna.channel("exhibition")
    said = await told(mina, await mina.command("server gallery", {"channel": forum}))
    assert f"<#{forum}>" in said
    card = await result(anna, await asks(anna, "a red circle in a forum"))
    said = await shares(anna, card, title="Round")
    assert said.startswith("It is in the gallery: ")
    number = said.split("/")[-1].split(".")[0].strip(")")
    world = stage.playground.world
    (thread,) = [each for each in world.channels.values() if each.parent == int(forum)]
    assert (thread.name, str(thread.id)) == ("Round", number)
    post = await in_gallery(bruno, str(thread.id), "Round")

    await bruno.press(post, "Like")
    await bruno.message(lambda m: m["id"] == post["id"] and labels(m) == ["1 like"])
    # What is liked while nobody looks into its post is told there nevertheless.
    stage.playground.faults.add(Fault(method="PATCH", path="/channels/*/messages/*", status=503, times=1))
    seen = await mina.message(lambda m: m["id"] == post["id"] and labels(m) == ["1 like"])
    await mina.press(seen, "1 like")
    await mina.request("PATCH", f"/channels/{thread.id}", {"archived": True})
    await mina.message(lambda m: m["id"] == post["id"] and labels(m) == ["2 likes"])

    await anna.press(await anna.answer(await anna.select(post, MORE, ["out"])), "Take it out")
    await anna.until(lambda: post["id"] in anna.deleted)


# Adults ---------------------------------------------------------------------------------------------------


async def test_a_model_for_adults_draws_where_only_they_are_and_in_threads_of_that(tmp_path: Path) -> None:
    models = ("Tame", "fake:noise"), ("Wild", "fake:wild")
    told_so = [f'[[model]]\nname = "{name}"\nsource = "{source}"\n' for name, source in models]
    (tmp_path / "models.toml").write_text("".join(told_so))
    async with staged(tmp_path) as stage:
        anna, mina = stage.anna, stage.mina
        adults = anna.channel("after-hours")
        await told(mina, await mina.command("server models adults", {"model": "Wild"}))
        said = await told(anna, await asks(anna, "a red circle", model="Wild"))
        assert "age-restricted" in said
        assert "Wild" in text_of(
            await result(anna, await asks(anna, "a circle", model="Wild", channel_id=adults))
        )
        thread = await begins(anna, adults, "later")
        asked = await asks(anna, "a circle", model="Wild", channel_id=thread)
        assert "Wild" in text_of(await result(anna, asked))
        # Where nobody decided anything, the owner's models draw.
        asked = await asks(anna, "a circle", model="Wild", channel_id=anna.channel("lobby"))
        assert "Wild" in text_of(await result(anna, asked))
