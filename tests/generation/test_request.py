"""A request is complete and valid from birth."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from generation.request import (
    MAX_PROMPT,
    SEEDS,
    GenerationRequest,
    InvalidRequest,
    Seed,
    Size,
    Wording,
    new_seed,
)

REQUEST = GenerationRequest(
    prompt="a red circle",
    model="mini",
    size=Size(width=128, height=128),
    steps=20,
    guidance=5.0,
    sampler="Euler",
    seed=Seed(7),
    count=4,
)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prompt": "   "}, "prompt is empty"),
        ({"prompt": "\u200b\u2060\n"}, "prompt is empty"),
        ({"prompt": "a \ud83d"}, "half a character"),
        ({"negative_prompt": "\udc00"}, "negative prompt holds half a character"),
        ({"prompt": "x" * (MAX_PROMPT + 1)}, "2,001 characters"),
        ({"negative_prompt": "x" * (MAX_PROMPT + 1)}, "negative prompt has 2,001"),
        ({"steps": 0}, "0 steps"),
        ({"steps": 151}, "151 steps"),
        ({"guidance": -0.5}, "guidance of -0.5"),
        ({"guidance": float("nan")}, "guidance of nan"),
        ({"guidance": 31.0}, "guidance of 31"),
        ({"count": 0}, "0 pictures"),
        ({"count": 5}, "5 pictures"),
        ({"clip_skip": 0}, "clip skip of 0"),
        ({"clip_skip": 13}, "clip skip of 13"),
        ({"seed": Seed(-1)}, "seed -1"),
        ({"seed": Seed(SEEDS)}, "out of range"),
    ],
)
def test_an_impossible_request_says_why(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        replace(REQUEST, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["512x768", " 512 x 768 ", "512X768", "512×768", "512*768"])
def test_a_size_is_read_as_people_write_it(text: str) -> None:
    assert Size.parse(text) == Size(width=512, height=768)


@pytest.mark.parametrize(
    "text", ["", "512", "512x", "big", "-512x512", "512x768x3", "511x512", "8x8", "9999x64"]
)
def test_a_size_that_cannot_be_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidRequest, match="size"):
        Size.parse(text)


def test_an_aspect_keeps_the_area_and_the_multiple() -> None:
    size = Size.from_aspect((16, 9), native=512, multiple=64)
    assert (size.width, size.height) == (704, 384)
    assert Size.from_aspect((1, 1), native=128, multiple=32) == Size(width=128, height=128)


def test_picture_k_has_seed_s_plus_k_and_is_a_request_of_its_own() -> None:
    assert [REQUEST.image(k).seed for k in range(4)] == [7, 8, 9, 10]
    assert REQUEST.image(2).count == 1
    assert REQUEST.image(2).prompt == REQUEST.prompt
    with pytest.raises(IndexError):
        REQUEST.image(4)


def test_each_picture_has_what_was_chosen_for_it_and_keeps_the_template() -> None:
    words = [Wording(prompt=f"{colour} circle", negative_prompt="") for colour in ("red", "blue")]
    request = replace(REQUEST, prompt="{red|blue} circle", count=2, chosen=tuple(words))
    assert [request.image(k).prompt for k in range(2)] == ["red circle", "blue circle"]
    assert [request.image(k).chosen for k in range(2)] == [None, None]
    one = request.image(1)
    assert one.template == Wording(prompt="{red|blue} circle", negative_prompt="")
    assert one.image(0) == one, "a picture's own request is drawn as it is"
    assert GenerationRequest.from_plain(json.loads(json.dumps(one.plain()))) == one
    assert GenerationRequest.from_plain(json.loads(json.dumps(request.plain()))) == request


def test_a_reroll_leaves_the_choices_open_again_but_not_those_of_a_picture_it_goes_on_from() -> None:
    words = Wording(prompt="red circle", negative_prompt="blur")
    request = replace(REQUEST, prompt="{red|blue} circle", count=1, chosen=(words,))
    open_again = replace(request, chosen=None, seed=Seed(9))
    assert request.rerolled(Seed(9)) == open_again
    going_on = request.image(0)
    assert going_on.rerolled(Seed(9)) == replace(going_on, seed=Seed(9))


def test_what_is_chosen_must_be_a_prompt_too() -> None:
    with pytest.raises(InvalidRequest, match="prompt is empty"):
        replace(REQUEST, count=1, chosen=(Wording(prompt=" ", negative_prompt=""),))
    with pytest.raises(ValueError, match="2 prompts for 4 pictures"):
        replace(REQUEST, chosen=(Wording(prompt="a", negative_prompt=""),) * 2)


def test_seeds_wrap_at_the_end_of_their_range() -> None:
    assert REQUEST.rerolled(Seed(SEEDS - 1)).image(1).seed == 0


def test_a_drawn_seed_is_in_range_and_not_always_the_same() -> None:
    seeds = {new_seed() for _ in range(50)}
    assert len(seeds) > 45
    assert all(0 <= seed < SEEDS for seed in seeds)
