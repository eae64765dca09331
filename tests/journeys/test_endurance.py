"""What goes wrong around the bot, and that every picture arrives nevertheless, once."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from pathlib import Path

import pytest

from playground.drafts import FILE_LIMIT
from playground.faults import Fault
from playground.nouns import Json
from playground.person import Person
from playground.reading import is_ephemeral, pictures_of, text_of
from tests.journeys.kept import change, rows, until, until_delivered
from tests.journeys.stage import (
    PATIENCE,
    Stage,
    asks,
    draws,
    own_message,
    result,
    running,
    says,
    staged,
    told,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUARTER_OF_AN_HOUR = 15 * 60.0


async def finished_cards(person: Person, prompt: str, channel_id: str | None = None) -> list[Json]:
    """All messages in the channel that show pictures of this prompt."""
    return [
        message
        for message in await person.messages(channel_id)
        if pictures_of(message) and f"> {prompt}" in text_of(message).splitlines()
    ]


# Restarts and deaths --------------------------------------------------------------------------------------


async def test_after_a_restart_a_picture_is_finished_in_its_message_and_old_buttons_work(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path) as stage:
        before = await draws(stage.anna, "before the restart")
        with stage.bot.holding():
            asked = await asks(stage.anna, "held")
            card = await running(stage.anna, asked)
            refused = await asks(stage.bruno, "held and outdated")
            assert await stage.bot.stop() == 0
        assert rows(stage, "SELECT DISTINCT file_limit FROM deliveries") == [(FILE_LIMIT,)]
        change(stage, "UPDATE deliveries SET file_limit = 9000 WHERE state = 'open'")
        change(stage, "UPDATE jobs SET steps = 151 WHERE prompt = 'held and outdated'")
        await stage.bot.start()
        done = await result(stage.anna, asked)
        assert done["id"] == card["id"]
        assert [file["size"] <= 9000 for file in done["attachments"]] == [True]  # its limit is kept with it
        assert len(await finished_cards(stage.anna, "held")) == 1
        failed = await stage.bruno.answer(refused, says("did not work", "151 steps are not possible"))
        await stage.bruno.press(failed, "Delete")
        await stage.bruno.until(lambda: failed["id"] in stage.bruno.deleted)

        again = await result(stage.anna, await stage.anna.press(before, "Reroll"))
        assert "before the restart" in text_of(again)
        assert "Settings" in await told(stage.anna, await stage.anna.press(before, "Settings"))
        await stage.anna.press(before, "Delete")
        await stage.anna.until(lambda: before["id"] in stage.anna.deleted)


async def test_a_killed_bot_finishes_everything_after_its_next_start(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with stage.bot.holding():
            first = await asks(stage.anna, "held one")
            second = await asks(stage.bruno, "held two")
            await running(stage.anna, first)
            workers = stage.bot.workers()
            await stage.bot.kill()
        await stage.bot.start()
        await result(stage.anna, first)
        await result(stage.bruno, second)
        for prompt in ("held one", "held two"):
            assert len(await finished_cards(stage.anna, prompt)) == 1
        await until(lambda: not any(map(is_alive, workers)))


async def test_a_killed_worker_is_replaced_and_the_picture_arrives(stage: Stage) -> None:
    with stage.bot.holding():
        asked = await asks(stage.anna, "held survivor")
        await running(stage.anna, asked)
        (worker,) = stage.bot.workers()
        os.kill(worker, signal.SIGKILL)
    await result(stage.anna, asked)
    assert stage.bot.workers() != [worker]


async def test_a_picture_that_always_kills_the_worker_fails_and_spares_its_neighbour(stage: Stage) -> None:
    poison = await asks(stage.anna, "crash")
    neighbour = await asks(stage.bruno, "harmless")
    await result(stage.bruno, neighbour)
    card = await stage.anna.answer(poison, says("did not work"))
    assert "3 times" in text_of(card)


async def test_more_than_a_hundred_requests_at_once_all_arrive(tmp_path: Path) -> None:
    async with staged(tmp_path, MAX_WAITING_PER_PERSON="60") as stage:
        people = [stage.anna, stage.bruno, stage.mina]
        orders = [
            (person, asks(person, f"number {k}", steps=1, size="64x64"))
            for k in range(34)
            for person in people
        ]
        asked = await asyncio.gather(*(order for _, order in orders))
        cards = await asyncio.gather(
            *(result(person, each) for (person, _), each in zip(orders, asked, strict=True))
        )
        assert len({card["id"] for card in cards}) == 102
        await until_delivered(stage)


# The token dies -------------------------------------------------------------------------------------------


async def test_a_picture_later_than_the_token_is_a_message_that_calls_its_asker_once(stage: Stage) -> None:
    with stage.bot.holding():
        card = await running(stage.anna, await asks(stage.anna, "held and late"))
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR + 60)
    late = await stage.anna.until(lambda: own_message(stage.anna, "held and late"))
    assert pictures_of(late)
    await stage.anna.until(lambda: card["id"] in stage.anna.deleted)
    assert len(await finished_cards(stage.anna, "held and late")) == 1
    with stage.bot.holding():
        again = await stage.anna.press(late, "Reroll")
        await stage.anna.press(await running(stage.anna, again), "Cancel")
        await stage.anna.answer(again, says("Cancelled"))


async def test_where_the_bot_may_not_write_the_picture_comes_as_a_direct_message(stage: Stage) -> None:
    notices, direct = stage.bruno.channel("notices"), await stage.bruno.direct_messages()
    with stage.bot.holding():
        await running(stage.bruno, await asks(stage.bruno, "held and elsewhere", channel_id=notices))
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR + 60)
    late = await stage.bruno.until(lambda: own_message(stage.bruno, "held and elsewhere"))
    assert late["channel_id"] == direct
    assert pictures_of(late)


async def test_somebody_who_takes_no_messages_disturbs_nothing(stage: Stage) -> None:
    world = stage.playground.world
    bruno = next(user for user in world.people if str(user.id) == stage.bruno.id)
    world.closed_to_messages.add(bruno.id)
    notices = stage.bruno.channel("notices")
    with stage.bot.holding():
        await running(stage.bruno, await asks(stage.bruno, "held and nowhere", channel_id=notices))
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR + 60)
    assert pictures_of(await draws(stage.anna, "still here"))
    await until_logged(stage, "not delivered: neither the channel nor a direct message takes it")
    world.closed_to_messages.discard(bruno.id)


async def test_a_crash_between_sending_and_noting_it_does_not_send_twice(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with stage.bot.holding():
            await running(stage.anna, await asks(stage.anna, "held and late"))
            stage.playground.clock.advance(QUARTER_OF_AN_HOUR + 60)
            # The message is taken, but the bot only hears of an error, and dies before it tries again.
            stage.playground.faults.add(
                Fault(method="POST", path="/channels/*/messages", status=503, after=True, times=1)
            )
        await stage.anna.until(lambda: own_message(stage.anna, "held and late"))
        await stage.bot.kill()
        stage.playground.clock.advance(QUARTER_OF_AN_HOUR)  # the nonce is long forgotten
        await stage.bot.start()
        await until_delivered(stage)
        assert len(await finished_cards(stage.anna, "held and late")) == 1


# Discord has a bad day ------------------------------------------------------------------------------------


async def test_a_dropped_gateway_is_resumed_and_what_was_asked_meanwhile_is_answered(stage: Stage) -> None:
    assert stage.playground.gateway.drop()
    card = await draws(stage.anna, "after the drop")
    assert pictures_of(card)
    assert stage.playground.gateway.ask_to_reconnect()
    assert pictures_of(await draws(stage.anna, "after the reconnect"))


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_an_error_of_discords_delays_the_picture_and_no_more(stage: Stage, status: int) -> None:
    stage.playground.faults.add(Fault(method="PATCH", path="/webhooks/*", status=status, times=1))
    await draws(stage.anna, f"with {status}")
    assert len(await finished_cards(stage.anna, f"with {status}")) == 1


async def test_an_answer_that_discord_took_but_did_not_confirm_is_there_once(stage: Stage) -> None:
    stage.playground.faults.add(Fault(method="PATCH", path="/webhooks/*", status=502, after=True, times=1))
    await draws(stage.anna, "unconfirmed")
    await until_delivered(stage)
    assert len(await finished_cards(stage.anna, "unconfirmed")) == 1


async def test_an_acknowledgement_that_discord_refuses_leaves_nothing_behind(stage: Stage) -> None:
    jobs = rows(stage, "SELECT count(*) FROM jobs")
    stage.playground.faults.add(Fault(method="POST", path="/interactions/*/callback", status=404, times=1))
    with pytest.raises(Exception, match="did not respond"):
        asking = asyncio.ensure_future(asks(stage.anna, "never acknowledged"))
        await until_logged(stage, "a request came to nothing")
        stage.playground.clock.advance(PATIENCE)
        await asking
    assert rows(stage, "SELECT count(*) FROM jobs") == jobs
    assert pictures_of(await draws(stage.anna, "acknowledged"))


# The disk has a bad day -----------------------------------------------------------------------------------


async def test_a_locked_database_never_delays_an_acknowledgement(stage: Stage) -> None:
    lock = sqlite3.connect(stage.bot.database, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        asked = await asks(stage.anna, "patience")  # which would have failed while the lock was waited for
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    await result(stage.anna, asked)


async def test_what_cannot_be_kept_is_withdrawn_with_an_apology(stage: Stage) -> None:
    lock = sqlite3.connect(stage.bot.database, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        asked = await asks(stage.anna, "in vain")
        apology = await stage.anna.answer(asked, is_ephemeral)
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert "it is in my log as" in text_of(apology)
    number = text_of(apology).split("`")[1]
    assert number in stage.bot.log
    assert not any("in vain" in text_of(message) for message in await stage.anna.messages())


# --------------------------------------------------------------------------------------------------------


async def until_logged(stage: Stage, words: str) -> None:
    await until(lambda: words in stage.bot.log)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
