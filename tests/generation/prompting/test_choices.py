"""Braces and wildcards leave choices to the seed, by the chances they give, and always the same ones."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.prompting.choices import Lines, Option, choose, leaves_choices, read, read_line
from generation.request import MAX_PROMPT, InvalidRequest


def no_lists(name: str) -> Lines:
    raise AssertionError(f"nothing asked for {name}")


def chosen(prompt: str, seed: int = 0) -> str:
    return choose(read(prompt), Random(seed), no_lists)


def frequencies(prompt: str, tries: int = 3000) -> dict[str, float]:
    found = Counter(chosen(prompt, seed) for seed in range(tries))
    return {text: count / tries for text, count in found.items()}


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("{red|blue} circle", {"red circle": 1 / 2, "blue circle": 1 / 2}),
        ("{2::red|blue}", {"red": 2 / 3, "blue": 1 / 3}),
        ("{0.5::red| 1.5 ::blue}", {"red": 1 / 4, "blue": 3 / 4}),
        ("{0::red|blue}", {"blue": 1}),
        ("{a|{b|c}}", {"a": 1 / 2, "b": 1 / 4, "c": 1 / 4}),
        ("{a{1|2}|b}", {"a1": 1 / 4, "a2": 1 / 4, "b": 1 / 2}),
        ("{a}", {"a": 1}),
        ("{2$$a|b|c}", {f"{x}, {y}": 1 / 6 for x in "abc" for y in "abc" if x != y}),
        ("{2$$ and $$a|b}", {"a and b": 1 / 2, "b and a": 1 / 2}),
        ("{1-2$$+$$a|b}", {"a": 1 / 4, "b": 1 / 4, "a+b": 1 / 4, "b+a": 1 / 4}),
        ("{0-1$$a}", {"": 1 / 2, "a": 1 / 2}),
        ("{(a:1.2)|[b]}", {"(a:1.2)": 1 / 2, "[b]": 1 / 2}),
    ],
)
def test_choices_follow_their_chances(prompt: str, expected: dict[str, float]) -> None:
    assert frequencies(prompt) == pytest.approx(expected, abs=0.04)


def test_a_choice_is_the_same_in_every_process_and_version() -> None:
    words = "{red|green|blue} {circle|star|{big|small} square} {2$$a|b|c|d}"
    assert [chosen(words, seed) for seed in range(3)] == [
        "blue circle b, d",
        "blue circle b, c",
        "blue circle c, d",
    ]


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (r"\{a\|b\}", "{a|b}"),
        (r"{a\|b}", "a|b"),
        (r"\_\_red\_\_", "__red__"),
        (r"\(x\) {a}", r"\(x\) a"),
        (r"\\{a}", r"\\a"),
        ("a || b {c}", "a || b c"),
        ("{a::b}", "a::b"),
        ("a__b ____ __ {c}", "a__b ____ __ c"),
    ],
)
def test_letters_that_choose_nothing_stay(prompt: str, text: str) -> None:
    assert chosen(prompt) == text


@pytest.mark.parametrize(
    "prompt", ["a red circle", "a_b", "(red:1.2) [x] 50% #5 $100 a::b", r"\(a\)", "||x||"]
)
def test_a_prompt_that_leaves_nothing_open_is_known_at_once(prompt: str) -> None:
    assert not leaves_choices(prompt)
    assert chosen(prompt) == prompt


def test_a_line_may_begin_with_its_chance() -> None:
    assert read_line("2.5::dark red", "list") == Option(("dark red",), 2.5)
    assert read_line("dark::red", "list") == Option(("dark::red",), 1.0)
    assert chosen("2::red") == "2::red", "a prompt does not"


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("{a|b", "The prompt has a `{` that is never closed, at `{a|b`."),
        ("a {b|{c}", "that is never closed, at `{b|{c}`"),
        ("a}", r"a `}` that closes nothing, at `a}`. Write `\}`"),
        ("{a||b}", "has an empty alternative"),
        ("{|}", "has an empty alternative"),
        ("{}", "has an empty alternative"),
        ("{a| }", "Write `{0-1$$word}` for a word that is there now and then."),
        ("{3$$a|b}", "takes 3 of 2, which is not possible"),
        ("{2-1$$a|b}", "which is not possible"),
        ("{0$$a|b}", "takes 0 of 2"),
        ("{0::a|0::b}", "takes 1 of 0"),
        ("{-2$$a|b}", "write it like `{2$$a|b|c}`"),
        ("{1e9::a|b}", "A chance of 1e9 is not possible"),
        ("{nan::a|b}", "A chance of nan"),
        ("{-1::a|b}", "A chance of -1"),
        ("${x}", "a variable"),
        ("{" * 11 + "a" + "}" * 11, "more than 10 deep"),
        ("{" * 1000 + "}" * 1000, "more than 10 deep"),
    ],
    ids=lambda text: str(text)[:30],
)
def test_what_cannot_be_read_is_a_sentence(prompt: str, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(prompt)
    assert sentence in str(refused.value)


def test_what_grows_too_long_is_a_sentence() -> None:
    long = Lines([Option(("x" * 1500,))])
    with pytest.raises(InvalidRequest, match="longer than the 2,000 characters"):
        choose(read("__long__ __long__"), Random(0), lambda name: long)


def test_choices_without_end_are_a_sentence() -> None:
    ten = Lines([Option(read("{0-1$$x}" * 200))])
    with pytest.raises(InvalidRequest, match="more than 1,000 choices"):
        choose(read("__ten__ " * 10), Random(0), lambda name: ten)


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*"{}|\\_$:2 a", "__", "2::", "1-2$$", "nan::"])).map("".join))
def test_any_nonsense_is_read_or_refused_in_words(prompt: str) -> None:
    with suppress(InvalidRequest):
        choose(read(prompt), Random(0), lambda name: Lines([Option((name,))]))


@pytest.mark.parametrize("unit", ["{", "{a|", "__a", "__a__", "{a|b}", "\\", "{1-2$$", "1::", "_"])
def test_the_longest_nonsense_takes_no_time(unit: str) -> None:
    prompt = unit * (MAX_PROMPT // len(unit))
    began = time.thread_time()
    with suppress(InvalidRequest):
        choose(read(prompt), Random(0), lambda name: Lines([Option((name,))]))
    assert time.thread_time() - began < 1
