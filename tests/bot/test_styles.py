"""A style in a request, and which styles are suggested."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bot.options import MAX_CHOICES, Typed, suggest_styles
from bot.recipe import settings_card
from generation.prompting.styles import Style, shipped
from generation.request import GenerationRequest, Seed
from tests.bot.things import MODEL, SHELF, TWO, job

INK = Style(name="Ink", prompt="{prompt} in ink", negative_prompt="photo")


@pytest.mark.parametrize(
    ("negative_prompt", "made"),
    [(None, "blurry, photo"), ("dull", "dull, photo"), ("none", "photo"), ("", "photo")],
)
def test_a_style_is_put_on_what_is_asked_with_the_models_own_negative_prompt(
    negative_prompt: str | None, made: str
) -> None:
    typed = Typed(prompt="a cat", model="oil *paint*", negative_prompt=negative_prompt, style=INK)
    request = typed.request(TWO)
    assert (request.prompt, request.negative_prompt, request.style) == ("a cat in ink", made, "Ink")


def test_the_name_of_the_style_goes_with_a_request_to_its_rerolls_pictures_and_record() -> None:
    request = Typed(prompt="a {red|blue} cat", count=2, style=INK).request(SHELF)
    assert request.image(1).style == request.rerolled(Seed(5)).style == "Ink"
    assert GenerationRequest.from_plain(request.plain()) == request
    shown = "\n".join(settings_card(job(style="Ink *1*"), SHELF, parent_link=None).text)
    assert "**Style** Ink \\*1\\*" in shown


def test_styles_are_suggested_by_the_words_in_their_names_and_those_saved_here_first() -> None:
    own = ["ink", "night ink", *(f"x {number}" for number in range(30))]
    assert suggest_styles("INK", own, MODEL) == ["ink", "night ink"]
    assert suggest_styles("Night", own, MODEL) == ["Night", "night ink"]
    assert len(suggest_styles("", own, MODEL)) == MAX_CHOICES
    assert suggest_styles("x 17", own, MODEL) == ["x 17"]
    assert suggest_styles("comic", ["COMIC book"], MODEL) == ["COMIC book"]


def test_of_the_shipped_styles_those_come_first_whose_words_the_model_knows() -> None:
    line_art = next(style for style in shipped() if style.name == "Line art")
    knows_ink = replace(MODEL, words=frozenset(re.findall(r"\w+", line_art.words)))
    first, *rest = suggest_styles("", [], knows_ink)
    assert first == "Line art"
    assert sorted([first, *rest]) == sorted(style.name for style in shipped())
