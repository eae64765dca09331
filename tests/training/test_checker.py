"""The checker is right on pictures whose content is known, and is not fooled by spoiled ones."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from training.checker import Sight, judge, look
from training.pictures import draw
from training.scenes import (
    Colour,
    Group,
    Pair,
    Position,
    Relation,
    Scene,
    Shape,
    Single,
    Size,
    Style,
    Thing,
    held_out_scene,
    random_scene,
)

RED_STAR = Thing(colour=Colour.RED, shape=Shape.STAR)
BLUE_SQUARE = Thing(colour=Colour.BLUE, shape=Shape.SQUARE)


@functools.cache
def scenes(kind: str) -> list[tuple[Scene, Image.Image]]:
    """Two hundred of any kind, then sixty such as no model is shown; drawing them takes long."""
    rng = Random(41)
    mix = {kind: 1.0}
    found = [random_scene(rng, mix, styled=0) for _ in range(200)]
    found += [held_out_scene(rng, kind) for _ in range(60)]
    return [(scene, draw(scene, rng)) for scene in found]


@functools.cache
def seen(kind: str) -> list[tuple[Scene, Sight]]:
    return [(scene, look(picture)) for scene, picture in scenes(kind)]


@pytest.mark.parametrize("kind", ["single", "pair", "group"])
def test_every_attribute_of_drawn_pictures_is_judged_right(
    kind: str, record_property: Callable[[str, object], None]
) -> None:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for scene, sight in seen(kind):
        verdict = judge(scene, sight)
        right.update(name for name, good in verdict.items() if good)
        total.update(verdict.keys())
    shares = {name: right[name] / total[name] for name in total}
    record_property(f"accuracy of the checker, {kind}", shares)
    assert min(shares.values()) >= 0.995, shares


@pytest.mark.parametrize("kind", ["single", "pair", "group"])
def test_pictures_of_other_scenes_are_judged_wrong(kind: str) -> None:
    drawn = seen(kind)
    wrong = [judge(scene, sight)["all"] for (scene, _), (other, sight) in pairwise(drawn) if scene != other]
    assert sum(wrong) <= 0.01 * len(wrong)


def test_a_changed_attribute_is_the_one_that_is_reported() -> None:
    scene = Single(
        thing=RED_STAR,
        size=Size.SMALL,
        position=Position.TOP_LEFT,
        background=Colour.WHITE,
        style=Style.PLAIN,
    )
    sight = look(draw(scene, Random(5)))
    changed = {
        "background": replace(scene, background=Colour.BLUE),
        "colour": replace(scene, thing=replace(RED_STAR, colour=Colour.GREEN)),
        "shape": replace(scene, thing=replace(RED_STAR, shape=Shape.SQUARE)),
        "position": replace(scene, position=Position.TOP_RIGHT),
        "size": replace(scene, size=Size.BIG),
    }
    for attribute, told in changed.items():
        verdict = judge(told, sight)
        assert {name for name, good in verdict.items() if not good} == {attribute, "all"}


def test_a_pair_the_wrong_way_round_is_wrong() -> None:
    told, swapped = (
        Pair(
            first=RED_STAR,
            second=BLUE_SQUARE,
            relation=relation,
            background=Colour.YELLOW,
            style=Style.PLAIN,
        )
        for relation in (Relation.LEFT_OF, Relation.RIGHT_OF)
    )
    assert judge(told, draw(told, Random(1)))["pair"]
    assert not judge(told, draw(swapped, Random(1)))["pair"]


def test_two_of_three_things_are_a_wrong_count() -> None:
    three, two = (
        Group(thing=RED_STAR, count=count, background=Colour.CYAN, style=Style.PLAIN) for count in (3, 2)
    )
    verdict = judge(three, draw(two, Random(1)))
    assert {name for name, good in verdict.items() if not good} == {"count", "all"}


def test_an_empty_picture_holds_nothing() -> None:
    sight = look(Image.new("RGB", (128, 128), (36, 76, 212)))
    assert (sight.background, sight.things) == (Colour.BLUE, ())


def test_a_cloud_of_noise_is_no_shape() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 1, (9, 9, 3))
    picture = Image.fromarray(np.clip(128 + 80 * noise, 0, 255).astype(np.uint8)).resize((128, 128))
    assert not any(thing.shape for thing in look(picture).things[:1])


def test_soft_edges_and_grain_do_not_change_what_is_seen() -> None:
    grain = np.random.default_rng(4).normal(0, 4, (128, 128, 3))
    verdicts = []
    for scene, picture in scenes("single")[100:220]:
        soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(1.2)), np.float64)
        verdicts.append(judge(scene, Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8)))["all"])
    assert np.mean(verdicts) >= 0.98


@pytest.mark.parametrize("shape", Shape)
def test_rounded_corners_and_lost_tips_leave_a_shape_what_it_is(shape: Shape) -> None:
    scene = Single(
        thing=Thing(colour=Colour.RED, shape=shape),
        size=Size.MEDIUM,
        position=Position.CENTER,
        background=Colour.WHITE,
        style=Style.PLAIN,
    )
    round_ = draw(scene, Random(2)).filter(ImageFilter.GaussianBlur(4)).point(lambda v: 255 * (v > 140))
    assert look(round_).things[0].shape is shape
