"""Answers of Discord's that come late, get lost or are refusals, and that nobody is left with half a card."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from playground.faults import Fault
from playground.person import Person
from playground.reading import is_loading, pictures_of
from playground.server import Playground
from tests.journeys.kept import rows, until, until_delivered
from tests.journeys.stage import NOISE, Bot, Stage, asks, draws, own_message, result, running, says, told
from tests.journeys.test_buttons import files
from tests.journeys.test_starting import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

Refuse = Callable[[str, str], None]


@pytest.mark.parametrize("status", [None, 502], ids=["unanswered", "refused"])
async def test_a_progress_edit_that_lands_after_the_end_does_not_last(
    stage: Stage, status: int | None
) -> None:
    anna = stage.anna
    late = Fault(method="PATCH", path="/webhooks/*", status=status, held=True)
    stage.playground.faults.add(late)
    with stage.bot.holding():
        asked = await asks(anna, "held and overtaken")
        await until(lambda: late.times == 0)
    card = await result(anna, asked)
    before = len(anna.events)
    stage.playground.faults.clear()

    def undone() -> bool:
        changed = [data for name, data in anna.events[before:] if name == "MESSAGE_UPDATE"]
        return any(each["id"] == card["id"] and not pictures_of(each) for each in changed)

    await anna.until(undone)
    assert (await result(anna, asked))["id"] == card["id"]
    await until_delivered(stage)


# Refusals -------------------------------------------------------------------------------------------------


@pytest.fixture
def refuse(stage: Stage) -> Iterator[Callable[[str, str], None]]:
    """Let Discord refuse, each time, what the bot asks for with this method and path."""

    def refuse(method: str, path: str) -> None:
        stage.playground.faults.add(Fault(method=method, path=path, status=400, times=100))

    yield refuse
    stage.playground.faults.clear()


async def test_an_edit_that_is_refused_becomes_a_message_of_the_bots_own(
    stage: Stage, refuse: Refuse
) -> None:
    refuse("PATCH", "/webhooks/*")
    asked = await asks(stage.anna, "refused as an edit")
    thinking = await stage.anna.answer(asked, is_loading)
    card = await stage.anna.until(lambda: own_message(stage.anna, "refused as an edit"))
    assert pictures_of(card)
    assert card["channel_id"] == stage.anna.channel_id
    await stage.anna.until(lambda: thinking["id"] in stage.anna.deleted)
    await until_delivered(stage)


async def test_a_channel_that_refuses_the_answer_leaves_the_direct_message(
    stage: Stage, refuse: Refuse
) -> None:
    refuse("PATCH", "/webhooks/*")
    refuse("POST", f"/channels/{stage.anna.channel_id}/messages")
    await asks(stage.anna, "refused in the channel")
    card = await stage.anna.until(lambda: own_message(stage.anna, "refused in the channel"))
    assert pictures_of(card)
    assert card["channel_id"] == await stage.anna.direct_messages()
    await until_delivered(stage)


async def test_what_is_refused_everywhere_is_abandoned_with_the_reason(stage: Stage, refuse: Refuse) -> None:
    refuse("PATCH", "/webhooks/*")
    refuse("POST", "/channels/*/messages")
    await asks(stage.anna, "refused everywhere")
    state, delivery, reason = await outcome(stage, "refused everywhere")
    assert (state, delivery) == ("done", "abandoned")
    assert reason == "neither the channel nor a direct message takes it: Discord answered 400 (error code 0)"


# Acknowledgements ------------------------------------------------------------------------------------------


async def test_no_acknowledgement_waits_for_anything_else_of_discords(stage: Stage) -> None:
    """Discord allows three seconds, and none of its other answers is sure to be there by then."""
    anna, mina = stage.anna, stage.mina
    before = await draws(anna, "before")
    stage.playground.faults.add(Fault(path="/[!i]*", times=1000, held=True))  # all but /interactions
    drawn = await asyncio.gather(asks(anna, "meanwhile"), anna.press(before, "Reroll"))
    commands = ("queue", "help", "history", "settings", "gallery new")
    told_anna = await asyncio.gather(anna.press(before, "Settings"), *map(anna.command, commands))
    told_mina = await asyncio.gather(*map(mina.command, ("server show", "admin status", "moderate")))
    await anna.autocomplete("imagine", "sampler", "dpm")
    await anna.press(before, "Edit")
    stage.playground.faults.clear()
    for person, asked in ((anna, drawn), (anna, told_anna), (mina, told_mina)):
        await asyncio.gather(*map(person.answer, asked))
    await asyncio.gather(*(result(anna, each) for each in drawn))


# Acknowledgements that Discord took without saying so ------------------------------------------------------


def unconfirmed(stage: Stage) -> None:
    """Let Discord take the next acknowledgement, and answer it with an error of its own."""
    stage.playground.faults.add(
        Fault(method="POST", path="/interactions/*/callback", status=502, after=True, times=1)
    )


async def test_a_request_whose_acknowledgement_was_not_confirmed_is_drawn_in_its_message(
    stage: Stage,
) -> None:
    unconfirmed(stage)
    asked = await asks(stage.anna, "unconfirmed")
    thinking = await stage.anna.answer(asked, is_loading)
    assert (await result(stage.anna, asked))["id"] == thinking["id"]
    assert await outcome(stage, "unconfirmed") == ("done", "done", None)


async def test_every_button_works_when_its_acknowledgement_was_not_confirmed(stage: Stage) -> None:
    with stage.bot.holding():
        card = await running(stage.anna, await asks(stage.anna, "held and unconfirmed"))
        unconfirmed(stage)
        await stage.anna.press(card, "Cancel")
        card = await stage.anna.message(lambda m: m["id"] == card["id"] and says("Cancelled")(m))
        unconfirmed(stage)
        assert "held and unconfirmed" in await told(stage.anna, await stage.anna.press(card, "Settings"))
        unconfirmed(stage)
        again = await running(stage.anna, await stage.anna.press(card, "Draw it after all"))
        await stage.anna.press(again, "Cancel")
        unconfirmed(stage)
        said = await told(stage.bruno, await stage.bruno.press(card, "Delete"))
        assert said == "Only the person who asked for this, or a moderator, can delete it."
        unconfirmed(stage)
        await stage.anna.press(card, "Delete")
        await stage.anna.until(lambda: card["id"] in stage.anna.deleted)


@pytest.mark.parametrize("heard", [True, False])
async def test_an_acknowledgement_whose_connection_breaks_is_given_again(tmp_path: Path, heard: bool) -> None:
    async with Playground() as playground, breaking(playground, b"/callback", heard=heard) as address:
        bot = Bot(playground, tmp_path, model=NOISE, DISCORD_API_URL=f"{address}/api/v10")
        await bot.start()
        user = playground.world.people[0]
        try:
            async with Person(api=playground.api, gateway=playground.gateway.url, token=user.token) as anna:
                assert pictures_of(await result(anna, await asks(anna, "cut off")))
        finally:
            await bot.close()


@asynccontextmanager
async def breaking(playground: Playground, words: bytes, *, heard: bool) -> AsyncIterator[str]:
    """An address of the playground whose connections carry all but the first request that holds `words`.

    That one is lost on the way there or, if it is `heard`, its answer on the way back.
    """
    left = 1
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        there, back = await asyncio.open_connection("127.0.0.1", playground.port)

        async def answers() -> None:
            while answer := await there.read(65536):
                if lost:
                    break
                writer.write(answer)
            writer.close()

        lost = False
        answering = asyncio.create_task(answers())
        tasks.add(answering)
        while asked := await reader.read(65536):
            if left and words in asked:
                left -= 1
                lost = True
                if not heard:
                    break
            back.write(asked)
        back.close()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server:
        yield f"http://{host}:{port}"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# Messages that somebody removes ----------------------------------------------------------------------------


async def test_a_message_removed_by_hand_takes_its_job_with_it(stage: Stage) -> None:
    with stage.bot.holding():
        await stage.mina.delete(await running(stage.anna, await asks(stage.anna, "held and removed")))
        removed = "somebody removed its message"
        assert await outcome(stage, "held and removed") == ("cancelled", "abandoned", removed)


async def test_pictures_whose_message_was_removed_are_forgotten(stage: Stage) -> None:
    stage.playground.faults.add(Fault(method="PATCH", path="/webhooks/*", held=True))
    kept = files(stage)
    asked = await asks(stage.anna, "removed meanwhile", steps=1)
    await stage.mina.delete(await stage.anna.answer(asked, is_loading))
    stage.playground.faults.clear()
    assert await outcome(stage, "removed meanwhile") == ("done", "abandoned", "somebody removed its message")
    assert files(stage) == kept


# Commands that an earlier run left behind -----------------------------------------------------------------


async def test_a_bot_that_serves_one_server_no_longer_leaves_no_second_command_there(tmp_path: Path) -> None:
    async with Playground() as playground:
        guild = playground.world.guild.id
        first = Bot(playground, tmp_path, model=NOISE, GUILD_ID=str(guild))
        await first.start()
        await registered_in(playground, guild)
        await first.stop()
        everywhere = Bot(playground, tmp_path, model=NOISE)
        await everywhere.start()
        await registered_in(playground, None)
        await everywhere.stop()
        again = Bot(playground, tmp_path, model=NOISE, GUILD_ID=str(guild))
        await again.start()
        await registered_in(playground, guild)
        assert await again.stop() == 0


async def test_a_wrong_guild_id_is_named(tmp_path: Path) -> None:
    async with Playground() as playground:
        said = await refusal(tmp_path, playground, GUILD_ID="123")
    assert said == (
        "GUILD_ID is 123, and Discord takes no commands for that server: it answered 404. "
        "Copy the server's id again, and invite the bot there."
    )


async def registered_in(playground: Playground, guild: int | None) -> None:
    """Wait until the commands are registered in this server (None: everywhere) and nowhere else."""
    await until(lambda: {command.guild for command in playground.world.commands.values()} == {guild})


async def outcome(stage: Stage, prompt: str) -> tuple[object, ...]:
    """How the one job with this prompt ended: its state, its delivery's, and why that was abandoned."""
    question = f"""
        SELECT jobs.state, deliveries.state, reason FROM jobs JOIN deliveries ON jobs.id = job_id
        WHERE prompt = '{prompt}' AND deliveries.state IN ('done', 'abandoned')
    """
    await until(lambda: rows(stage, question))
    (ended,) = rows(stage, question)
    return ended
