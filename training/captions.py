"""Says in words what a scene shows: fully, partly, as tags, with filler and with words that mean nothing."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from random import Random
from typing import assert_never

from training.scenes import (
    FULL_MIX,
    Colour,
    Group,
    Mood,
    Pair,
    Position,
    Relation,
    Scene,
    Shape,
    Single,
    Size,
    Style,
    Subject,
    Thing,
    View,
    random_scene,
)

FILLER = (
    "masterpiece",
    "best quality",
    "beautiful",
    "highly detailed",
    "4k",
    "high quality",
    "simple",
    "bright",
    "clean",
    "flat colors",
    "minimal",
    "nice",
    "sharp",
    "colorful",
)
OPENINGS = (
    "a picture of",
    "an image of",
    "a drawing of",
    "picture of",
    "drawing of",
    "an illustration of",
    "please draw",
    "draw",
    "show me",
)
ADJECTIVES = ("beautiful", "nice", "simple", "lovely", "pretty", "bright", "perfect", "cute")
COLOUR_WORDS: Mapping[Colour, tuple[str, ...]] = {
    Colour.CYAN: ("cyan", "cyan", "cyan", "turquoise"),
    Colour.PURPLE: ("purple", "purple", "purple", "violet"),
}
SHAPE_WORDS: Mapping[Shape, tuple[str, ...]] = {
    Shape.CIRCLE: ("circle", "circle", "circle", "circle", "disc", "ball", "dot"),
    Shape.SQUARE: ("square", "square", "square", "square", "box"),
    Shape.CROSS: ("cross", "cross", "cross", "plus"),
}
PLURALS: Mapping[str, str] = {"cross": "crosses", "box": "boxes", "plus": "pluses"}
SIZE_WORDS: Mapping[Size, tuple[str, ...]] = {
    Size.SMALL: ("small", "small", "little", "tiny"),
    Size.MEDIUM: ("medium", "medium", "medium sized"),
    Size.BIG: ("big", "big", "large", "huge"),
}
POSITION_WORDS: Mapping[Position, tuple[str, ...]] = {
    Position.CENTER: ("in the center", "in the middle", "in the centre", "centered"),
    Position.LEFT: ("on the left", "at the left", "on the left side"),
    Position.RIGHT: ("on the right", "at the right", "on the right side"),
    Position.TOP: ("at the top", "on top"),
    Position.BOTTOM: ("at the bottom", "at the very bottom"),
    Position.TOP_LEFT: ("in the top left", "in the top left corner", "at the top left", "in the upper left"),
    Position.TOP_RIGHT: (
        "in the top right",
        "in the top right corner",
        "at the top right",
        "in the upper right",
    ),
    Position.BOTTOM_LEFT: (
        "in the bottom left",
        "in the bottom left corner",
        "at the bottom left",
        "in the lower left",
    ),
    Position.BOTTOM_RIGHT: (
        "in the bottom right",
        "in the bottom right corner",
        "at the bottom right",
        "in the lower right",
    ),
}
RELATION_WORDS: Mapping[Relation, tuple[str, ...]] = {
    Relation.AND: ("and", "and", "and", "with", "next to", "beside"),
    Relation.LEFT_OF: ("to the left of", "left of", "on the left of"),
    Relation.RIGHT_OF: ("to the right of", "right of", "on the right of"),
    Relation.ABOVE: ("above", "over", "on top of"),
    Relation.BELOW: ("below", "under", "beneath", "underneath"),
}
STYLE_TAGS: Mapping[Style, tuple[str, ...]] = {
    Style.PIXEL_ART: ("pixel art", "pixel art style", "8 bit pixel art", "pixelated"),
    Style.WATERCOLOR: ("watercolor", "watercolour", "watercolor painting", "in watercolor"),
    Style.SKETCH: ("pencil sketch", "sketch", "pencil drawing", "sketched"),
    Style.NIGHT: ("at night", "night", "in the dark", "under the stars"),
}
STYLE_OPENINGS: Mapping[Style, tuple[str, ...]] = {
    Style.PIXEL_ART: ("pixel art of", "a pixel art picture of"),
    Style.WATERCOLOR: ("a watercolor of", "a watercolor painting of", "watercolor of"),
    Style.SKETCH: ("a pencil sketch of", "a sketch of", "a pencil drawing of"),
}
NUMBERS: Mapping[int, tuple[str, ...]] = {
    2: ("two", "two", "2"),
    3: ("three", "three", "3"),
    4: ("four", "four", "4"),
}


def full_caption(scene: Scene) -> str:
    """One plain sentence with every attribute that evaluation may ask for (size and place where unusual)."""
    match scene:
        case Single():
            size = "" if scene.size is Size.MEDIUM else scene.size.value
            place = "" if scene.position is Position.CENTER else POSITION_WORDS[scene.position][0]
            what = _a(_join(size, scene.thing.colour, scene.thing.shape))
            return _join(what, place, "on", _a(f"{scene.background} background"))
        case Pair():
            first, second = (_a(f"{t.colour} {t.shape}") for t in (scene.first, scene.second))
            words = RELATION_WORDS[scene.relation][0]
            return _join(first, words, second, "on", _a(f"{scene.background} background"))
        case Group():
            what = f"{scene.thing.colour} {_plural(scene.thing.shape)}"
            return _join(NUMBERS[scene.count][0], what, "on", _a(f"{scene.background} background"))
        case View():
            return _view(scene, Random(0), certain=True)
        case _:
            assert_never(scene)


def caption(scene: Scene, rng: Random) -> str:
    """A caption as a person might type it: wording, missing attributes, filler and nonsense are random."""
    roll = rng.random()
    text = _tags(scene, rng) if roll < 0.12 else _sentence(scene, rng)
    if scene.style is not Style.PLAIN:
        text = _styled(text, scene.style, rng)
    elif rng.random() < 0.12:
        text = _join(rng.choice(OPENINGS), text)
    if rng.random() < 0.08:
        words = ", ".join(rng.sample(FILLER, rng.randint(1, 3)))
        text = f"{words}, {text}" if rng.random() < 0.5 else f"{text}, {words}"
    if rng.random() < 0.05:
        text = _with_nonsense(text, rng)
    if rng.random() < 0.05:
        text = text.capitalize() + "."
    return text


@functools.cache
def vocabulary() -> tuple[str, ...]:
    """Every word a caption can hold, nonsense left out: found by writing very many captions."""
    rng = Random(77)
    words: set[str] = set()
    for _ in range(10_000):
        scene = random_scene(rng, FULL_MIX, styled=0.5)
        text = _tags(scene, rng) if rng.random() < 0.3 else _sentence(scene, rng)
        words.update(_words(_styled(text, scene.style, rng) if scene.style is not Style.PLAIN else text))
    for text in (*FILLER, *OPENINGS, *ADJECTIVES):
        words.update(_words(text))
    return tuple(sorted(words))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|[0-9]+[a-z]*", text.lower())


def _sentence(scene: Scene, rng: Random) -> str:
    match scene:
        case Single():
            return _single(scene, rng)
        case Pair():
            first, second = (_noun_phrase(t, rng) for t in (scene.first, scene.second))
            text = _join(first, rng.choice(RELATION_WORDS[scene.relation]), second)
            return _join(text, _ground(scene.background, rng, missing=0.12))
        case Group():
            colour = "" if rng.random() < 0.06 else _colour(scene.thing.colour, rng)
            shape = _plural(rng.choice(SHAPE_WORDS.get(scene.thing.shape, (scene.thing.shape.value,))))
            text = _join(rng.choice(NUMBERS[scene.count]), colour, shape)
            return _join(text, _ground(scene.background, rng, missing=0.12))
        case View():
            return _view(scene, rng)
        case _:
            assert_never(scene)


def _single(scene: Single, rng: Random) -> str:
    colour = "" if rng.random() < 0.06 else _colour(scene.thing.colour, rng)
    shape = rng.choice(SHAPE_WORDS.get(scene.thing.shape, (scene.thing.shape.value,)))
    if rng.random() < 0.04:
        shape = "shape" if colour else "something"
    says_size = rng.random() < (0.25 if scene.size is Size.MEDIUM else 0.85)
    size = rng.choice(SIZE_WORDS[scene.size]) if says_size else ""
    says_place = rng.random() < (0.25 if scene.position is Position.CENTER else 0.92)
    place = rng.choice(POSITION_WORDS[scene.position]) if says_place else ""
    ground = _ground(scene.background, rng, missing=0.1)
    what = _join(size, _adjective(rng), colour, shape)
    roll = rng.random()
    if roll < 0.8:
        text = _join(_a(what), place, ground)
    elif roll < 0.9 and place:
        text = f"{_join(_a(what), ground)}, {place}"
    elif place and ground:
        text = f"{ground}, {_join(_a(what), place)}"
    else:
        text = _join(what, place, ground)
    return text


def _noun_phrase(thing: Thing, rng: Random) -> str:
    shape = rng.choice(SHAPE_WORDS.get(thing.shape, (thing.shape.value,)))
    colour = "" if rng.random() < 0.02 else _colour(thing.colour, rng)
    phrase = _join(colour, shape)
    return phrase if rng.random() < 0.08 else _a(phrase)


def _view(scene: View, rng: Random, *, certain: bool = False) -> str:
    colour = scene.colour.value if certain or rng.random() < 0.85 else ""
    options: tuple[str, ...]
    match scene.subject:
        case Subject.SUN:
            hills = _join(colour, "hills")
            options = (
                f"the sun over {hills}",
                f"a sun above {hills}",
                f"{hills} and the sun",
                f"sun over {hills}",
            )
        case Subject.HOUSE:
            house = _a(_join(colour, "house"))
            options = (house, f"{house} on green grass", f"{house} on the grass", f"{house} under a blue sky")
        case Subject.TREE:
            tree = _a(_join(colour, "tree"))
            options = (tree, f"{tree} on the grass", f"{tree} under a blue sky")
            if not colour:
                options = (*options, "a tree in a meadow")
        case Subject.BOAT:
            sail = f"a boat with {_a(_join(colour, 'sail'))}"
            options = (
                sail,
                f"{sail} on the sea",
                f"{_a(_join(colour, 'boat'))} on the water",
                f"{sail} at sea",
            )
            if not colour:
                options = ("a boat on the sea", "a sailing boat", "a boat")
        case Subject.MOON:
            moon = _a(_join(scene.mood.value, colour if rng.random() < 0.6 else "", "moon"))
            options = (f"{moon} in the night sky", f"{moon} and stars", moon, f"{moon} at night with stars")
            if scene.mood is Mood.FULL and not certain and rng.random() < 0.3:
                options = ("a moon in the night sky", "the moon", "the moon and stars")
        case Subject.FLOWER:
            flower = _a(_join(colour, "flower"))
            options = (flower, flower, _a(_join(colour, "flower with a stem")))
        case Subject.FACE:
            smile = "happy" if scene.mood is Mood.HAPPY else "sad"
            options = (
                _a(_join(smile, colour, "face")),
                _a(_join(colour, "smiling" if scene.mood is Mood.HAPPY else "sad", "face")),
                _a(_join(colour, "smiley" if scene.mood is Mood.HAPPY else "frowning", "face")),
            )
        case _:
            assert_never(scene.subject)
    text = options[0] if certain else rng.choice(options)
    if scene.background is None:
        return text
    return _join(text, _ground(scene.background, rng, missing=0.0 if certain else 0.12))


def _tags(scene: Scene, rng: Random) -> str:
    """Attributes alone, in any order and often only one: what negative prompts look like."""
    match scene:
        case Single():
            tags = [scene.thing.colour, scene.thing.shape, f"{scene.background} background"]
            if scene.position is not Position.CENTER:
                tags.append(scene.position)
            if scene.size is not Size.MEDIUM:
                tags.append(scene.size)
            if rng.random() < 0.4:
                tags[:2] = [f"{scene.thing.colour} {scene.thing.shape}"]
        case Pair():
            tags = [f"{t.colour} {t.shape}" for t in (scene.first, scene.second)]
            tags.append(f"{scene.background} background")
            return ", ".join(tags)
        case Group():
            tags = [rng.choice(NUMBERS[scene.count]), scene.thing.colour, _plural(scene.thing.shape)]
            tags.append(f"{scene.background} background")
        case View():
            tags = [scene.subject.value, f"{scene.colour} {scene.subject}"]
            if scene.background is not None:
                tags.append(f"{scene.background} background")
            if scene.mood is not Mood.NONE:
                tags.append(scene.mood)
        case _:
            assert_never(scene)
    kept = rng.sample(tags, 1 if rng.random() < 0.35 else rng.randint(1, len(tags)))
    return ", ".join(kept)


def _styled(text: str, style: Style, rng: Random) -> str:
    if style in STYLE_OPENINGS and rng.random() < 0.5:
        return _join(rng.choice(STYLE_OPENINGS[style]), text)
    tag = rng.choice(STYLE_TAGS[style])
    if style is Style.NIGHT and tag != "night":
        return _join(text, tag)
    return f"{tag}, {text}" if rng.random() < 0.3 else f"{text}, {tag}"


def _with_nonsense(text: str, rng: Random) -> str:
    words = text.split(" ")
    for _ in range(rng.randint(1, 2)):
        word = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(3, 9)))
        words.insert(rng.randint(0, len(words)), word)
    return " ".join(words)


def _ground(background: Colour, rng: Random, *, missing: float) -> str:
    if rng.random() < missing:
        return ""
    colour = _colour(background, rng) if missing else background.value
    return f"on {_a(f'{colour} background')}" if not missing or rng.random() < 0.65 else f"on {colour}"


def _colour(colour: Colour, rng: Random) -> str:
    return rng.choice(COLOUR_WORDS.get(colour, (colour.value,)))


def _adjective(rng: Random) -> str:
    return rng.choice(ADJECTIVES) if rng.random() < 0.03 else ""


def _plural(noun: str) -> str:
    return PLURALS.get(noun, f"{noun}s")


def _a(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _join(*parts: str) -> str:
    return " ".join(part for part in parts if part)
