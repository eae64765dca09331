"""The safety check, as each server wants it; the noise engine flags a picture whose prompt has that word."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from playground.faults import Fault
from playground.nouns import Json, Overwrite, Snowflake
from playground.permissions import Permission
from playground.person import Person
from playground.reading import (
    button_labels,
    components_of,
    is_ephemeral,
    is_loading,
    pictures_of,
    text_of,
)
from tests.journeys.kept import change, rows, until
from tests.journeys.stage import Stage, asks, draws, own_message, result, says, staged, told
from tests.journeys.test_endurance import QUARTER_OF_AN_HOUR, finished_cards

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("bot"), SAFETY="hold") as stage:
        yield stage


async def decides(person: Person, command: str, **options: Any) -> str:
    return (await told(person, await person.command(f"server {command}", options))).replace("\\", "")


async def private(person: Person, asked: Any) -> Json:
    return await person.answer(asked, lambda m: is_ephemeral(m) and not is_loading(m))


async def held(person: Person, prompt: str, **options: Any) -> Json:
    """The card of a request that waits for a moderator."""
    return await person.answer(await asks(person, prompt, **options), says("Waiting for a moderator"))


def galleries(card: Json) -> list[Json]:
    return [item for part in components_of(card) if part["type"] == 12 for item in part["items"]]


def at(place: str, words: str) -> Callable[[Json], bool]:
    return lambda message: message["channel_id"] == place and words in text_of(message)


async def test_only_who_manages_the_server_decides_and_sees_what_is_decided(stage: Stage) -> None:
    offered = {command["name"] for command in await stage.anna.commands()}
    assert "imagine" in offered
    assert not offered & {"server", "moderate"}
    said = text_of(await private(stage.mina, await stage.mina.command("server show", {})))
    assert (
        "**Flagged pictures** hold: held until a moderator lets it pass, as the owner of the bot has it.\n"
    ) in said
    assert "**Moderators** see what waits for them with `/moderate`.\n" in said
    said = await decides(stage.mina, "safety", flagged="spoiler")
    assert said.startswith("**Flagged pictures** spoiler: hidden behind a spoiler.\n")
    said = await decides(stage.mina, "moderators", channel=stage.mina.channel("moderators"))
    assert said.startswith("I may not write in <#")
    assert "<#" not in await decides(stage.mina, "show")


async def test_what_is_flagged_hides_behind_a_spoiler_and_what_is_clean_does_not(stage: Stage) -> None:
    await decides(stage.mina, "safety", flagged="spoiler")
    card = await draws(stage.anna, "flag of a red circle")
    [file], [item] = pictures_of(card), galleries(card)
    assert file["filename"].startswith("SPOILER_atelier-")
    assert (item["spoiler"], item["description"]) == (True, "flag of a red circle")
    assert "hidden behind a spoiler where the safety check flags it" in text_of(card)
    unsure = await draws(stage.anna, "unchecked")
    assert pictures_of(unsure)[0]["filename"].startswith("SPOILER_")
    assert "where it could not be checked" in text_of(unsure)

    # Also where it is shown again, and to one person alone.
    several = await draws(stage.anna, "a flag", count=2)
    asked = await stage.bruno.select(several, "More: go on from one of them, save as a style…", ["Picture 2"])
    assert galleries(await private(stage.bruno, asked))[0]["spoiler"]

    clean = await draws(stage.anna, "a red circle")
    assert not pictures_of(clean)[0]["filename"].startswith("SPOILER_")
    assert not galleries(clean)[0]["spoiler"]
    assert "spoiler" not in text_of(clean)


async def test_what_is_held_is_seen_by_nobody_before_a_moderator_lets_it_pass(stage: Stage) -> None:
    await decides(stage.mina, "safety", flagged="hold")
    place, closed = stage.mina.channel("showcase"), stage.mina.channel("moderators")
    world = stage.playground.world
    room = world.channels[Snowflake(int(closed))]
    let_in = Overwrite(target=world.bot.id, role=False, allow=int(Permission.VIEW_CHANNEL))
    world.channels[room.id] = replace(room, overwrites=(*room.overwrites, let_in))
    said = await decides(stage.mina, "moderators", channel=closed)
    assert "**Moderators** see what waits for them in <#" in said
    assert "Everybody" not in said
    asked = await asks(stage.anna, "flag", count=2)
    card = await stage.anna.answer(asked, says("Waiting for a moderator"))
    assert not card["attachments"]
    assert button_labels(card) == ["Review", "Settings", "Delete"]
    said = await told(stage.bruno, await stage.bruno.press(card, "Review"))
    assert said == "Only moderators, who may manage messages here, can look at it and decide."
    other = await held(stage.bruno, "another flag")
    # What waits already is shown where moderators look from now on, and there only.
    before = [await stage.mina.message(at(closed, quote)) for quote in ("> flag\n", "> another flag\n")]
    said = await decides(stage.mina, "moderators", channel=place)
    assert "Everybody in this server can see that channel" in said
    for quote in ("> flag\n", "> another flag\n"):
        await stage.mina.message(at(place, quote))
    for message in before:
        await stage.mina.until(partial(stage.mina.deleted.__contains__, message["id"]))

    # After a restart as before it, from the card, from the list and in the channel.
    assert await stage.bot.stop() == 0
    # As if it had been killed between showing them and noting that.
    change(stage, "UPDATE reviews SET channel_id = NULL, message_id = NULL")
    await stage.bot.start()
    await until(lambda: not rows(stage, "SELECT 1 FROM reviews WHERE message_id IS NULL"))
    there = [m for m in await stage.mina.messages(place) if "Waiting for you" in text_of(m)]
    assert len(there) == 2
    assert all(item["spoiler"] for message in there for item in galleries(message))
    shown = await private(stage.mina, await stage.mina.press(card, "Review"))
    assert len(pictures_of(shown)) == 2
    assert all(item["spoiler"] for item in galleries(shown))
    assert "The safety check flags pictures 1 and 2." in text_of(shown)
    first = await private(stage.mina, await stage.mina.command("moderate", {}))
    assert "1 more waits" in text_of(first)
    # Discord may be out of reach when the moderators' message is to say so.
    stage.playground.faults.add(Fault(method="PATCH", path="/channels/*/messages/*", status=503))
    await stage.mina.press(shown, "Let it pass")
    assert "Let pass" in text_of(
        await stage.mina.message(lambda m: m["id"] == shown["id"] and says("Let pass")(m))
    )
    done = await result(stage.anna, asked)
    assert done["id"] == card["id"]
    assert len(pictures_of(done)) == 2
    assert not any(item["spoiler"] for item in galleries(done))
    assert "a moderator has let it pass" in text_of(done)
    decided = await stage.mina.message(at(place, "Let pass"))
    assert not decided["attachments"]
    assert button_labels(decided) == []

    # Whoever comes second is told, and changes nothing.
    said = await told(stage.mina, await stage.mina.press(first, "Reject"))
    assert said.endswith("has let it pass already.")
    assert len(await finished_cards(stage.anna, "flag")) == 1

    second = await private(stage.mina, await stage.mina.command("moderate", {}))
    await stage.mina.press(second, "Reject")
    refused = await stage.bruno.message(lambda m: m["id"] == other["id"] and says("Not shown")(m))
    assert not refused["attachments"]
    assert button_labels(refused) == ["Try again", "Settings", "Delete"]
    assert rows(
        stage, "SELECT COUNT(*) FROM pictures JOIN jobs ON id = job_id WHERE prompt = 'another flag'"
    ) == [(0,)]
    asked_again = await stage.mina.command("moderate", {})
    assert await told(stage.mina, asked_again) == "Nothing is waiting for moderators."
    # A clean one waits for nobody. Buttons of what waits, however old they are, lead nowhere.
    card = await draws(stage.anna, "clean")
    change(
        stage,
        "INSERT INTO reviews (job_id, server, state, held_at) "
        "SELECT id, 1, 'waiting', 0 FROM jobs WHERE prompt = 'clean'",
    )
    for button in ("Vary a little", "Upscale"):
        said = await told(stage.bruno, await stage.bruno.press(card, button))
        assert said == "That waits for a moderator; until it is let pass nobody can go on from it."
    # As if it had been killed between a decision and the end of the files.
    change(stage, "UPDATE reviews SET state = 'rejected', decided_by = 1, decided_at = 0 WHERE server = 1")
    said = await told(stage.bruno, await stage.bruno.press(card, "Upscale"))
    assert said == "I no longer have that picture."


async def test_who_moderates_another_channel_only_decides_nothing(stage: Stage) -> None:
    await decides(stage.mina, "safety", flagged="hold")
    place = stage.mina.channel("showcase")
    await decides(stage.mina, "moderators", channel=place)
    world = stage.playground.world
    channel = world.channels[Snowflake(int(place))]
    own = Overwrite(target=Snowflake(int(stage.bruno.id)), role=False, allow=int(Permission.MANAGE_MESSAGES))
    await held(stage.anna, "flag of elsewhere")
    message = await stage.mina.message(at(place, "flag of elsewhere"))
    world.channels[channel.id] = replace(channel, overwrites=(own,))
    try:
        for button in ("Let it pass", "Reject"):
            said = await told(stage.bruno, await stage.bruno.press(message, button))
            assert said == "Only those who may manage messages where it was asked can look at it and decide."
    finally:
        world.channels[channel.id] = channel
    await stage.mina.press(message, "Reject")
    await stage.anna.message(lambda m: says("Not shown")(m) and "> flag of elsewhere" in text_of(m))


async def test_a_damaged_picture_does_not_keep_moderators_from_the_next(stage: Stage) -> None:
    await decides(stage.mina, "safety", flagged="hold")
    await held(stage.anna, "flag of old")
    await held(stage.anna, "flag of new")
    [(digest,)] = rows(
        stage, "SELECT digest FROM pictures JOIN jobs ON id = job_id WHERE prompt = 'flag of old'"
    )
    file = stage.bot.database.parent / "pictures" / str(digest)[:2] / str(digest)
    file.write_bytes(b"")
    shown = await private(stage.mina, await stage.mina.command("moderate", {}))
    assert "> flag of new" in text_of(shown)
    await stage.mina.press(shown, "Reject")
    await stage.anna.message(lambda m: says("Not shown")(m) and "> flag of new" in text_of(m))
    said = await told(stage.mina, await stage.mina.command("moderate", {}))
    assert said.startswith("The pictures that wait cannot be read any more")
    change(stage, "UPDATE reviews SET state = 'rejected', decided_by = 1, decided_at = 0")


async def test_a_decision_after_the_token_died_is_told_once_and_what_is_deleted_is_taken_away(
    stage: Stage,
) -> None:
    await decides(stage.mina, "safety", flagged="hold")
    await decides(stage.mina, "moderators", channel=stage.mina.channel("showcase"))
    place = stage.mina.channel("showcase")
    card = await held(stage.anna, "flag of late")
    message = await stage.mina.message(at(place, "flag of late"))
    stage.playground.clock.advance(QUARTER_OF_AN_HOUR + 60)
    said = await told(stage.bruno, await stage.bruno.press(message, "Let it pass"))
    assert said.startswith("Only moderators")
    await stage.mina.press(message, "Let it pass")
    late = await stage.anna.until(lambda: own_message(stage.anna, "flag of late"))
    assert pictures_of(late)
    await stage.anna.until(lambda: card["id"] in stage.anna.deleted)
    assert len(await finished_cards(stage.anna, "flag of late")) == 1

    # The card that waits may be a message of the bot's own already.
    with stage.bot.holding():
        await asks(stage.bruno, "held flag of later")
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR + 60)
    card = await stage.bruno.until(lambda: own_message(stage.bruno, "held flag of later"))
    assert "Waiting for a moderator" in text_of(card)
    message = await stage.mina.message(at(place, "held flag of later"))
    await stage.mina.press(message, "Let it pass")
    await stage.bruno.until(lambda: card["id"] in stage.bruno.deleted)
    assert len(await finished_cards(stage.bruno, "held flag of later")) == 1

    card = await held(stage.anna, "flag of regret")
    message = await stage.mina.message(at(place, "flag of regret"))
    await stage.anna.press(card, "Delete")
    gone = await stage.mina.message(lambda m: m["id"] == message["id"] and says("Deleted")(m))
    assert not gone["attachments"]


async def test_a_message_that_missed_a_decision_is_closed_when_somebody_presses_there(stage: Stage) -> None:
    await decides(stage.mina, "safety", flagged="hold")
    await decides(stage.mina, "moderators", channel=stage.mina.channel("showcase"))
    await held(stage.anna, "flag of yore")
    message = await stage.mina.message(at(stage.mina.channel("showcase"), "flag of yore"))
    kept = "SELECT message_id FROM reviews JOIN jobs ON id = job_id WHERE prompt = 'flag of yore'"
    await until(lambda: rows(stage, kept) != [(None,)])
    # As if it had been killed, or Discord out of reach, when its pictures went.
    change(stage, "UPDATE jobs SET forgotten_at = 0 WHERE prompt = 'flag of yore'")
    said = await told(stage.mina, await stage.mina.press(message, "Let it pass"))
    assert said == "That is not waiting any more: its pictures were deleted."
    gone = await stage.mina.message(lambda m: m["id"] == message["id"] and says("Deleted")(m))
    assert not gone["attachments"]


async def test_what_is_refused_is_neither_shown_nor_kept(stage: Stage) -> None:
    await decides(stage.mina, "safety", flagged="refuse")
    for prompt, why in (("flag of none", "The safety check flags it"), ("unchecked one", "could not be")):
        card = await stage.anna.answer(await asks(stage.anna, prompt), says("did not work"))
        assert why in text_of(card)
        assert not card["attachments"]
        assert button_labels(card) == ["Try again", "Edit", "Settings", "Delete"]
        query = f"SELECT COUNT(*) FROM pictures JOIN jobs ON id = job_id WHERE prompt = '{prompt}'"
        assert rows(stage, query) == [(0,)]
    some = await draws(stage.anna, "a {flag|sun} {a|b|c|d}", count=4, seed=3)
    kept = pictures_of(some)
    assert 0 < len(kept) < 4
    assert f"{4 - len(kept)} of 4 did not pass the safety check and are not kept" in text_of(some)
    number = kept[-1]["filename"].removesuffix(".png").rpartition("-")[2]
    asked = await stage.bruno.select(
        some, "More: go on from one of them, save as a style…", [f"Picture {number}"]
    )
    assert f"Picture {number} of 4" in text_of(await private(stage.bruno, asked))


async def test_in_direct_messages_nothing_waits_for_a_moderator_there_is_not(stage: Stage) -> None:
    direct = await stage.bruno.direct_messages()
    asked = await asks(stage.bruno, "flag of my own", channel_id=direct)
    assert "The safety check flags it" in text_of(await stage.bruno.answer(asked, says("did not work")))


async def test_what_is_private_and_held_moderators_decide_on_and_nobody_else_sees(stage: Stage) -> None:
    place = stage.mina.channel("showcase")
    await decides(stage.mina, "safety", flagged="hold")
    await decides(stage.mina, "moderators", channel=place)
    asked = await asks(stage.anna, "flag of mine", private=True)
    waiting = await stage.anna.answer(asked, says("Waiting for a moderator"))
    assert is_ephemeral(waiting)
    sent = await stage.anna.answer(
        await stage.anna.command("privacy export"), lambda m: bool(m["attachments"])
    )
    with zipfile.ZipFile(io.BytesIO(await stage.anna.fetch(sent["attachments"][0]))) as parcel:
        (job,) = rows(stage, "SELECT id FROM jobs WHERE prompt = 'flag of mine'")
        assert not [name for name in parcel.namelist() if str(job[0]) in name]  # that is no way around them
    assert "for a moderator and" in sent["content"]
    shown = await stage.mina.message(at(place, "flag of mine"))
    await stage.mina.press(shown, "Let it pass")
    card = await result(stage.anna, asked)
    assert (card["id"], is_ephemeral(card)) == (waiting["id"], True)
    assert "flag of mine" not in str(await stage.anna.messages())


async def test_who_is_forgotten_is_shown_to_moderators_no_more_although_discord_did_not_listen(
    stage: Stage,
) -> None:
    place = stage.mina.channel("showcase")
    await decides(stage.mina, "safety", flagged="hold")
    await decides(stage.mina, "moderators", channel=place)
    await held(stage.bruno, "flag to be forgotten")
    message = await stage.mina.message(at(place, "flag to be forgotten"))
    kept = "SELECT message_id FROM reviews JOIN jobs ON id = job_id WHERE prompt = 'flag to be forgotten'"
    await until(lambda: rows(stage, kept) != [(None,)])
    stage.playground.faults.add(Fault(method="PATCH", path="/channels/*/messages/*", status=503, times=2))
    asked = await stage.bruno.answer(await stage.bruno.command("privacy forget"))
    await stage.bruno.press(asked, "Forget it all")
    gone = await stage.mina.message(lambda m: m["id"] == message["id"] and says("Deleted")(m))
    assert not gone["attachments"]
