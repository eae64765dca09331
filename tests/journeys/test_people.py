"""What one person decides for themselves, and what becomes of it."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path

import pytest

from playground.faults import Fault
from playground.nouns import Json
from playground.person import Person
from playground.reading import button_labels, components_of, is_ephemeral, pictures_of, text_of
from tests.journeys.kept import rows, until
from tests.journeys.stage import Stage, asks, draws, result, running, says, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUARTER_OF_AN_HOUR = 15 * 60.0


async def test_what_a_person_prefers_holds_where_they_leave_it_out(stage: Stage) -> None:
    said = await told(stage.anna, await stage.anna.command("prefer set", {"steps": 3, "sampler": "ddim"}))
    assert "`steps`** 3" in said
    card = await result(stage.anna, await asks(stage.anna, "a red circle", sampler="Euler"))
    assert "3 steps · guidance 5 · Euler ·" in text_of(card)
    card = await result(stage.bruno, await asks(stage.bruno, "a red circle"))
    assert "3 steps" not in text_of(card)

    refused = await told(stage.anna, await stage.anna.command("prefer set", {"steps": 500}))
    assert refused == "500 steps are not possible; choose 1 to 150."
    large = await told(stage.anna, await stage.anna.command("prefer set", {"size": "4096x4096"}))
    assert "`size` is left aside" in large
    assert "`steps`** 3" in await told(stage.anna, await stage.anna.command("prefer show"))
    card = await result(stage.anna, await asks(stage.anna, "a red circle"))
    assert "128 × 128 · 3 steps · guidance 5 · DDIM" in text_of(card)

    assert "nothing in particular" in await told(stage.anna, await stage.anna.command("prefer clear"))


# Private --------------------------------------------------------------------------------------------------


async def test_what_is_private_only_who_asked_sees_and_what_comes_of_it_too(stage: Stage) -> None:
    before = set(stage.bruno.seen)
    card = await draws(stage.anna, "a secret", private=True)
    assert is_ephemeral(card)
    assert "only for you" in text_of(card)
    again = await result(stage.anna, await stage.anna.press(card, "Reroll"))
    larger = await result(stage.anna, await stage.anna.press(again, "Vary a little"))
    assert is_ephemeral(again)
    assert is_ephemeral(larger)
    assert "discord.com/channels" not in await told(stage.anna, await stage.anna.press(again, "Settings"))
    await stage.anna.press(larger, "Delete")
    await stage.anna.until(lambda: larger["id"] in stage.anna.deleted)
    assert "secret" not in str(await stage.anna.messages())
    assert set(stage.bruno.seen) == before


async def test_private_can_be_what_a_person_has_unless_they_say_otherwise(stage: Stage) -> None:
    open_card = await draws(stage.bruno, "for all")
    said = await told(stage.anna, await stage.anna.command("settings", {"private": True}))
    assert "only you see" in said
    assert is_ephemeral(await draws(stage.anna, "by default"))
    assert is_ephemeral(await result(stage.anna, await stage.anna.press(open_card, "Reroll")))
    assert not is_ephemeral(await draws(stage.anna, "for once", private=False))
    await stage.anna.command("settings", {"private": False})
    direct = await stage.anna.direct_messages()
    asked = await asks(stage.anna, "in a direct message", channel_id=direct, private=True)
    assert not is_ephemeral(await result(stage.anna, asked))  # there it is private anyway, and stays


async def test_who_wants_it_is_called_once_and_what_is_private_stays_so_though_the_bot_dies(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path) as stage:
        await stage.anna.command("settings", {"ping": "always"})
        # The message is taken, but the bot only hears of an error, and dies before it tries again.
        stage.playground.faults.add(
            Fault(method="POST", path="/channels/*/messages", status=503, after=True, times=1)
        )
        card = await draws(stage.anna, "call me", count=2)
        await stage.anna.until(lambda: calls(stage.anna))
        with stage.bot.holding():
            await asks(stage.anna, "held secret", private=True)
            await until(lambda: rows(stage, "SELECT 1 FROM jobs WHERE prompt = 'held secret'"))
            await stage.bot.kill()
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR + 60)  # nonce and tokens are long forgotten
        await stage.bot.start()
        direct = await stage.anna.direct_messages()
        late = await stage.anna.message(lambda m: m["channel_id"] == direct and bool(pictures_of(m)))
        assert "held secret" in text_of(late)
        again = await stage.anna.press(late, "Vary a little")
        await stage.anna.until(lambda: len(calls(stage.anna)) == 2)
        varied = await result(stage.anna, again)
        assert varied["channel_id"] == direct
        assert [card["id"] in call["content"] for call in calls(stage.anna)] == [True, False]
        assert "your pictures are there" in calls(stage.anna)[0]["content"]
        assert [call["channel_id"] == direct for call in calls(stage.anna)] == [False, True]
        assert "secret" not in str(await stage.anna.messages())
        for finished in (card, varied):  # what they lead to is gone, and they with it
            await stage.anna.press(finished, "Delete")
        await stage.anna.until(lambda: {call["id"] for call in calls(stage.anna)} <= set(stage.anna.deleted))


def calls(person: Person) -> list[Json]:
    return [message for message in person.seen.values() if re.search("(is|are) there", message["content"])]


# What there was -------------------------------------------------------------------------------------------


async def test_the_history_is_leafed_through_and_opened_and_is_ones_own(stage: Stage) -> None:
    mina = stage.mina
    for number in range(6):
        await draws(mina, f"number {number}", seed=number)
    with stage.bot.holding():
        asked = await asks(mina, "held one")
        await mina.press(await running(mina, asked), "Cancel")
        await mina.answer(asked, says("Cancelled"))
    page = await mina.answer(await mina.command("history"))
    assert is_ephemeral(page)
    assert "cancelled" in text_of(page)
    assert "number 5" in text_of(page)
    assert "number 1" not in text_of(page)
    assert len(page["attachments"]) == 4
    await mina.press(page, "Older")
    older = await mina.message(lambda m: m["id"] == page["id"] and "number 1" in text_of(m))
    assert button_labels(older) == ["Newer"]
    await mina.press(older, "Newer")
    page = await mina.message(lambda m: m["id"] == page["id"] and "number 5" in text_of(m))

    menu = next(part for part in components_of(page) if part.get("custom_id") == "history:open")
    chosen = next(option["value"] for option in menu["options"] if "number 4" in option["label"])
    opened = await mina.answer(await mina.select(page, "history:open", [chosen]))
    assert is_ephemeral(opened)
    assert len(pictures_of(opened)) == 1
    original = next(m for m in await mina.messages() if "> number 4" in text_of(m))
    await mina.press(opened, "Delete")
    await mina.until(lambda: {opened["id"], original["id"]} <= set(mina.deleted))
    assert "number" not in text_of(await stage.bruno.answer(await stage.bruno.command("history")))

    chosen = next(option["value"] for option in menu["options"] if "number 3" in option["label"])
    opened = await mina.answer(await mina.select(page, "history:open", [chosen]))
    stage.playground.faults.add(Fault(method="DELETE", path="/webhooks/*/*/messages/*", status=403))
    assert "its message stays" in await told(mina, await mina.press(opened, "Delete"))
    assert any("> number 3" in text_of(m) for m in await mina.messages())


async def test_what_is_deleted_before_it_arrives_does_not_arrive(stage: Stage) -> None:
    anna = stage.anna
    stage.playground.faults.add(Fault(method="POST", path="/channels/*/messages", status=503, times=1000))
    with stage.bot.holding():
        await asks(anna, "held never mind", private=True)
        # So that it will be a message of the bot's own.
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR + 60)
    kept = "SELECT deliveries.state FROM deliveries JOIN jobs ON id = job_id WHERE prompt = 'held never mind'"
    await until(lambda: rows(stage, f"{kept} AND settled_at"))
    page = await anna.answer(await anna.command("history"))
    menu = next(part for part in components_of(page) if part.get("custom_id") == "history:open")
    opened = await anna.answer(await anna.select(page, "history:open", [menu["options"][0]["value"]]))
    await anna.press(opened, "Delete")
    await until(lambda: rows(stage, kept) != [("owed",)])
    stage.playground.faults.clear()
    assert rows(stage, kept) == [("abandoned",)]


async def test_earlier_prompts_are_suggested_whole_however_long(stage: Stage) -> None:
    long = f"a house by the sea {'very ' * 30}far away"
    card = await draws(stage.mina, long)
    first, second, *_ = await stage.mina.autocomplete("imagine", "prompt", "sea house")
    assert first["value"] == "sea house"
    assert long.startswith(second["name"][:-1])
    again = await draws(stage.mina, second["value"])
    assert text_of(again).splitlines()[0] == text_of(card).splitlines()[0]
    assert len(await stage.bruno.autocomplete("imagine", "prompt", "sea house")) == 1
    assert "> earlier: a hat" in text_of(await draws(stage.bruno, "earlier: a hat"))  # typed, not chosen
    refused = await told(stage.bruno, await asks(stage.bruno, second["value"]))
    assert "please type it" in refused


async def test_help_and_stats_say_what_is_possible_and_what_there_was(stage: Stage) -> None:
    said = await told(stage.bruno, await stage.bruno.command("help"))
    imagine = next(each for each in await stage.bruno.commands() if each["name"] == "imagine")
    assert f"</imagine:{imagine['id']}>" in said
    assert "</prefer set:" in said
    assert "as large as 1024 × 1024 pixels" in said
    await draws(stage.mina, "to be counted", count=2)
    counted = await told(stage.mina, await stage.mina.command("stats"))
    assert re.search(r"\d+ pictures · \d+ request", counted)
    assert "Everybody in this server" in counted


# What is kept ---------------------------------------------------------------------------------------------


async def test_what_is_kept_is_told_sent_and_forgotten(stage: Stage) -> None:
    bruno, bruno_id = stage.bruno, int(stage.bruno.id)
    card = await draws(bruno, "to be forgotten", count=2)
    child = await result(stage.anna, await stage.anna.press(card, "Reroll"))
    with stage.bot.holding():
        await running(bruno, await asks(bruno, "held waits"))
        assert "0 shared pictures · 0 likes" in await told(bruno, await bruno.command("privacy what"))
        stage.playground.faults.add(Fault(method="POST", path="/webhooks/*", held=True))
        export = await bruno.command("privacy export")
        assert "already" in await told(bruno, await bruno.command("privacy export"))
        stage.playground.faults.clear()
        sent = await bruno.answer(export, lambda m: bool(m["attachments"]))
        assert "Here is what I keep about you." in text_of(sent)
        with zipfile.ZipFile(io.BytesIO(await bruno.fetch(sent["attachments"][0]))) as parcel:
            requests = json.loads(parcel.read("requests.json"))
            assert "to be forgotten" in {request["prompt"] for request in requests}
            assert {request["asker"] for request in requests} == {bruno_id}
            assert len([name for name in parcel.namelist() if name.startswith("pictures/")]) >= 2

        asked = await bruno.answer(await bruno.command("privacy forget"))
        await bruno.press(asked, "Forget it all")
        await bruno.message(lambda m: m["id"] == asked["id"] and "I have forgotten" in text_of(m))
        assert "0 requests" in await told(bruno, await bruno.command("privacy what"))
        assert await told(bruno, await bruno.press(card, "Reroll")) == "I no longer have that picture."
        await bruno.press(card, "Delete")
        await bruno.until(lambda: card["id"] in bruno.deleted)
    assert "Comes from" not in await told(stage.anna, await stage.anna.press(child, "Settings"))
