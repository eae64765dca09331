"""What a model can draw, and in which sentence it says that it cannot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generation.catalogue import UnreadableModel, describe
from generation.request import MAX_EDGE, OWN_SAMPLER, Control, Digest, Size, Wording
from tests.generation.toys import MINI, a_request, build_flux


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": Size(width=MAX_EDGE, height=128)}, "each edge must be 96 to 192 pixels, and 128x128 suits"),
        ({"size": Size(width=104, height=136)}, "multiples of 32. The nearest that works is 96x128"),
        ({"sampler": "Fast`"}, "I do not know the sampler `Fast'`; I have DDPM"),
        ({"sampler": "DDIM Karras"}, "DDIM has no schedule Karras; it has Automatic"),
        ({"sampler": "LCM", "steps": 60}, "LCM takes 50 steps at the most, not 60."),
        ({"prompt": "a (red circle"}, "The prompt has a `(` that is never closed"),
        ({"negative_prompt": "(red:nan)"}, "A weight of nan is not possible"),
        ({"clip_skip": 5}, "mini has 4 layers; choose a clip skip from 1 to 4."),
    ],
)
def test_a_request_that_the_model_cannot_draw_is_refused_with_a_reason(
    changes: dict[str, Any], sentence: str
) -> None:
    info = describe(MINI)
    assert info.reject_reason(a_request(MINI, size=Size(width=96, height=192))) is None
    reason = info.reject_reason(a_request(MINI, **{"size": Size(width=128, height=128), **changes}))
    assert reason is not None
    assert sentence in reason


def test_every_prompt_that_is_drawn_must_be_readable(toy_sd: Path) -> None:
    words = [Wording(prompt="a sun", negative_prompt=""), Wording(prompt="a (sun", negative_prompt="")]
    request = a_request(prompt="a {sun|\\(sun}", count=2, chosen=tuple(words))
    assert "never closed" in str(describe("fake:noise").reject_reason(request))
    assert describe(str(toy_sd)).clip_layers == 2
    assert describe("fake:noise").clip_layers == 12


def test_models_of_other_families_read_language_with_its_brackets(tmp_path: Path) -> None:
    other = describe(str(build_flux(tmp_path / "flux")))
    request = a_request(other.source, prompt="a sun :)", sampler=OWN_SAMPLER)
    assert other.reject_reason(request) is None
    assert other.reject_reason(replace(request, clip_skip=2)) == "toy Flux takes no clip skip; leave it out."
    steered = replace(request, controls=(Control(model="canny", picture=Digest("00")),))
    assert other.reject_reason(steered) == "toy Flux draws from words alone; it takes no ControlNet."
    noise = describe("fake:noise").reject_reason(replace(steered, prompt="a sun", sampler="Euler"))
    assert noise == "noise draws noise, which no ControlNet steers."


def test_words_the_model_never_saw_are_told_as_they_were_typed() -> None:
    info = describe(MINI)
    assert info.unknown_words("a red circle, 3 of them!") == ("them",)
    assert info.unknown_words("A RED Zebra's zebra's house (blue:1.2) #5 🎈") == ("Zebra's",)
    assert info.unknown_words("a (crimson:1.2) sun BREAK ([tiny] zebra)") == ("crimson", "zebra")
    assert info.unknown_words("a (crimson sun") == ("crimson",), "although it cannot be read"
    assert info.unknown_words("cafe\N{COMBINING ACUTE ACCENT} CAFÉ rouge") == ("café", "rouge")
    assert info.unknown_words("नमस्ते 赤い丸") == ("नमस्ते", "赤い丸")
    assert describe("fake:noise").unknown_words("anything at all") == ()


def test_the_owners_limits_narrow_the_defaults() -> None:
    model = describe("fake:noise").within(pixels=100 * 100, steps=4)
    assert (model.native, model.defaults.steps) == (96, 4)
    assert describe("fake:noise").within(pixels=4096**2, steps=150) == describe("fake:noise")


def test_limits_below_the_smallest_picture_are_told_to_the_owner() -> None:
    with pytest.raises(
        UnreadableModel, match="MAX_PIXELS is 1000, but noise draws nothing smaller than 64x64"
    ):
        describe("fake:noise").within(pixels=1000, steps=4)


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("models/mini", "models/mini"),
        ("/home/somebody/models/mine.safetensors", "mine.safetensors"),
        ("~/models/mine/", "mine"),
        ("C:\\models\\mine", "mine"),
    ],
)
def test_a_shared_picture_says_nothing_of_the_owners_folders(source: str, public: str) -> None:
    assert replace(describe("fake:noise"), source=source).public_source == public
