"""What is said of the queue, and to whom."""

from __future__ import annotations

from dataclasses import replace

from bot.card import Action
from bot.commands.admin import suggested
from bot.language import language
from bot.standing import HELD, counted, freed, models_told, queue_card
from generation.hold import Hold
from generation.job import JobEvent, JobId, JobState, Loading, Progressed, Queued, UserId
from tests.bot.things import ADA, MODEL, SHELF, TWO, job

BEN = UserId(12)
ENGLISH = language("en")


def line(*askers: UserId, drawn: int = 0) -> list[JobEvent]:
    """Requests in their order, of which the first ones are drawn."""
    events: list[JobEvent] = []
    for number, asker in enumerate(askers):
        one = replace(job(f"secret {number} of {asker}", count=2), id=JobId(f"{number:016}"), asker=asker)
        if number < drawn:
            events.append(Progressed(job=replace(one, state=JobState.RUNNING), step=3, steps=40))
        else:
            events.append(Queued(job=one, place=number - drawn + 1))
    return events


def test_others_are_numbers_and_ones_own_are_shown_with_a_button() -> None:
    standing = line(BEN, ADA, BEN, BEN, ADA, BEN, drawn=2)
    card = queue_card(standing, ADA, SHELF, hold=Hold.NONE, models=["m"], left=["l"])
    assert card.text == (
        "**2** requests being drawn · **4** waiting · of 2 people\n"
        "-# 1 of somebody else\n"
        "**Yours, step 3 of 40:** secret 1 of 11 · 2 pictures\n"
        "-# 2 of others\n"
        "**Yours, number 3 in line:** secret 4 of 11 · 2 pictures\n"
        "-# 1 of somebody else",
        "m",
    )
    assert card.small == ("l",)
    assert [(button.action, button.job, button.label) for button in card.buttons] == [
        (Action.TAKE_BACK, standing[1].job.id, "Cancel what is drawn"),
        (Action.TAKE_BACK, standing[4].job.id, "Cancel number 3"),
    ]


def test_who_has_nothing_in_it_hears_how_much_there_is_and_of_how_many() -> None:
    card = queue_card(line(BEN, BEN, drawn=1), ADA, SHELF, hold=Hold.PAUSED, models=[], left=[])
    assert card.text[0] == f"{HELD[Hold.PAUSED]}\n**1** request being drawn · **1** waiting · of 1 person"
    assert not card.buttons
    assert counted(line(BEN, ADA)) == "**2** waiting · of 2 people"
    assert counted(()) == "**Nothing** is being drawn, and nothing waits."


def test_a_hundred_requests_of_ones_own_still_fit() -> None:
    card = queue_card(line(*[ADA] * 100), ADA, SHELF, hold=Hold.NONE, models=[], left=[])
    assert "-# … and 90 more of yours" in card.text[0]
    assert (len(card.buttons), len(card.further)) == (5, 5)


def test_models_are_told_by_their_names_and_how_far_they_are() -> None:
    assert models_told({MODEL.source, "models/oil"}, (), TWO) == (r"**In memory:** Mini, Oil \*Paint\*.",)
    coming = Loading(model="models/oil", fetched=10**9, total=4 * 10**9)
    assert models_told((), (coming,), TWO) == (r"**Downloading Oil \*Paint\*:** 1.0 of 4.0 GB.",)
    assert models_told((), (), TWO) == ("**In memory:** no model; one comes when it is asked for.",)


def test_what_the_owner_can_cancel_is_suggested_without_anybodys_words() -> None:
    standing = line(BEN, ADA, *[BEN] * 30, drawn=1)
    choices = suggested(standing, "", ENGLISH)
    assert len(choices) == 25
    assert choices[0].name == "0000000000000000 · being drawn · 2 × 128x128 · 12"
    assert not any("secret" in choice.name for choice in choices)
    assert [choice.value for choice in suggested(standing, "number 31", ENGLISH)] == [standing[31].job.id]


def test_while_a_model_is_still_read_nobody_is_told_that_memory_is_free_or_that_somebody_draws() -> None:
    assert freed(is_done=True, is_reading=True) == "My models are out of memory."
    assert "as soon as what is in hand" in freed(is_done=False, is_reading=False)
    assert "still reading a model" in freed(is_done=False, is_reading=True)
