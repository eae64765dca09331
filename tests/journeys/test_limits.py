"""What servers allow people, what counts, and what is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from playground.nouns import Json
from playground.person import Asked, Person
from playground.reading import pictures_of, text_of
from tests.journeys.kept import rows
from tests.journeys.stage import Stage, asks, draws, result, running, says, staged, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(
        tmp_path_factory.mktemp("bot"), MAX_PICTURES_PER_DAY="60", MAX_WEIGHT="3", UNLOAD_AFTER="0.001"
    ) as stage:
        yield stage


async def limits(person: Person, **options: str | int) -> str:
    return await told(person, await person.command("server limits", options))


def regular(stage: Stage) -> str:
    roles: list[Json] = stage.mina.guild["roles"]
    return str(next(role["id"] for role in roles if role["name"] == "Regular"))


def kept(stage: Stage) -> int:
    """Pictures that count."""
    [[number]] = rows(stage, "SELECT COALESCE(SUM(count), 0) FROM jobs WHERE state IN ('queued', 'done')")
    assert isinstance(number, int)
    return number


async def test_who_manages_the_server_sets_limits_for_everybody_and_for_roles(stage: Stage) -> None:
    said = await limits(stage.mina)
    assert said.startswith("This server has set no limits.")
    assert "60 pictures a day" in said
    role = regular(stage)
    said = await limits(stage.mina, role=role, pictures=5, turns=3)
    assert f"<@&{role}>: 5 pictures a day, 3 turns in the queue." in said
    said = await limits(stage.mina, pictures=2, size="256x256", steps=90)
    assert (
        "**Everybody**: 2 pictures a day, pictures of up to 256 × 256 pixels, 90 steps at the most." in said
    )
    said = await limits(stage.mina, role=role, together=9)
    assert said == "What all people may have in common is not for one role; leave out `role`."
    assert "could not read the size `big`" in await limits(stage.mina, size="big")


async def test_a_batch_counts_each_picture_and_a_role_counts_before_everybody(stage: Stage) -> None:
    assert pictures_of(await draws(stage.bruno, "one"))
    said = await told(stage.bruno, await asks(stage.bruno, "two more", count=2))
    assert said.startswith(
        "You can have 1 more picture in this server today, of 2; this would be 2. There are"
    )
    assert "<t:" in said
    assert pictures_of(await draws(stage.bruno, "the last"))
    card = await draws(stage.anna, "a batch", count=4)
    said = await told(stage.bruno, await stage.bruno.press(card, "Reroll"))
    assert said.startswith("You have had your 2 pictures of today in this server.")
    assert not any("two more" in text_of(message) for message in await stage.bruno.messages())
    assert rows(stage, "SELECT DISTINCT asker, weight FROM jobs ORDER BY weight") == [
        (int(stage.bruno.id), 1),
        (int(stage.anna.id), 3),
    ]


async def test_two_clicks_at_once_are_charged_once_each_and_never_pass_the_limit(stage: Stage) -> None:
    """Check 14: of two rerolls at once with one picture left, one is drawn."""
    before = kept(stage)
    card = next(m for m in await stage.anna.messages() if "a batch" in text_of(m))
    await limits(stage.mina, role=regular(stage), pictures=12)
    one, two = await asyncio.gather(stage.anna.press(card, "Reroll"), stage.anna.press(card, "Reroll"))
    await asyncio.gather(result(stage.anna, one), result(stage.anna, two))
    assert kept(stage) == before + 8
    await limits(stage.mina, role=regular(stage), pictures=16)
    clicks = await asyncio.gather(*(stage.anna.press(card, "Reroll") for _ in range(3)))

    async def ended(click: Asked) -> bool:
        answer = await stage.anna.answer(click, lambda m: bool(pictures_of(m)) or "have had" in text_of(m))
        return bool(pictures_of(answer))

    assert sorted(await asyncio.gather(*map(ended, clicks))) == [False, False, True]
    assert kept(stage) == before + 12


async def test_what_fails_or_is_cancelled_is_given_back_also_after_a_crash(stage: Stage) -> None:
    await limits(stage.mina, role=regular(stage), pictures=20)
    before = kept(stage)
    failed = await asks(stage.anna, "fail", count=4)
    await stage.anna.answer(failed, says("did not work"))
    assert kept(stage) == before
    with stage.bot.holding():
        waits = await asks(stage.anna, "held", count=4)
        card = await running(stage.anna, waits)
        said = await told(stage.anna, await asks(stage.anna, "one too many"))
        assert said.startswith("You have had your 20 pictures of today in this server.")
        await stage.bot.kill()
        await stage.bot.start()
        said = await told(stage.anna, await asks(stage.anna, "and again"))
        assert said.startswith("You have had your 20 pictures of today in this server.")
        card = await running(stage.anna, waits)
        await stage.anna.press(card, "Cancel")
        await stage.anna.answer(waits, says("Cancelled"))
    assert kept(stage) == before
    assert pictures_of(await draws(stage.anna, "again"))


async def test_other_limits_are_refused_with_what_is_possible(stage: Stage) -> None:
    said = await told(stage.anna, await asks(stage.anna, "large", size="512x256"))
    assert said.startswith("512x256 is larger than I may draw here; a square can be 256x256")
    said = await told(stage.anna, await asks(stage.anna, "long", steps=91))
    assert said == "91 steps are more than I may take here; choose 1 to 90."
    await limits(stage.mina, role=regular(stage), waiting=1, pictures=40)
    assert "may have one request waiting" in await told(stage.anna, await stage.anna.command("help"))
    with stage.bot.holding():
        waits = await asks(stage.anna, "held")
        card = await running(stage.anna, waits)
        said = await told(stage.anna, await asks(stage.anna, "another"))
        assert said == "You have a request waiting in this server already; ask again when it is done."
        # Check 9: cancelling frees the place, and is about one's own request.
        other = await asks(stage.mina, "held of somebody else")
        waiting = await stage.mina.answer(other, says("Waiting"))
        await stage.anna.press(card, "Cancel")
        await stage.anna.answer(waits, says("Cancelled"))
        again = await asks(stage.anna, "in the place that was freed")
        await stage.mina.press(waiting, "Cancel")
    assert pictures_of(await result(stage.anna, again))


async def test_what_is_left_out_stays_inside_the_limits(stage: Stage) -> None:
    await limits(stage.mina, steps=5)
    assert "5 steps" in text_of(await draws(stage.anna, "whatever suits"))


async def test_in_direct_messages_the_owners_limits_hold(stage: Stage) -> None:
    direct = await stage.bruno.direct_messages()
    asked = await asks(stage.bruno, "in private", channel_id=direct, size="512x256")
    assert pictures_of(await result(stage.bruno, asked))
    assert "putting fake:noise away" in stage.bot.log, "it comes and goes, and nobody notices"
    assert rows(stage, "SELECT weight, server FROM jobs WHERE prompt = 'in private'") == [(1, None)]
