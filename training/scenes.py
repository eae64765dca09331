"""What a training picture can show, how one is chosen, and which combinations are never trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeVar, assert_never


class Colour(StrEnum):
    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    CYAN = "cyan"
    BLUE = "blue"
    PURPLE = "purple"
    PINK = "pink"
    WHITE = "white"
    BLACK = "black"


class Shape(StrEnum):
    CIRCLE = "circle"
    SQUARE = "square"
    TRIANGLE = "triangle"
    STAR = "star"
    HEART = "heart"
    CROSS = "cross"


class Subject(StrEnum):
    SUN = "sun"
    HOUSE = "house"
    TREE = "tree"
    BOAT = "boat"
    MOON = "moon"
    FLOWER = "flower"
    FACE = "face"


class Size(StrEnum):
    SMALL = "small"
    MEDIUM = "medium"
    BIG = "big"


class Position(StrEnum):
    CENTER = "center"
    LEFT = "left"
    RIGHT = "right"
    TOP = "top"
    BOTTOM = "bottom"
    TOP_LEFT = "top left"
    TOP_RIGHT = "top right"
    BOTTOM_LEFT = "bottom left"
    BOTTOM_RIGHT = "bottom right"

    @property
    def offset(self) -> tuple[int, int]:
        """(column, row), each -1, 0 or 1; rows grow downwards."""
        column = -1 if "left" in self.value else 1 if "right" in self.value else 0
        row = -1 if "top" in self.value else 1 if "bottom" in self.value else 0
        return column, row


class Relation(StrEnum):
    AND = "and"
    LEFT_OF = "left of"
    RIGHT_OF = "right of"
    ABOVE = "above"
    BELOW = "below"

    @property
    def positions(self) -> tuple[Position, Position]:
        """Where the first and the second thing stand."""
        match self:
            case Relation.AND | Relation.LEFT_OF:
                return Position.LEFT, Position.RIGHT
            case Relation.RIGHT_OF:
                return Position.RIGHT, Position.LEFT
            case Relation.ABOVE:
                return Position.TOP, Position.BOTTOM
            case Relation.BELOW:
                return Position.BOTTOM, Position.TOP
            case _:
                assert_never(self)


class Style(StrEnum):
    PLAIN = "plain"
    PIXEL_ART = "pixel art"
    WATERCOLOR = "watercolor"
    SKETCH = "pencil sketch"
    NIGHT = "night"


class Mood(StrEnum):
    """What distinguishes two pictures of one subject apart from colour."""

    NONE = "none"
    HAPPY = "happy"
    SAD = "sad"
    FULL = "full"
    CRESCENT = "crescent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    colour: Colour
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One thing on a flat background."""

    thing: Thing
    size: Size
    position: Position
    background: Colour
    style: Style


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two different things on a flat background."""

    first: Thing
    second: Thing
    relation: Relation
    background: Colour
    style: Style


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Two to four copies of one thing on a flat background."""

    thing: Thing
    count: int
    background: Colour
    style: Style

    @property
    def positions(self) -> tuple[Position, ...]:
        return GROUP_POSITIONS[self.count]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A small scene; `background` is None where the subject brings its own sky."""

    subject: Subject
    colour: Colour
    background: Colour | None
    mood: Mood
    style: Style


Scene = Single | Pair | Group | View

COLOURS = tuple(Colour)
SHAPES = tuple(Shape)
GROUP_POSITIONS: Mapping[int, tuple[Position, ...]] = {
    2: (Position.LEFT, Position.RIGHT),
    3: (Position.TOP, Position.BOTTOM_LEFT, Position.BOTTOM_RIGHT),
    4: (Position.TOP_LEFT, Position.TOP_RIGHT, Position.BOTTOM_LEFT, Position.BOTTOM_RIGHT),
}
SUBJECT_COLOURS: Mapping[Subject, tuple[Colour, ...]] = {
    Subject.SUN: (Colour.GREEN, Colour.YELLOW, Colour.PURPLE, Colour.WHITE),  # the hills
    Subject.HOUSE: (Colour.RED, Colour.ORANGE, Colour.YELLOW, Colour.BLUE, Colour.PINK, Colour.WHITE),
    Subject.TREE: (Colour.GREEN, Colour.RED, Colour.ORANGE, Colour.YELLOW, Colour.PINK),
    Subject.BOAT: (Colour.WHITE, Colour.RED, Colour.YELLOW, Colour.ORANGE, Colour.PINK, Colour.BLACK),
    Subject.MOON: (Colour.WHITE, Colour.YELLOW),
    Subject.FLOWER: tuple(c for c in COLOURS if c not in (Colour.BLACK, Colour.YELLOW)),
    Subject.FACE: tuple(c for c in COLOURS if c not in (Colour.BLACK,)),
}
SUBJECT_MOODS: Mapping[Subject, tuple[Mood, ...]] = {
    Subject.MOON: (Mood.FULL, Mood.CRESCENT),
    Subject.FACE: (Mood.HAPPY, Mood.SAD),
}
ON_BACKGROUND = (Subject.FLOWER, Subject.FACE)
HAS_NIGHT = (Subject.HOUSE, Subject.TREE, Subject.BOAT)
NOUNS: tuple[Shape | Subject, ...] = (*Shape, *Subject)

KINDS = ("single", "pair", "group", "view")
Mix = Mapping[str, float]
"""How often each of KINDS is chosen."""
PLAIN_MIX: Mix = {"single": 0.75, "pair": 0.1, "group": 0.05, "view": 0.1}
FULL_MIX: Mix = {"single": 0.38, "pair": 0.3, "group": 0.15, "view": 0.17}


def is_held_out(scene: Scene) -> bool:
    """Whether any combination in the scene is kept for evaluation: one in seven of all, spread evenly.

    Every two attributes of a combination are still seen together, in other company.
    """
    match scene:
        case Single() | Group():
            return _kept_back(scene.thing.shape, scene.thing.colour, COLOURS.index(scene.background))
        case Pair():
            ground = COLOURS.index(scene.background)
            return any(_kept_back(t.shape, t.colour, ground) for t in (scene.first, scene.second))
        case View(background=None):
            return _kept_back(scene.subject, scene.colour, list(Style).index(scene.style))
        case View(background=Colour() as background):
            return _kept_back(scene.subject, scene.colour, COLOURS.index(background))
        case _:
            raise AssertionError(scene)


def _kept_back(noun: Shape | Subject, colour: Colour, third: int) -> bool:
    return (NOUNS.index(noun) + 2 * COLOURS.index(colour) + 4 * third) % 7 == 0


def random_scene(rng: Random, mix: Mix = FULL_MIX, *, styled: float = 0.2, stars: float = 0.0) -> Scene:
    """A scene to train on: never one that is held out. `styled` is the share that is not plain.

    `stars` is the share that holds a star whatever else is drawn: the shape that is hardest to draw.
    """
    wants_star = rng.random() < stars
    while True:
        scene = _any_scene(rng, _weighted(rng, mix), styled)
        if not is_held_out(scene) and (has_star(scene) or not wants_star):
            return scene


def has_star(scene: Scene) -> bool:
    match scene:
        case Single(thing=thing) | Group(thing=thing):
            return thing.shape is Shape.STAR
        case Pair(first=first, second=second):
            return Shape.STAR in (first.shape, second.shape)
        case View():
            return False
        case _:
            assert_never(scene)


def held_out_scene(rng: Random, kind: str) -> Scene:
    """A plain scene of one kind that was never trained on; in a pair both combinations are new."""
    while True:
        scene = _any_scene(rng, kind, 0.0)
        if not is_held_out(scene):
            continue
        if isinstance(scene, Pair):
            ground = COLOURS.index(scene.background)
            if not all(_kept_back(t.shape, t.colour, ground) for t in (scene.first, scene.second)):
                continue
        return scene


T = TypeVar("T")


def _weighted(rng: Random, weights: Mapping[T, float]) -> T:
    return rng.choices(list(weights), list(weights.values()))[0]


def _any_scene(rng: Random, kind: str, styled: float) -> Scene:
    if kind == "view":
        return _any_view(rng, styled)
    style = Style.PLAIN
    if rng.random() < styled:
        style = rng.choice((Style.PIXEL_ART, Style.WATERCOLOR, Style.SKETCH))
    background = Colour.WHITE if style is Style.SKETCH else rng.choice(COLOURS)
    thing = _any_thing(rng, background)
    match kind:
        case "single":
            size = _weighted(rng, {Size.SMALL: 0.25, Size.MEDIUM: 0.45, Size.BIG: 0.3})
            if style is Style.PIXEL_ART and size is Size.SMALL:  # four pixels cannot show a star
                size = Size.MEDIUM
            position = Position.CENTER if rng.random() < 0.5 else rng.choice(tuple(Position))
            return Single(thing=thing, size=size, position=position, background=background, style=style)
        case "pair":
            second = thing
            while second == thing:
                second = _any_thing(rng, background)
            relation = rng.choice(tuple(Relation))
            return Pair(first=thing, second=second, relation=relation, background=background, style=style)
        case "group":
            return Group(thing=thing, count=rng.choice((2, 3, 4)), background=background, style=style)
        case _:
            raise ValueError(f"{kind!r} is not a kind of scene; the kinds are {', '.join(KINDS)}.")


def _any_thing(rng: Random, background: Colour) -> Thing:
    return Thing(colour=rng.choice([c for c in COLOURS if c != background]), shape=rng.choice(SHAPES))


def _any_view(rng: Random, styled: float) -> View:
    subject = rng.choice(tuple(Subject))
    style = Style.PLAIN
    if rng.random() < styled * 1.5:
        style = rng.choice((Style.PIXEL_ART, Style.WATERCOLOR, Style.SKETCH))
        if subject in HAS_NIGHT and rng.random() < 0.5:
            style = Style.NIGHT
    colours = SUBJECT_COLOURS[subject]
    background = None
    if subject in ON_BACKGROUND:
        background = Colour.WHITE if style is Style.SKETCH else rng.choice(COLOURS)
        colours = tuple(c for c in colours if c != background)
    mood = rng.choice(SUBJECT_MOODS.get(subject, (Mood.NONE,)))
    return View(subject=subject, colour=rng.choice(colours), background=background, mood=mood, style=style)
