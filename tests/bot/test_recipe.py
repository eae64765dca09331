"""How a picture was made: its settings, and the command that makes it again."""

from __future__ import annotations

from dataclasses import replace

from bot.recipe import VARIATIONS, command_line, settings_card
from generation.job import JobId
from generation.request import Hires, Size
from tests.bot.cards import chosen, varied, words
from tests.bot.things import OIL, SHELF, TWO, job, request


def test_settings_show_the_seed_of_every_image_and_the_parent() -> None:
    of = job(count=2, parent=JobId("fedcba9876543210"), negative_prompt="blue")
    said = words(settings_card(of, SHELF, parent_link="https://discord.com/channels/1/2/3"))
    for fact in ("`123`", "`124`", "blue", "Euler a", "Mini", "https://discord.com/channels/1/2/3"):
        assert fact in said


def test_of_very_many_variations_the_last_are_told() -> None:
    settings = words(settings_card(job(variations=varied(200)), SHELF, parent_link=None))
    assert f"**Varied** {200 - VARIATIONS - 1} times before that" in settings
    assert "`299`" in settings
    assert len(settings) < 1000


def test_there_is_no_ready_command_for_a_second_pass_that_can_only_be_had_by_rounding() -> None:
    hires = Hires(size=Size(width=176, height=176), steps=20)
    of = request(size=Size(width=160, height=160), hires=hires)
    assert "hires:1.1 " in str(command_line(of, SHELF))
    narrower = replace(hires, size=Size(width=224, height=224))
    assert command_line(replace(of, size=Size(width=208, height=208), hires=narrower), SHELF) is None


def test_a_parent_whose_message_is_not_known_is_named_by_its_id() -> None:
    of = job(parent=JobId("fedcba9876543210"))
    assert "`fedcba9876543210`" in words(settings_card(of, SHELF, parent_link=None))


def test_the_ready_command_names_every_setting() -> None:
    line = command_line(request("a red\ncircle", negative_prompt="blue", count=2), SHELF)
    assert line == (
        "/imagine prompt:a red circle negative_prompt:blue size:128x128 steps:20 guidance:5 "
        "sampler:Euler a seed:123 count:2"
    )


def test_the_ready_command_chooses_again_by_the_same_seed() -> None:
    of = chosen("a blue zebra", "a red zebra", clip_skip=2)
    for again in (of.request, of.request.image(1)):
        line = command_line(again, SHELF)
        assert line is not None
        assert line.startswith("/imagine prompt:a {red|blue} zebra size:")
        assert f"seed:{again.seed}" in line
        assert line.endswith("clip_skip:2")


def test_the_ready_command_chooses_the_model_and_says_when_there_was_no_negative_prompt() -> None:
    line = command_line(request(model=OIL.source), TWO)
    assert line == (
        "/imagine prompt:a red circle negative_prompt:none model:Oil *Paint* size:128x128 steps:20 "
        "guidance:5 sampler:Euler a seed:123"
    )
    assert "negative_prompt" not in (command_line(request(), TWO) or "")


def test_there_is_no_ready_command_for_a_model_that_is_gone() -> None:
    assert command_line(request(model="models/gone"), TWO) is None
