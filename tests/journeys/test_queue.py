"""What people see of the queue, and what the owner of the bot does with it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace

import pytest
import pytest_asyncio

from playground.nouns import Json
from playground.person import Asked, Person
from playground.reading import button_labels, is_ephemeral, is_loading, pictures_of, text_of
from storage.database import PATIENCE as WAITED_FOR_THE_DATABASE
from tests.journeys.stage import PATIENCE, Stage, asks, draws, result, running, says, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 12


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """Mina's server, and Mina's bot."""
    async with staged(tmp_path_factory.mktemp("bot"), MAX_WAITING=str(MANY)) as stage:
        yield stage


async def orders(person: Person, command: str, /, **options: str | bool) -> str:
    return await told(person, await person.command(f"admin {command}", options))


async def queue_of(person: Person) -> Json:
    """The card that `/queue` shows."""
    asked = await person.command("queue", {})
    return await person.answer(asked, lambda m: is_ephemeral(m) and not is_loading(m))


async def two_held(stage: Stage) -> tuple[Asked, Asked]:
    """Anna's picture being drawn, and Bruno's that waits."""
    first = await asks(stage.anna, "held first")
    await running(stage.anna, first)
    second = await asks(stage.bruno, "held second")
    await stage.bruno.answer(second, says("Waiting"))
    return first, second


async def being_drawn(stage: Stage) -> None:
    """Wait until a request is; its card says so only when its next edit is due."""
    async with asyncio.timeout(PATIENCE):
        while "request being drawn" not in await orders(stage.mina, "status"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_people_see_how_much_waits_and_only_their_own_words(stage: Stage) -> None:
    with stage.bot.holding():
        first, second = await two_held(stage)
        card = await queue_of(stage.bruno)
        shown = text_of(card)
        assert "**1** request being drawn · **1** waiting · of 2 people" in shown
        assert "**Yours, number 1 in line:** held second · 1 picture" in shown
        assert "held first" not in shown
        assert "**In memory:** noise." in shown
        assert button_labels(card) == ["Cancel number 1"]
        await stage.bruno.press(card, "Cancel number 1")
        await stage.bruno.answer(second, says("Cancelled"))

        def is_up_to_date(message: Json) -> bool:
            return message["id"] == card["id"] and not button_labels(message)

        assert "held" not in text_of(await stage.bruno.message(is_up_to_date))
        own = await queue_of(stage.anna)
        assert "held first" in text_of(own)
        await stage.anna.press(own, "Cancel what is drawn")
        await stage.anna.answer(first, says("Cancelled"))


async def test_the_owners_commands_are_shown_to_few_and_refused_to_all_others(stage: Stage) -> None:
    assert "admin" not in {command["name"] for command in await stage.anna.commands()}
    world, playground = stage.playground.world, stage.playground
    bruno = next(user for user in world.people if str(user.id) == stage.bruno.id)
    moderator = next(role for role in world.roles.values() if role.name == "Moderator")
    world.users[bruno.id] = replace(bruno, roles=(moderator.id,))
    try:
        async with Person(api=playground.api, gateway=playground.gateway.url, token=bruno.token) as person:
            for command in ("pause", "free", "status", "resume", "drain"):
                assert (await orders(person, command)).startswith("Only whoever this bot belongs to can do")
            assert (await orders(person, "cancel", everything=True)).startswith("Only whoever this bot")
            assert await person.autocomplete("admin cancel", "request", "") == []
    finally:
        world.users[bruno.id] = bruno
    assert (await orders(stage.mina, "status")).startswith("**Drawing** whatever is asked.")


async def test_draining_finishes_what_has_begun_and_the_pause_outlives_a_restart(stage: Stage) -> None:
    with stage.bot.holding():
        first = await asks(stage.anna, "held but finished")
        await being_drawn(stage)
        assert (await orders(stage.mina, "drain")).startswith("**Being paused:**")
        second = await asks(stage.bruno, "after the drain")
        await stage.bruno.answer(second, says("Paused", "Your request is kept", "Your picture is next"))
    assert pictures_of(await result(stage.anna, first))
    assert (await orders(stage.mina, "free")).startswith(
        "My models are out of memory.\n**Paused** by my owner."
    )
    assert await stage.bot.stop() == 0
    await stage.bot.start()
    said = await orders(stage.mina, "status")
    assert said.startswith("**Paused** by my owner.")
    assert "**1** waiting" in said
    assert (await orders(stage.mina, "resume")).startswith("**Drawing** whatever is asked.")
    assert pictures_of(await result(stage.bruno, second))


async def test_what_is_drawn_when_the_owner_pauses_or_frees_waits_and_is_drawn_later(stage: Stage) -> None:
    with stage.bot.holding():
        first = await asks(stage.anna, "held and interrupted")
        await being_drawn(stage)
        assert (await orders(stage.mina, "pause")).startswith("**Paused** by my owner.")
        await stage.anna.answer(first, says("Paused", "Your request is kept"))
        await orders(stage.mina, "resume")
        await being_drawn(stage)
        said = await orders(stage.mina, "free")
        assert said.startswith("My models are out of memory.\n**Resting:**")
        assert "**In memory:** no model" in said
    assert pictures_of(await draws(stage.bruno, "wakes it up"))
    assert pictures_of(await result(stage.anna, first))
    assert "**In memory:** noise." in await orders(stage.mina, "status")


async def test_the_owner_cancels_one_request_a_persons_or_all(stage: Stage) -> None:
    with stage.bot.holding():
        askers = (stage.anna, stage.bruno, stage.bruno)
        asked = [await asks(person, f"held {number}") for number, person in enumerate(askers)]
        await stage.bruno.answer(asked[2], says("Waiting"))
        choices = await stage.mina.autocomplete("admin cancel", "request", "")
        assert len(choices) == 3
        assert not any("held" in choice["name"] for choice in choices)
        assert await orders(stage.mina, "cancel", request=choices[1]["value"]) == "1 request cancelled."
        assert await orders(stage.mina, "cancel", person=stage.bruno.id) == "1 request cancelled."
        said = await orders(stage.mina, "cancel", person=stage.bruno.id)
        assert said == "No such request waits or is being drawn."
        said = await orders(stage.mina, "cancel", person=stage.anna.id, everything=True)
        assert said.startswith("Say what to cancel")
        assert await orders(stage.mina, "cancel", everything=True) == "1 request cancelled."
        said = await orders(stage.mina, "cancel", everything=True)
        assert said == "**Nothing** is being drawn, and nothing waits."
        for person, each in zip(askers, asked, strict=True):
            await person.answer(each, says("Cancelled"))


async def test_everything_is_acknowledged_at_once_while_the_queue_is_full_and_the_database_locked(
    stage: Stage,
) -> None:
    """Check 1: nothing that Discord waits for waits for the device, the queue or the disk."""
    before = await draws(stage.anna, "before it was full")
    people = (stage.anna, stage.bruno)
    with stage.bot.holding():
        waiting = [await asks(people[k % 2], f"held {k}") for k in range(MANY - 1)]
        card = await running(stage.anna, waiting[0])
        with closing(sqlite3.connect(stage.bot.database, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            last = await asks(stage.mina, "held and last")
            too_many = await asks(stage.anna, "too many")
            others = await asyncio.gather(
                stage.anna.command("queue", {}),
                *(stage.anna.press(before, label) for label in ("Settings", "Reroll")),
                stage.anna.press(card, "Cancel"),
            )
            lock.execute("ROLLBACK")
        for asked in (last, too_many, *others):
            assert asked.seconds < WAITED_FOR_THE_DATABASE
        assert "The queue is full" in await told(stage.anna, too_many)
        await stage.anna.answer(waiting[0], says("Cancelled"))
        await stage.mina.answer(last, says("Waiting"))
        assert await orders(stage.mina, "cancel", everything=True) == f"{MANY - 1} requests cancelled."
        everybody = [*((people[k % 2], each) for k, each in enumerate(waiting)), (stage.mina, last)]
        await asyncio.gather(*(person.answer(asked, says("Cancelled")) for person, asked in everybody))
