"""Brackets and BREAK say what counts more and what is read apart; what cannot be read is a sentence."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.prompting.attention import Piece, is_marked, parts_of, reject_reason, words_of
from generation.request import MAX_PROMPT, Wording


def weighed(prompt: str) -> list[tuple[str, float]]:
    """The pieces of a prompt of one part."""
    (part,) = parts_of(prompt)
    return [(piece.text, round(piece.weight, 6)) for piece in part]


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("a (red) circle", [("a ", 1), ("red", 1.1), (" circle", 1)]),
        ("((red)) circle", [("red", 1.21), (" circle", 1)]),
        ("a [red] circle", [("a ", 1), ("red", 0.909091), (" circle", 1)]),
        ("(red:1.4) circle", [("red", 1.4), (" circle", 1)]),
        ("(red : .5 )", [("red ", 0.5)]),
        ("(a [tiny] star:2)", [("a ", 2), ("tiny", 1.818182), (" star", 2)]),
        ("((a:1.5) b:2)", [("a", 3), (" b", 2)]),
        ("([red])", [("red", 1)]),
        ("(red:0) circle", [("red", 0), (" circle", 1)]),
        ("(16:9:1.2)", [("16:9", 1.2)]),
        ("a ((:9):9)", [("a ", 1)]),
        ("(red: very)", [("red: very", 1.1)]),
        (r"a \(red\) circle", [("a (red) circle", 1)]),
        (r"(\(:1.3)", [("(", 1.3)]),
        (r"\\(red\\)", [("\\", 1), ("red\\", 1.1)]),
        (r"\[x\] C:\temp", [(r"[x] C:\temp", 1)]),
    ],
)
def test_brackets_weigh_what_they_hold(prompt: str, pieces: list[tuple[str, float]]) -> None:
    assert weighed(prompt) == pieces


def test_break_ends_a_part() -> None:
    parts = parts_of("a sun BREAK (a moon BREAK stars:1.2)")
    pieces = [[(piece.text.strip(), piece.weight) for piece in part if piece.text.strip()] for part in parts]
    assert pieces == [[("a sun", 1)], [("a moon", 1.2)], [("stars", 1.2)]]


@pytest.mark.parametrize("prompt", ["BREAKFAST at night", "break", "a DAYBREAK", "BREAK_1"])
def test_only_the_word_in_capitals_breaks(prompt: str) -> None:
    assert parts_of(prompt) == ((Piece(prompt),),)


def test_parts_without_words_are_left_out() -> None:
    assert len(parts_of("BREAK a BREAK  BREAK b BREAK")) == 2
    assert len(parts_of("BREAK")) == len(parts_of("")) == len(parts_of("()")) == 1


@given(st.text(st.characters(exclude_characters="()[]\\", exclude_categories=["Cs"])))
def test_a_prompt_without_marks_is_itself(prompt: str) -> None:
    if "BREAK" not in prompt:
        assert parts_of(prompt) == ((Piece(prompt),),) if prompt else ((),)
        assert not is_marked(prompt)


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*"()[]\\:|a1.-", "BREAK", "(a:1.2)", ":nan)", ":1e9)", " "])).map("".join))
def test_any_nonsense_is_read_or_refused_in_words(prompt: str) -> None:
    if (reason := reject_reason(Wording(prompt="x" + prompt, negative_prompt=""))) is not None:
        assert reason.endswith((".", "?"))
        assert words_of("x" + prompt) == "x" + prompt
    else:
        assert all(0 <= piece.weight <= 10 for part in parts_of("x" + prompt) for piece in part)


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("a (red circle", "The prompt has a `(` that is never closed, at `(red circle`."),
        ("a red) circle", "The prompt has a `)` that closes nothing, at `a red)`."),
        ("a [red) circle", "a `)` that closes nothing"),
        ("a [red", r"Write `\[` for the bracket itself."),
        ("(red:1e9)", "A weight of 1e9 is not possible; choose 0 to 10."),
        ("(red:nan)", "A weight of nan"),
        ("(red:-inf)", "A weight of -inf"),
        ("(red:-1)", "What shall not be there goes into the negative prompt."),
        ("(" * 30 + "red" + ")" * 30, "make a weight of 17.4; 10 is the most"),
        ("((red:9):9)", "make a weight of 81"),
        ("[red:blue:0.5]", "I cannot change words while a picture is drawn"),
        ("[red|blue]", "`{a|b}` chooses one of them"),
        ("a BREAK " * 9, "BREAK divides the prompt into 9 parts; I can read 8"),
    ],
    ids=lambda text: str(text)[:30],
)
def test_what_cannot_be_read_is_a_sentence(prompt: str, sentence: str) -> None:
    assert sentence in str(reject_reason(Wording(prompt=prompt, negative_prompt="")))


def test_the_sentence_says_which_of_the_two_prompts_it_is() -> None:
    reason = reject_reason(Wording(prompt="a red circle", negative_prompt="(blue"))
    assert reason is not None
    assert reason.startswith("The negative prompt has a `(`")


@pytest.mark.parametrize("unit", ["(", "[", "(a", "(a)", "[a]", ":1)", "\\", "(a:", ":" + "1" * 1990])
def test_the_longest_nonsense_takes_no_time(unit: str) -> None:
    nested = unit * max(1, MAX_PROMPT // len(unit) // 2)
    began = time.thread_time()
    reject_reason(Wording(prompt="x" + nested, negative_prompt=nested + ")" * nested.count("(")))
    assert time.thread_time() - began < 0.15


def test_words_are_seen_through_the_marks() -> None:
    words = words_of("a (red:1.2) [tiny] circle BREAK the sea").split()
    assert words == ["a", "red", "tiny", "circle", "the", "sea"]
    assert is_marked("a (red:1.2) circle")
    assert is_marked("a BREAK b")
    assert not is_marked("a (red) circle :)")
