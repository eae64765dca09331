"""Choices that a prompt leaves to the seed: `{a|b}` and `__colour__`, written as dynamicprompts has them.

`{2::a|b}` takes `a` twice as often as `b`, `{2$$a|b|c}` two of the three, `{1-2$$ and $$a|b}` one or both
with " and " between them. `__colour__` is a line of the list of that name. Choices may hold choices. After a
backslash `{`, `}`, `|` and `_` are letters like others.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from generation.request import MAX_PROMPT, PROMPT, GenerationRequest, InvalidRequest
from generation.sentence import say

MAX_DEPTH = 10
"""Choices within choices."""
MAX_CHANCE = 1_000_000.0
MAX_DRAWS = 1_000
"""Choices made for one prompt, those in lists included."""

_MARK = re.compile(
    r"""
      \\(?P<literal>[{}|_])
    | \\.
    | (?P<opening>\{) (?: (?P<least>[0-9]{1,3}) (?: - (?P<most>[0-9]{1,3}) )? \$\$
                          (?: (?P<between>[^{}|$]*) \$\$ )? )?
    | (?P<bar>\|)
    | (?P<closing>\})
    | __ (?P<wildcard> [^\W_] (?: (?!__) [\w\ /.*-] )* ) (?<!\ ) __
    """,
    re.VERBOSE | re.DOTALL,
)
_CHANCE = re.compile(r"\s*(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|inf)\s*::")


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A line of the list of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Some of these, each at most once."""

    options: tuple[Option, ...]
    least: int = 1
    most: int = 1
    between: str = ", "


Text = tuple["str | Wildcard | Choice", ...]
"""What is written and what is chosen, in turns."""


@dataclass(frozen=True, slots=True)
class Option:
    """One of the things that may be chosen."""

    text: Text
    chance: float = 1.0
    """In proportion to that of the others."""


class Lines:
    """The lines of a list; one is chosen in no time, however many they are."""

    def __init__(self, options: Iterable[Option]) -> None:
        self.options = tuple(options)
        self._sums = tuple(accumulate(option.chance for option in self.options))

    @property
    def possible(self) -> bool:
        """Whether any of them has a chance."""
        return bool(self._sums) and self._sums[-1] > 0

    def one(self, random: Random) -> Option:
        """One of them, which must be possible."""
        return self.options[bisect_right(self._sums, random.random() * self._sums[-1])]


def leaves_choices(prompt: str) -> bool:
    """Whether a prompt holds choices, or letters that are marked as none."""
    groups = ("literal", "opening", "closing", "wildcard")
    return any(mark[group] for mark in _MARK.finditer(prompt) for group in groups)


def read_line(line: str, name: str) -> Option:
    """A line of a list, which may begin with its chance: `2::red`.

    Raises:
        InvalidRequest: as :func:`read`.
    """
    chance, begin = _chance(line, 0)
    return Option(read(line[begin:], name), chance)


def read(prompt: str, name: str = PROMPT) -> Text:
    """What a prompt leaves open.

    Args:
        name: what it is called in a sentence about it.

    Raises:
        InvalidRequest: its braces do not match, or ask for what cannot be.
    """
    stack = [_Open()]
    done = 0
    for mark in _MARK.finditer(prompt):
        top = stack[-1]
        top.write(prompt[done : mark.start()])
        done = mark.end()
        if mark["literal"]:
            top.write(mark["literal"])
        elif mark["wildcard"]:
            top.text.append(Wildcard(mark["wildcard"]))
        elif mark["opening"]:
            if prompt[: mark.start()].endswith("$"):
                raise InvalidRequest(say("The {name} names a variable with `${{`; I know none.", name=name))
            if len(stack) > MAX_DEPTH:
                raise InvalidRequest(
                    say(
                        "The {name} has braces within braces, more than {most} deep; I cannot read those.",
                        name=name,
                        most=MAX_DEPTH,
                    )
                )
            chance, done = _chance(prompt, done)
            stack.append(_Open(mark=mark, chance=chance))
        elif mark["bar"] and len(stack) > 1:
            top.end_option(name)
            top.chance, done = _chance(prompt, done)
        elif mark["closing"]:
            if len(stack) == 1:
                raise _unmatched(name, "}", prompt[: mark.end()][-20:], say("that closes nothing"))
            top.end_option(name)
            stack.pop()
            stack[-1].text.append(top.choice(name))
        else:
            top.write(mark[0])
    if (mark_left_open := stack[-1].mark) is not None:
        raise _unmatched(name, "{", prompt[mark_left_open.start() :][:20], say("that is never closed"))
    stack[0].write(prompt[done:])
    return tuple(stack[0].text)


def is_open(request: GenerationRequest) -> bool:
    """Whether what its prompts may leave open has yet to be chosen."""
    if request.chosen is not None or request.template is not None:
        return False
    return leaves_choices(request.prompt) or leaves_choices(request.negative_prompt)


@dataclass(slots=True)
class _Open:
    """Braces that are not closed yet, and at the bottom the prompt itself."""

    mark: re.Match[str] | None = None
    chance: float = 1.0
    """Of the option in hand."""
    text: list[str | Wildcard | Choice] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)

    def write(self, letters: str) -> None:
        if letters:
            self.text.append(letters)

    def end_option(self, name: str) -> None:
        if not any(not isinstance(item, str) or item.strip() for item in self.text):
            raise InvalidRequest(
                say(
                    "A choice of the {name} has an empty alternative. Write `{{0-1$$word}}` for a word that "
                    "is there now and then.",
                    name=name,
                )
            )
        if any(isinstance(item, str) and "$$" in item for item in self.text):
            raise InvalidRequest(
                say(
                    "A choice of the {name} does not say well how many it takes; "
                    "write it like `{{2$$a|b|c}}` or `{{1-2$$a|b|c}}`.",
                    name=name,
                )
            )
        self.options.append(Option(tuple(self.text), self.chance))
        self.text, self.chance = [], 1.0

    def choice(self, name: str) -> Choice:
        assert self.mark is not None
        least, most, between = self.mark["least"], self.mark["most"], self.mark["between"]
        choice = Choice(
            options=tuple(self.options),
            least=int(least or 1),
            most=int(most or least or 1),
            between=", " if between is None else between,
        )
        possible = sum(option.chance > 0 for option in choice.options)
        if not choice.least <= choice.most <= possible or choice.most == 0:
            wanted = (
                say("{least} to {most}", least=choice.least, most=choice.most)
                if choice.least < choice.most
                else str(choice.most)
            )
            raise InvalidRequest(
                say(
                    "A choice of the {name} takes {wanted} of {possible}, which is not possible.",
                    name=name,
                    wanted=wanted,
                    possible=possible,
                )
            )
        return choice


def choose(text: Text, random: Random, lines: Callable[[str], Lines], name: str = PROMPT) -> str:
    """The text after all its choices; the same state of `random` chooses the same.

    Args:
        lines: gives the list of a name; none leads to itself.

    Raises:
        InvalidRequest: there are too many choices, or it grows too long.
    """
    draws = 0

    def written(text: Text) -> str:
        nonlocal draws
        letters = ""
        for item in text:
            match item:
                case str():
                    letters += item
                case Wildcard(name=of):
                    draws += 1
                    letters += written(lines(of).one(random).text)
                case Choice(between=between):
                    draws += 1
                    letters += between.join(written(option.text) for option in _some(item, random))
            if len(letters) > MAX_PROMPT:
                raise InvalidRequest(
                    say(
                        "With what is chosen, the {name} becomes longer than the {most:,} characters "
                        "that I can take.",
                        name=name,
                        most=MAX_PROMPT,
                    )
                )
            if draws > MAX_DRAWS:
                raise InvalidRequest(
                    say("The {name} leaves more than {most:,} choices open.", name=name, most=MAX_DRAWS)
                )
        return letters

    return written(text)


def _some(choice: Choice, random: Random) -> list[Option]:
    """As many different ones as the choice takes."""
    left, taken = list(choice.options), []
    for _ in range(choice.least + int(random.random() * (choice.most - choice.least + 1))):
        taken.append(Lines(left).one(random))
        left.remove(taken[-1])
    return taken


def _chance(text: str, begin: int) -> tuple[float, int]:
    """The chance that is written at `begin`, and where the option itself begins."""
    found = _CHANCE.match(text, begin)
    if found is None:
        return 1.0, begin
    chance = float(found["number"])
    if not 0 <= chance <= MAX_CHANCE:
        raise InvalidRequest(
            say(
                "A chance of {chance} is not possible, as in `{{2::a|b}}`; choose 0 to {most:,.0f}.",
                chance=found["number"][:20],
                most=MAX_CHANCE,
            )
        )
    return chance, found.end()


def _unmatched(name: str, brace: str, near: str, why: str) -> InvalidRequest:
    shown = near.replace("`", "'")
    return InvalidRequest(
        say(
            "The {name} has a `{brace}` {why}, at `{shown}`. "
            "Write `\\{brace}` for a brace that shall choose nothing.",
            name=name,
            brace=brace,
            why=why,
            shown=shown,
        )
    )
