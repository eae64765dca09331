"""What a card says in each state of a job."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.card import Action, Card, Tone
from bot.cards import SAVE_STYLE, calling, card_for, leaving_card
from bot.recipe import command_line, settings_card
from generation.catalogue import Family
from generation.embeddings import Embeddings
from generation.hold import Hold
from generation.job import Cancelled, Failed, Finished, JobEvent, JobState, Loading, Progressed, Queued
from generation.request import OWN_SAMPLER, SEEDS, Control, Digest, Seed, Size, Upscale
from tests.bot.cards import chosen, finished, varied, words
from tests.bot.things import ADA, OIL, SHELF, TWO, done, job, pictures
from tests.generation.toys import write_safetensors


def actions(card: Card) -> list[Action]:
    return [button.action for button in card.buttons]


@pytest.mark.parametrize(
    ("hold", "said"), [(Hold.PAUSED, "Paused"), (Hold.DRAINING, "Paused"), (Hold.RESTING, "Resting")]
)
def test_who_waits_while_drawing_is_held_back_is_told_that_the_request_is_kept(hold: Hold, said: str) -> None:
    shown = words(card_for(Queued(job=job(), place=3, hold=hold, loading=Loading()), SHELF))
    assert f"**{said}.**" in shown
    assert "Your request is kept" in shown
    assert "You are number 3 in line." in shown


def test_a_waiting_job_shows_its_place_and_can_be_cancelled() -> None:
    card = card_for(Queued(job=job(), place=3), SHELF)
    assert "You are number 3 in line." in words(card)
    assert card.tone is Tone.WAITING
    assert actions(card) == [Action.CANCEL]


def test_the_first_in_line_is_told_so() -> None:
    assert "Your picture is next." in words(card_for(Queued(job=job(), place=1), SHELF))


def test_the_model_that_is_on_its_way_is_named_and_how_far_it_is() -> None:
    def said(loading: Loading) -> str:
        return words(card_for(Queued(job=job(), place=1, loading=loading), TWO))

    assert "**Loading the model.** Your picture is next." in said(Loading())
    assert r"**Loading Oil \*Paint\*.** Your picture is next." in said(Loading(model="models/oil"))
    coming = Loading(model="someone/dreams", fetched=1_230_000_000, total=4_270_000_000)
    assert "**Downloading dreams:** 1.2 of 4.3 GB. Your picture is next." in said(coming)
    small = Loading(model="someone/dreams", fetched=0, total=340_000_000)
    assert "**Downloading dreams:** 0.0 of 340.0 MB." in said(small)


def test_what_keeps_the_studio_from_drawing_is_said_and_that_the_request_is_kept() -> None:
    said = words(card_for(Queued(job=job(), place=1, trouble="There is no such model."), SHELF))
    assert "There is no such model." in said
    assert "Your request is kept." in said


def test_a_waiting_job_says_when_it_should_be_there_if_that_is_known() -> None:
    waiting = Queued(job=job(), place=3)
    said = words(card_for(waiting, SHELF, expected_at=1_700_000_045))
    assert "You are number 3 in line. It should be there <t:1700000045:R>." in said
    assert "should be there" not in words(card_for(waiting, SHELF))
    loading = replace(waiting, loading=Loading(model="models/mini"))
    said = words(card_for(loading, SHELF, expected_at=1_700_000_045))
    assert "**Loading" in said
    assert said.index("**Loading") < said.index("It should be there <t:1700000045:R>.")


def test_a_running_job_says_about_how_long_it_will_still_take() -> None:
    running = Progressed(job=job(), step=5, steps=20)
    assert "25% · about 40 s left" in words(card_for(running, SHELF, left=41.2))
    assert "left" not in words(card_for(running, SHELF, left=2.0))
    assert "left" not in words(card_for(running, SHELF))


def test_a_running_job_shows_its_step_and_a_bar_that_says_the_same() -> None:
    card = card_for(Progressed(job=job(), step=5, steps=20), SHELF)
    assert "step 5 of 20" in words(card)
    assert "▰▰▰▱▱▱▱▱▱▱▱▱ 25%" in words(card)
    assert actions(card) == [Action.CANCEL]


@pytest.mark.parametrize("step", range(0, 81, 10))
def test_the_bar_always_has_the_same_length(step: int) -> None:
    card = card_for(Progressed(job=job(count=4), step=step, steps=80), SHELF)
    bar = re.search("[▰▱]+", words(card))
    assert bar is None or len(bar[0]) == 12


def test_a_result_shows_all_settings_whose_it_is_and_how_long_it_took() -> None:
    said = words(finished(job(), seconds=0.84))
    for fact in ("Mini", "128 × 128", "20 steps", "guidance 5", "Euler a", "seed 123", f"<@{ADA}>", "0.8 s"):
        assert fact in said


def test_what_a_picture_was_made_from_is_one_click_away() -> None:
    ended = Finished(job=done(job()), pictures=pictures(job()))
    link = "https://discord.com/channels/1/2/3"
    assert f"made from [this one]({link})" in words(card_for(ended, SHELF, parent_link=link))
    assert "made from" not in words(finished(job()))


def test_a_failed_card_says_what_happened_and_what_to_do() -> None:
    failed = job().moved(JobState.FAILED, failure="There is not enough memory to draw this.")
    said = words(card_for(Failed(job=failed), SHELF))
    assert "**This one did not work.** There is not enough memory to draw this." in said
    assert "You can try again with another seed, or edit it first." in said


def test_no_state_is_told_by_its_colour_alone() -> None:
    failed = job().moved(JobState.FAILED, failure="It broke.")
    shown: dict[str, JobEvent] = {
        "Waiting": Queued(job=job(), place=1),
        "Loading": Queued(job=job(), place=1, loading=Loading()),
        "Drawing": Progressed(job=job(), step=1, steps=20),
        "did not work": Failed(job=failed),
        "Cancelled": Cancelled(job=job().moved(JobState.CANCELLED)),
    }
    for word, event in shown.items():
        assert word in card_for(event, SHELF).text[1]


def test_a_result_can_be_rerolled_edited_inspected_and_deleted() -> None:
    assert actions(finished(job())) == [Action.REROLL, Action.EDIT, Action.SETTINGS, Action.DELETE]


@pytest.mark.parametrize("count", [1, 4])
def test_a_result_has_two_rows_of_five_buttons_at_the_most_and_a_menu(count: int) -> None:
    control = Control(model="mini-edges", picture=Digest("0" * 64))
    card = finished(job(count=count, controls=(control,)))
    assert max(len(card.buttons), len(card.further)) <= 5
    assert card.menu is not None
    assert len(card.menu.entries) <= 25
    assert SAVE_STYLE in [entry.value for entry in card.menu.entries]


def test_what_was_only_brought_to_be_enlarged_cannot_be_edited() -> None:
    size = Size(width=256, height=256)
    upscale = Upscale(upscaler="x2", factor=2.0, picture=Digest("0" * 64), size=size, brought=True)
    brought = job("A picture that somebody brought", upscale=upscale)
    assert actions(finished(brought)) == [Action.SETTINGS, Action.DELETE]
    failed = brought.moved(JobState.FAILED, failure="It broke.")
    assert Action.EDIT not in actions(card_for(Failed(job=failed), SHELF))


def test_a_result_has_one_described_file_for_each_picture() -> None:
    card = finished(job("two squares", count=2))
    assert [picture.alt for picture in card.pictures] == [
        "Picture 1 of 2: two squares",
        "Picture 2 of 2: two squares",
    ]
    assert len({picture.name for picture in card.pictures}) == 2


def test_alt_text_is_never_longer_than_discord_takes() -> None:
    assert all(len(picture.alt) <= 1024 for picture in finished(job("x" * 2000, count=4)).pictures)


def test_the_seeds_of_several_pictures_are_all_there() -> None:
    assert "seeds 123 to 126" in words(finished(job(count=4)))
    last = finished(job(count=3, seed=Seed(SEEDS - 1)))
    assert f"seeds {SEEDS - 1}, 0, 1" in words(last)


def test_words_that_the_model_does_not_know_are_named() -> None:
    said = words(finished(job("a red spaceship with a cat")))
    assert "The embedded model does not know: spaceship, with, cat" in said
    assert "does not know" not in words(finished(job("a red circle")))


def test_learned_words_are_known_named_in_the_settings_and_misfits_are_told(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "spaceship.safetensors", {"emb_params": [1, 128]})
    write_safetensors(tmp_path / "sun-ink.safetensors", {"emb_params": [1, 768]})
    (tmp_path / "old.pt").write_bytes(b"")
    shelf = replace(SHELF, embeddings=Embeddings(tmp_path))
    shelf.embeddings.refresh()
    of = job("a red (Spaceship:1.2) zebra", negative_prompt="old (sun-ink)")
    said = words(card_for(Finished(job=done(of), pictures=pictures(of)), shelf))
    assert "The embedded model does not know: zebra\n" in said
    assert "old is a learned word whose file cannot be used; it was read as letters" in said
    assert "sun-ink was learned for Stable Diffusion 1; Mini read it as letters" in said
    assert "**Learned words** `spaceship`" in words(settings_card(of, shelf, parent_link=None))
    assert "Learned words" not in words(settings_card(job(), shelf, parent_link=None))


def test_a_failure_says_why_and_offers_another_try() -> None:
    failed = job().moved(JobState.FAILED, failure="The picture is too large for this machine's memory.")
    card = card_for(Failed(job=failed), SHELF)
    assert "The picture is too large for this machine's memory." in words(card)
    assert card.buttons[0].label == "Try again"
    assert card.buttons[0].action is Action.REROLL


def test_a_cancelled_job_says_so_and_can_be_drawn_after_all() -> None:
    card = card_for(Cancelled(job=job().moved(JobState.CANCELLED)), SHELF)
    assert "Cancelled" in words(card)
    assert Action.REROLL in actions(card)


def test_only_a_message_of_its_own_calls_the_asker() -> None:
    card = finished(job())
    assert card.mention is None
    called = calling(card, ADA)
    assert called.mention == ADA
    assert called.text[0].startswith(f"<@{ADA}>")


def test_a_long_prompt_is_shortened_on_the_card() -> None:
    card = finished(job("x" * 2000, negative_prompt="y" * 2000))
    assert len(words(card)) < 1000
    assert "x…" in words(card)


def test_of_variations_the_seed_is_said_once_and_every_variation_seed() -> None:
    several = job(seed=Seed(7), count=3, variations=varied(1))
    settings = words(settings_card(several, SHELF, parent_link=None))
    assert "**Seed** `7`" in settings
    assert "**Varied** by 0.15 towards seeds, one for each picture: `100`, `101`, `102`" in settings
    assert "· seed 7\n" in words(finished(several))


def test_a_card_shows_what_was_typed_and_what_was_chosen() -> None:
    one = finished(chosen("a blue zebra"))
    assert one.text[0] == r"> a {red\|blue} zebra"
    assert "chosen: a blue zebra" in one.small
    assert one.pictures[0].alt == "a blue zebra"
    two = chosen("a blue zebra", "a red zebra")
    assert "chosen: 1: a blue zebra · 2: a red zebra" in finished(two).small
    assert finished(two).pictures[1].alt == "Picture 2 of 2: a red zebra"
    assert "**Chosen** 1: a blue zebra · 2: a red zebra" in settings_card(two, SHELF, parent_link=None).text
    assert "chosen" not in words(finished(job()))


def test_unknown_words_are_seen_through_choices_and_weights() -> None:
    of = chosen("a (crimson:1.2) circle", "a red [zebra]", "a red zebra BREAK", model=OIL.source)
    said = words(card_for(Finished(job=done(of), pictures=pictures(of)), TWO))
    assert r"Oil \*Paint\* does not know: crimson, zebra" in said


def test_a_model_that_reads_language_says_that_it_does_not_weigh() -> None:
    flux = replace(OIL, family=Family.OTHER, words=None)
    shelf = replace(TWO, models=(TWO.models[0], flux))
    for prompt, is_told in (
        ("a (red:1.3) circle", True),
        ("a sun BREAK", True),
        ("a sun (half hidden) :)", False),
    ):
        of = job(prompt, model=OIL.source)
        said = words(card_for(Finished(job=done(of), pictures=pictures(of)), shelf))
        assert ("takes weights and BREAK for words of the prompt" in said) is is_told


def test_a_model_that_takes_no_negative_prompt_says_so_to_who_gave_one() -> None:
    flux = replace(OIL, family=Family.OTHER, words=None, takes_negative=False)
    for model, negative, is_told in (
        (flux, "blurry", True),
        (replace(flux, family=Family.SD1), "blurry", True),
        (flux, "", False),
        (replace(flux, takes_negative=True), "blurry", False),
    ):
        of = job("a circle", model=OIL.source, negative_prompt=negative)
        shelf = replace(TWO, models=(TWO.models[0], model))
        said = words(card_for(Finished(job=done(of), pictures=pictures(of)), shelf))
        assert ("takes no negative prompt; it drew without" in said) is is_told


@pytest.mark.parametrize("count", [1, 4])
def test_the_longest_texts_fit_into_a_message(count: int) -> None:
    of = chosen(*["`" * 2000] * count, prompt="`" * 2000, negative_prompt="`" * 2000)
    for card in (finished(of), settings_card(of, SHELF, parent_link=None)):
        assert len(words(card)) < 4000


# Several models ------------------------------------------------------------------------------------------


def test_a_card_names_the_model_that_was_chosen() -> None:
    of = job(model=OIL.source)
    for event in (Queued(job=of, place=1), Progressed(job=of, step=1, steps=20)):
        assert r"Oil \*Paint\* · 128 × 128" in words(card_for(event, TWO))
    assert r"**Model** Oil \*Paint\*" in words(settings_card(of, TWO, parent_link=None))


def test_a_card_names_a_model_that_is_gone_by_the_end_of_its_source() -> None:
    assert "dream · 128 × 128" in words(
        card_for(Queued(job=job(model="/models/dream.safetensors"), place=1), TWO)
    )


def test_unknown_words_are_said_of_the_model_that_does_not_know_them() -> None:
    of = job("a red cat", model=OIL.source)
    said = words(card_for(Finished(job=done(of), pictures=pictures(of)), TWO))
    assert r"Oil \*Paint\* does not know: cat" in said


def test_a_sampler_that_nobody_can_choose_is_no_setting() -> None:
    of = job(model=OIL.source, sampler=OWN_SAMPLER)
    assert OWN_SAMPLER not in words(card_for(Queued(job=of, place=1), TWO))
    assert "sampler" not in (command_line(of.request, TWO) or "sampler")
    assert f"**Sampler** {OWN_SAMPLER}" in words(settings_card(of, TWO, parent_link=None))


def test_a_message_that_cannot_be_changed_any_more_says_where_its_end_comes() -> None:
    running = Progressed(job=job(), step=5, steps=20)
    card = leaving_card(running, SHELF, directly=False)
    assert "the result will be a new one" in words(card)
    assert "%" not in words(card)
    assert [button.action for button in card.buttons] == [Action.CANCEL]
    assert "/history" in words(leaving_card(running, SHELF, directly=True))
