"""What happens when a button is pressed, and by whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from playground.nouns import Json
from playground.person import Asked
from playground.reading import button_labels, is_ephemeral, pictures_of, text_of
from tests.journeys.kept import until
from tests.journeys.stage import Stage, asks, draws, result, running, says, told

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def holding(stage: Stage) -> Iterator[None]:
    """Nothing that is held here is ever done."""
    with stage.bot.holding():
        yield


async def drawing(stage: Stage) -> tuple[Asked, Json]:
    """Anna's picture on its way, seen by everybody."""
    asked = await asks(stage.anna, "held")
    card = await running(stage.anna, asked)
    for person in (stage.bruno, stage.mina):
        await person.message(lambda message: message["id"] == card["id"] and says("Drawing")(message))
    return asked, card


async def test_who_asked_can_cancel_while_it_is_drawn_and_have_it_after_all(stage: Stage) -> None:
    asked, card = await drawing(stage)
    await stage.anna.press(card, "Cancel")
    cancelled = await stage.anna.answer(asked, says("Cancelled"))
    assert button_labels(cancelled) == ["Draw it after all", "Edit", "Settings", "Delete"]
    again = await stage.anna.press(cancelled, "Draw it after all")
    card = await running(stage.anna, again)
    await stage.anna.press(card, "Cancel")
    await stage.anna.answer(again, says("Cancelled"))


async def test_a_waiting_request_can_be_cancelled_and_the_others_move_up(stage: Stage) -> None:
    first, card = await drawing(stage)
    second = await asks(stage.bruno, "held second")
    third = await asks(stage.mina, "held third")
    waiting = await stage.bruno.answer(second, says("Waiting"))
    await stage.mina.answer(third, says("Waiting"))
    await stage.bruno.press(waiting, "Cancel")
    await stage.bruno.answer(second, says("Cancelled"))
    await stage.mina.answer(third, says("Your picture is next"))
    await stage.anna.press(card, "Cancel")
    card = await running(stage.mina, third)
    await stage.mina.press(card, "Cancel")
    await stage.mina.answer(third, says("Cancelled"))
    await stage.anna.answer(first, says("Cancelled"))


async def test_a_stranger_is_told_privately_that_they_cannot_cancel(stage: Stage) -> None:
    asked, card = await drawing(stage)
    said = await told(stage.bruno, await stage.bruno.press(card, "Cancel"))
    assert said == "Only the person who asked for this, or a moderator, can cancel it."
    assert not any(is_ephemeral(message) for message in stage.anna.seen.values())
    await stage.mina.press(card, "Cancel")
    await stage.anna.answer(asked, says("Cancelled"))


async def test_two_clicks_on_cancel_are_one_cancellation_and_one_sentence(stage: Stage) -> None:
    asked, card = await drawing(stage)
    clicks = await asyncio.gather(stage.anna.press(card, "Cancel"), stage.anna.press(card, "Cancel"))
    await stage.anna.answer(asked, says("Cancelled"))

    def answered_in_private(message: Json) -> bool:
        about = message.get("interaction_metadata", {}).get("id")
        return is_ephemeral(message) and about in {click.id for click in clicks}

    said = text_of(await stage.anna.message(answered_in_private))
    assert "there is nothing left to cancel" in said


async def test_delete_removes_the_message_and_forgets_the_picture(stage: Stage) -> None:
    card = await draws(stage.anna, "delete me")
    kept = files(stage)
    await stage.anna.press(card, "Delete")
    await stage.anna.until(lambda: card["id"] in stage.anna.deleted)
    await until(lambda: files(stage) < kept)
    assert len(files(stage)) == len(kept) - 1


def files(stage: Stage) -> set[Path]:
    return {path for path in (stage.bot.folder / "data" / "pictures").rglob("*") if path.is_file()}


async def test_a_stranger_cannot_delete_but_a_moderator_can(stage: Stage) -> None:
    card = await draws(stage.anna, "leave me")
    said = await told(stage.bruno, await stage.bruno.press(card, "Delete"))
    assert said == "Only the person who asked for this, or a moderator, can delete it."
    assert card["id"] not in stage.anna.deleted
    await stage.mina.press(card, "Delete")
    await stage.anna.until(lambda: card["id"] in stage.anna.deleted)


async def test_settings_are_shown_privately_with_a_line_to_copy(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle", count=2, seed=5, steps=3, negative_prompt="blue")
    said = await told(stage.bruno, await stage.bruno.press(card, "Settings"))
    for fact in ("`5`", "`6`", "noise", "Euler", "blue"):
        assert fact in said
    assert (
        "/imagine prompt:a red circle negative_prompt:blue size:128x128 steps:3 guidance:5 "
        "sampler:Euler seed:5 count:2"
    ) in said


async def test_settings_of_a_reroll_lead_to_its_parent(stage: Stage) -> None:
    card = await draws(stage.anna, "a red circle")
    again = await result(stage.anna, await stage.anna.press(card, "Reroll"))
    said = await told(stage.anna, await stage.anna.press(again, "Settings"))
    assert f"https://discord.com/channels/{stage.anna.guild['id']}/{card['channel_id']}/{card['id']}" in said


async def test_settings_with_the_longest_prompts_still_arrive(stage: Stage) -> None:
    card = await draws(stage.anna, "*" * 2000, negative_prompt="`" * 2000)
    asked = await stage.anna.press(card, "Settings")
    shown = await stage.anna.answer(asked)
    (attached,) = shown["attachments"]
    line = (await stage.anna.fetch(attached)).decode()
    assert line.startswith("/imagine prompt:***")
    assert "negative_prompt:```" in line


async def test_two_clicks_at_once_are_two_rerolls_and_one_deletion(stage: Stage) -> None:
    card = await draws(stage.anna, "twice")
    first, second = await asyncio.gather(stage.anna.press(card, "Reroll"), stage.anna.press(card, "Reroll"))
    one, two = await result(stage.anna, first), await result(stage.anna, second)
    assert one["id"] != two["id"]
    await asyncio.gather(stage.anna.press(one, "Delete"), stage.anna.press(one, "Delete"))
    await stage.anna.until(lambda: one["id"] in stage.anna.deleted)
    assert two["id"] not in stage.anna.deleted


async def test_a_button_of_a_picture_that_is_gone_is_a_sentence(stage: Stage) -> None:
    card = await draws(stage.anna, "soon gone")
    forgotten = {"type": 2, "custom_id": "reroll:zzzzzzzzzzzzzzzz"}
    message = stage.playground.world.messages
    stored = next(m for m in message.values() if str(m.id) == card["id"])
    _rename_buttons(stored.components, "zzzzzzzzzzzzzzzz")
    card = {**card, "components": [{"type": 1, "components": [forgotten]}]}
    said = await told(stage.anna, await stage.anna.press(card, "reroll:zzzzzzzzzzzzzzzz"))
    assert said == "I no longer have that picture."


def _rename_buttons(components: tuple[Json, ...], job: str) -> None:
    """Let a message's buttons speak of another job: one from before the database was lost, say."""
    for row in components:
        for part in row.get("components", ()):
            if "custom_id" in part:
                part["custom_id"] = part["custom_id"].split(":")[0] + f":{job}"


async def test_a_result_that_was_deleted_by_hand_does_not_disturb_the_bot(stage: Stage) -> None:
    _, card = await drawing(stage)
    await stage.mina.delete(card)
    await stage.anna.until(lambda: card["id"] in stage.anna.deleted)
    assert pictures_of(await draws(stage.bruno, "and on it goes"))
