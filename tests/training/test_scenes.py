"""Scenes to train on and scenes to evaluate on never meet, and yet cover the same words."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest

from training.pictures import draw
from training.scenes import KINDS, Group, Pair, Scene, Single, View, held_out_scene, is_held_out, random_scene

Combination = tuple[str, str, str]


def named(scene: Scene) -> set[Combination]:
    """Every whole combination of noun, colour and background (or style, where there is none)."""
    match scene:
        case Single() | Group():
            return {(scene.thing.shape, scene.thing.colour, scene.background)}
        case Pair():
            return {(t.shape, t.colour, scene.background) for t in (scene.first, scene.second)}
        case View():
            return {(scene.subject, scene.colour, scene.background or scene.style)}


@pytest.fixture(scope="module")
def trained() -> set[Combination]:
    rng = Random(8)
    return {one for _ in range(20_000) for one in named(random_scene(rng))}


@pytest.mark.parametrize("kind", KINDS)
def test_no_held_out_combination_is_trained_on_in_any_kind_of_picture(
    kind: str, trained: set[Combination]
) -> None:
    rng = Random(9)
    for _ in range(300):
        scene = held_out_scene(rng, kind)
        assert is_held_out(scene)
        assert not named(scene) & trained


def test_every_two_attributes_of_a_held_out_combination_are_trained_on_together(
    trained: set[Combination],
) -> None:
    rng = Random(10)
    seen = {(place, pair) for one in trained for place, pair in enumerate(combinations(one, 2))}
    for kind in ("single", "pair", "group"):
        for _ in range(200):
            for one in named(held_out_scene(rng, kind)):
                assert all((place, pair) in seen for place, pair in enumerate(combinations(one, 2)))


def test_the_same_seed_draws_the_same_scene_and_the_same_bytes() -> None:
    first, second = (
        (random_scene(rng, styled=0.5), draw(random_scene(rng, styled=0.5), rng).tobytes())
        for rng in (Random(3), Random(3))
    )
    assert first == second


def test_every_kind_and_style_is_drawn_at_the_size_of_the_model() -> None:
    rng = Random(4)
    for _ in range(150):
        picture = draw(random_scene(rng, styled=0.8), rng)
        assert (picture.size, picture.mode) == ((128, 128), "RGB")
