"""Reads which words of a prompt count more or less and where it is broken: brackets, as A1111 has them.

`(word)` counts 1.1 times, `[word]` 1 / 1.1 times, `(word:1.4)` as often as it says; brackets multiply.
`BREAK` ends a part: what follows is read apart from it. After a backslash a bracket is a letter like others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from generation.prompting.loras import without_loras
from generation.request import NEGATIVE_PROMPT, PROMPT, InvalidRequest, Wording
from generation.sentence import joined, say

MAX_WEIGHT = 10.0
MAX_PARTS = 8

_BRACKET = 1.1
_CLOSING = {"(": ")", "[": "]"}
_NUMBER = r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|(?i:nan|inf(?:inity)?))"
_MARK = re.compile(
    rf"""
      \\(?P<literal>[\\()\[\]])
    | (?P<opening>[(\[])
    | (?: : \s* (?P<weight>{_NUMBER}) \s* )? (?P<closing>[)\]])
    | (?P<bar>\|)
    | (?P<break>(?<!\w) BREAK (?!\w))
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Words that count alike."""

    text: str
    weight: float = 1.0


Part = tuple[Piece, ...]
"""What stands between two BREAKs; empty for a prompt without a word."""


def parts_of(prompt: str, name: str = PROMPT) -> tuple[Part, ...]:
    """The parts of a prompt, at least one; of several, none is without a word.

    A prompt without a mark is one piece that counts once, letter for letter. LoRAs in it are no words.

    Args:
        name: what the prompt is called in a sentence about it.

    Raises:
        InvalidRequest: its brackets do not match, or ask for what cannot be.
    """
    texts: list[str] = []
    weights: list[float] = []
    breaks: list[int] = []
    opened: list[tuple[re.Match[str], int]] = []
    read = 0
    prompt = without_loras(prompt)

    def write(text: str) -> None:
        if text:  # else a thousand brackets would weigh each other
            texts.append(text)
            weights.append(1.0)

    for mark in _MARK.finditer(prompt):
        write(prompt[read : mark.start()])
        read = mark.end()
        match mark.lastgroup:
            case "literal":
                write(mark["literal"])
            case "opening":
                opened.append((mark, len(texts)))
            case "closing":
                if not opened or _CLOSING[opened[-1][0][0]] != mark["closing"]:
                    raise _unmatched(
                        name, mark["closing"], prompt[: mark.end()][-20:], say("that closes nothing")
                    )
                opening, first = opened.pop()
                factor = _factor(opening[0], mark["weight"])
                for index in range(first, len(weights)):
                    weights[index] *= factor
            case "bar":
                if opened and opened[-1][0][0] == "[":
                    raise InvalidRequest(
                        say(
                            "I cannot change words while a picture is drawn, as in `[a|b]`; "
                            "`{{a|b}}` chooses one of them for each picture."
                        )
                    )
                write("|")
            case _:
                breaks.append(len(texts))
    if opened:
        opening, _ = opened[-1]
        raise _unmatched(name, opening[0], prompt[opening.start() :][:20], say("that is never closed"))
    write(prompt[read:])
    if (most := max(weights, default=1.0)) > MAX_WEIGHT:
        raise InvalidRequest(
            say(
                "The brackets of the {name} make a weight of {weight:.3g}; {most:g} is the most.",
                name=name,
                weight=most,
                most=MAX_WEIGHT,
            )
        )
    written = list(zip(texts, weights, strict=True))
    parts = [_merged(written[begin:end]) for begin, end in zip([0, *breaks], [*breaks, None], strict=True)]
    full = tuple(part for part in parts if any(piece.text.strip() for piece in part))
    if len(full) > MAX_PARTS:
        raise InvalidRequest(
            say(
                "BREAK divides the {name} into {number} parts; I can read {most} at the most.",
                name=name,
                number=len(full),
                most=MAX_PARTS,
            )
        )
    return full or (parts[0],)


def reject_reason(wording: Wording) -> str | None:
    """Why these prompts cannot be read, as a sentence for a person, or None."""
    try:
        parts_of(wording.prompt)
        parts_of(wording.negative_prompt, NEGATIVE_PROMPT)
    except InvalidRequest as reason:
        return reason.sentence
    return None


def words_of(prompt: str) -> str:
    """The prompt without its marks; as it is, if they cannot be read."""
    try:
        return " ".join(piece.text for part in parts_of(prompt) for piece in part)
    except InvalidRequest:
        return prompt


def is_marked(prompt: str) -> bool:
    """Whether a prompt gives weights as numbers, or BREAK; brackets alone may be meant as brackets."""
    return any(mark["weight"] or mark["break"] for mark in _MARK.finditer(without_loras(prompt)))


def _factor(bracket: str, weight: str | None) -> float:
    if bracket == "[":
        if weight is not None:
            raise InvalidRequest(
                say(
                    "I cannot change words while a picture is drawn, as `[...:{weight}]` asks; "
                    "a weight stands between round brackets, like `(word:1.2)`.",
                    weight=weight,
                )
            )
        return 1 / _BRACKET
    if weight is None:
        return _BRACKET
    factor = float(weight)
    if not 0 <= factor <= MAX_WEIGHT:
        wrong = say(
            "A weight of {weight} is not possible; choose 0 to {most:g}.", weight=weight[:20], most=MAX_WEIGHT
        )
        if factor < 0:
            hint = say("What shall not be there goes into the negative prompt.")
            raise InvalidRequest(joined(" ", (wrong, hint)))
        raise InvalidRequest(wrong)
    return factor


def _merged(written: list[tuple[str, float]]) -> Part:
    """Neighbours that count alike become one piece, so that marks cut no word which they do not weigh."""
    pieces: list[Piece] = []
    for text, weight in written:
        if pieces and pieces[-1].weight == weight:
            pieces[-1] = Piece(pieces[-1].text + text, weight)
        else:
            pieces.append(Piece(text, weight))
    return tuple(pieces)


def _unmatched(name: str, bracket: str, near: str, why: str) -> InvalidRequest:
    shown = near.replace("`", "'")
    return InvalidRequest(
        say(
            "The {name} has a `{bracket}` {why}, at `{shown}`. Write `\\{bracket}` for the bracket itself.",
            name=name,
            bracket=bracket,
            why=why,
            shown=shown,
        )
    )
