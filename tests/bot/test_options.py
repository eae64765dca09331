"""What people type becomes a complete request, or a sentence."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from bot.options import ASPECTS, MAX_CHOICES, Typed, suggest_models, suggest_samplers, suggest_sizes
from generation.request import SEEDS, InvalidRequest, Size
from generation.samplers import SAMPLERS
from generation.shelf import Shelf
from tests.bot.things import MODEL, OIL, SHELF, TWO


def refusal(**typed: Any) -> str:
    with pytest.raises(InvalidRequest) as caught:
        Typed(**{"prompt": "a red circle", **typed}).request(SHELF)
    return str(caught.value)


def test_a_prompt_alone_gets_the_models_defaults() -> None:
    made = Typed(prompt="a red circle").request(SHELF)
    assert (made.steps, made.guidance, made.sampler) == (20, 5.0, "DPM++ 2M Karras")
    assert made.size == Size(width=128, height=128)
    assert made.model == MODEL.source
    assert made.count == 1


def test_a_seed_that_nobody_chose_is_drawn() -> None:
    assert len({Typed(prompt="a red circle").request(SHELF).seed for _ in range(8)}) > 1


def test_what_is_typed_wins_over_the_defaults() -> None:
    made = Typed(
        prompt="a red circle", steps=7, guidance=0.0, sampler=" euler A ", seed=0, size="96x64", count=3
    ).request(SHELF)
    assert (made.steps, made.guidance, made.sampler, made.seed, made.count) == (7, 0.0, "Euler a", 0, 3)
    assert made.size == Size(width=96, height=64)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_every_aspect_is_a_size_that_the_model_draws(aspect: str) -> None:
    made = Typed(prompt="a red circle", aspect=aspect).request(SHELF)
    across, down = ASPECTS[aspect]
    assert made.size.width / made.size.height == pytest.approx(across / down, rel=0.25)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"prompt": "   "}, "The prompt is empty"),
        ({"prompt": "x" * 6000}, "The prompt has 6,000 characters; I can take 2,000 at the most."),
        ({"negative_prompt": "x" * 2001}, "The negative prompt has 2,001 characters"),
        ({"size": "huge"}, "I could not read the size `huge`; write it like `512x768`."),
        ({"size": "100x100"}, "100x100"),
        ({"size": "4096x4096"}, "each edge must be 64 to 256 pixels"),
        ({"aspect": "square 1:1", "size": "128x128"}, "not both"),
        ({"seed": -1}, "The seed -1 is out of range; choose 0 to 4294967295"),
        ({"seed": SEEDS}, "out of range"),
        ({"steps": 0}, "0 steps are not possible; choose 1 to 150."),
        ({"steps": 151}, "151 steps are not possible"),
        ({"guidance": 31.0}, "A guidance of 31 is not possible; choose 0 to 30."),
        ({"guidance": float("nan")}, "guidance"),
        ({"count": 5}, "5 pictures at once are not possible; choose 1 to 4."),
        ({"count": 0}, "0 pictures"),
        ({"sampler": "Euler b"}, "I do not know the sampler `Euler b`; did you mean `Euler a`?"),
        ({"sampler": "`zzz`"}, "I have DDPM, DDIM"),
        ({"aspect": "round"}, "I do not know that aspect"),
    ],
)
def test_what_cannot_be_is_a_sentence(typed: dict[str, Any], said: str) -> None:
    assert said in refusal(**typed)


def test_samplers_are_suggested_by_the_words_in_them() -> None:
    assert "DPM++ 2M Karras" in suggest_samplers("karras 2m")
    assert suggest_samplers("nothing like it") == []
    assert suggest_samplers("euler simple") == ["Euler SGM Uniform"]


def test_each_sampler_is_suggested_to_whoever_types_its_name() -> None:
    assert len(SAMPLERS) > MAX_CHOICES, "else they could be choices, which need no typing"
    assert {suggest_samplers(name)[0] for name in SAMPLERS} == set(SAMPLERS)
    assert all(len(suggest_samplers(typed)) <= MAX_CHOICES for typed in ("", "a", "dpm", "karras"))


def test_nobody_has_to_type_to_see_the_samplers_without_a_schedule() -> None:
    assert {spec.sampler for spec in SAMPLERS.values()} <= set(suggest_samplers(""))


def test_sizes_are_suggested_that_the_model_draws() -> None:
    for size in suggest_sizes("", MODEL):
        assert Typed(prompt="a red circle", size=size).request(SHELF)


def test_a_size_that_is_typed_in_full_is_suggested_first() -> None:
    assert suggest_sizes("96 x 64", MODEL)[0] == "96x64"


def test_half_a_size_is_completed() -> None:
    assert all(size.startswith("1") for size in suggest_sizes("1", MODEL))


# Several models ------------------------------------------------------------------------------------------


def test_the_chosen_models_own_defaults_are_used() -> None:
    made = Typed(prompt="a red circle", model=" oil *PAINT*").request(TWO)
    assert (made.model, made.steps, made.guidance, made.sampler) == ("models/oil", 9, 3.0, "Euler a")
    assert (made.size, made.negative_prompt) == (Size(width=192, height=128), "blurry")
    assert Typed(prompt="a red circle").request(TWO).model == MODEL.source


def test_what_is_typed_wins_over_the_chosen_models_defaults() -> None:
    typed = Typed(prompt="a red circle", model=OIL.name, aspect="square 1:1", negative_prompt="blue")
    made = typed.request(TWO)
    assert (made.size, made.negative_prompt) == (Size(width=128, height=128), "blue")


@pytest.mark.parametrize("typed", ["none", " None "])
def test_no_negative_prompt_can_be_asked_for(typed: str) -> None:
    made = Typed(prompt="a red circle", model=OIL.name, negative_prompt=typed).request(TWO)
    assert made.negative_prompt == ""


def test_an_unknown_model_is_a_sentence_with_the_nearest() -> None:
    said = "I do not know the model `oil pant`; did you mean `Oil *Paint*`?"
    with pytest.raises(InvalidRequest, match=f"^{re.escape(said)}$"):
        Typed(prompt="a red circle", model="oil pant").request(TWO)
    with pytest.raises(InvalidRequest, match=r"the model `zz'z`; I have `Mini`, `Oil \*Paint\*`\.$"):
        Typed(prompt="a red circle", model="zz`z").request(TWO)


def test_models_are_suggested_by_the_words_in_their_names_and_no_more_than_discord_takes() -> None:
    assert suggest_models("", TWO) == ["Mini", "Oil *Paint*"]
    assert suggest_models("paint OIL", TWO) == ["Oil *Paint*"]
    assert suggest_models("models/oil", TWO) == []
    many = [replace(MODEL, name=f"Model {number}", source=f"models/{number}") for number in range(40)]
    shelf = Shelf(models=tuple(many), default=many[0])
    assert len(suggest_models("", shelf)) == 25
    assert suggest_models("39", shelf) == ["Model 39"]
    with pytest.raises(InvalidRequest, match=r"`Model 9` and 30 more\.$"):
        Typed(prompt="a red circle", model="zzz").request(shelf)


def test_the_size_that_a_model_draws_by_itself_is_suggested_first() -> None:
    assert suggest_sizes("", OIL)[0] == "192x128"


def test_the_models_own_clip_skip_is_used_unless_one_is_typed() -> None:
    model = replace(OIL, defaults=replace(OIL.defaults, clip_skip=2))
    shelf = Shelf(models=(model,), default=model)
    assert Typed(prompt="a red circle").request(shelf).clip_skip == 2
    assert Typed(prompt="a red circle", clip_skip=3).request(shelf).clip_skip == 3
    assert Typed(prompt="a red circle").request(SHELF).clip_skip == 1


def test_brackets_are_judged_at_once_unless_the_prompt_leaves_something_open() -> None:
    with pytest.raises(InvalidRequest, match="never closed"):
        Typed(prompt="a (red circle").request(SHELF)
    assert Typed(prompt=r"a {(red\)|blue}").request(SHELF).chosen is None


# Variations, and a second pass -----------------------------------------------------------------------------


def test_a_second_pass_has_a_size_that_the_model_draws() -> None:
    made = Typed(prompt="x", size="96x128", hires=1.3, steps=9).request(SHELF)
    assert made.hires is not None
    assert str(made.hires.size) == "128x160"
    assert (made.hires.steps, made.hires.strength, made.hires.enlarger) == (9, 0.5, "pixels")


def test_a_variation_is_of_the_seed_that_was_typed() -> None:
    [variation] = Typed(prompt="x", seed=3, variation_seed=5).request(SHELF).variations
    assert (variation.seed, variation.strength) == (5, 0.15)
    [variation] = Typed(prompt="x", seed=3, variation_strength=1.0).request(SHELF).variations
    assert variation.strength == 1.0


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"hires": 1.0}, "1 times as large is not possible; choose 1.1 to 4."),
        ({"hires_strength": 0.4}, "needs to know how much larger"),
        ({"hires": 2, "hires_strength": 0.01}, "choose a greater strength or more steps"),
        ({"hires": 2, "hires_strength": 3}, "choose more than 0, up to 1"),
        ({"variation_seed": 5}, "A variation needs the seed that it varies"),
        ({"variation_strength": 1.5, "seed": 3}, "choose 0 to 1"),
        ({"variation_seed": -1, "seed": 3}, "out of range"),
    ],
)
def test_a_second_pass_or_variation_that_cannot_be_is_told(typed: dict[str, Any], sentence: str) -> None:
    assert sentence in refusal(**typed)
