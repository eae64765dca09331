"""The form for a picture of which only its file tells something."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.editing import Edited
from bot.remixing import Rest, remix
from generation.metadata import Settings
from generation.request import Adapter, GenerationRequest, InvalidRequest, Seed, Size
from tests.bot.things import MODEL, OIL, SHELF, TWO, request


def sent(settings: Settings, **changes: str) -> GenerationRequest:
    """What comes of the form when somebody changes this and sends it."""
    rest, fields = remix(settings, TWO)
    assert len(rest.custom_id) <= 100
    texts = {field.name: field.value for field in fields}
    return Rest.parse(rest.custom_id).request(Edited.read({**texts, **changes}), TWO)


def test_all_that_a_file_says_is_drawn_again_by_the_model_of_that_name() -> None:
    settings = Settings(
        prompt="a fox",
        negative_prompt="blurry",
        model=OIL.name,
        size=Size(width=256, height=128),
        steps=12,
        guidance=6.5,
        sampler="DPM++ 2M Karras",
        seed=Seed(42),
        clip_skip=2,
    )
    assert sent(settings) == request(
        "a fox",
        negative_prompt="blurry",
        model=OIL.source,
        size=Size(width=256, height=128),
        steps=12,
        guidance=6.5,
        sampler="DPM++ 2M Karras",
        seed=Seed(42),
        clip_skip=2,
    )
    assert sent(settings, negative_prompt="").negative_prompt == ""


def test_what_the_model_cannot_draw_is_fitted_and_what_is_not_said_is_its_own() -> None:
    large = sent(Settings(prompt="a fox", size=Size(width=1024, height=512), sampler="of another tool"))
    assert large.model == MODEL.source
    assert large.size == Size(width=176, height=96)
    assert (large.steps, large.guidance, large.sampler) == (20, 5.0, "DPM++ 2M Karras")


def test_loras_of_ours_stand_in_the_prompt_where_they_can_be_changed() -> None:
    ours = request(adapters=(Adapter(name="oil", weight=0.8),))
    settings = Settings(prompt=ours.prompt, model=MODEL.name, request=ours)
    assert sent(settings).prompt == "a red circle <lora:oil:0.8>"


def test_a_file_without_a_prompt_and_a_model_that_went_are_sentences() -> None:
    with pytest.raises(InvalidRequest, match="It says no prompt"):
        remix(Settings(prompt=""), TWO)
    rest, fields = remix(Settings(prompt="a fox", model=OIL.name), TWO)
    edited = Edited.read({field.name: field.value for field in fields})
    with pytest.raises(InvalidRequest, match="do not have that model any more"):
        rest.request(edited, replace(SHELF))
