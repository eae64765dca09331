"""What a style makes of prompts, and styles as A1111 keeps them in a file."""

from __future__ import annotations

import csv
import io
import json

import pytest

from generation.catalogue import describe
from generation.prompting.styles import (
    MAX_BYTES,
    MAX_STYLES,
    Style,
    read_csv,
    shipped,
    write_csv,
)
from generation.prompting.wildcards import Wildcards
from generation.request import InvalidRequest, Wording
from tests.generation.toys import MINI, a_request


def style(prompt: str = "", negative_prompt: str = "", name: str = "Test") -> Style:
    return Style(name=name, prompt=prompt, negative_prompt=negative_prompt)


@pytest.mark.parametrize(
    ("template", "typed", "made"),
    [
        ("oil painting of {prompt}, thick", "a cat", "oil painting of a cat, thick"),
        ("oil, thick", " a cat ", "a cat, oil, thick"),
        ("{prompt}, {prompt}", "a cat", "a cat, a cat"),
        ("({prompt}:1.2)", "a {big|small} cat", "(a {big|small} cat:1.2)"),
        ("{prompt} by __artist__", "{prompt}", "{prompt} by __artist__"),
        ("{Prompt}", "a cat", "a cat, {Prompt}"),
        ("", "a cat", "a cat"),
    ],
)
def test_what_is_typed_goes_where_prompt_stands_or_before_the_rest(
    template: str, typed: str, made: str
) -> None:
    assert style(template, "x").applied(typed, "").prompt == made
    assert style("x", template).applied("x", typed).negative_prompt == made


def test_the_negative_prompt_of_a_style_stands_alone_if_none_is_typed() -> None:
    assert style("ink", "photo").applied("a cat", "") == Wording(prompt="a cat, ink", negative_prompt="photo")


def test_choices_are_made_after_the_style() -> None:
    made = style("{{prompt}|{prompt} at {day|night}}", "__no__").applied("a {red|blue} cat", "")
    request = a_request(prompt=made.prompt)
    assert "prompt" not in Wildcards().decided(request).wordings[0].prompt


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: style("x" * 1500).applied("y" * 600, ""), "With the style `Test` the prompt has 2,102 char"),
        (lambda: style("x", "z" * 2000).applied("y", "z"), "With the style `Test` the negative prompt has 2"),
        (lambda: style("", "x").applied("  ", ""), "The prompt is empty"),
        (lambda: style("x", name="n" * 101), "is not possible for a style: it has 100 characters"),
        (lambda: style("x", name="two\nlines"), "`two\\?lines` is not possible"),
        (lambda: style("x", name="a ` b  c"), "`a ' b  c` is not possible"),
        (lambda: style("x", name=""), "has no name"),
        (lambda: style(" ", "\n"), "`Test` holds no prompt and no negative prompt"),
        (lambda: style("x" * 2001), "The prompt of the style `Test` has 2,001 characters"),
        (lambda: style("x", "\ud83d"), "negative prompt of the style `Test` holds a character that is none"),
    ],
)
def test_a_style_that_cannot_be_says_why(made: object, sentence: str) -> None:
    assert callable(made)
    with pytest.raises(InvalidRequest, match=sentence):
        made()


# Files ---------------------------------------------------------------------------------------------------


def test_a_file_of_a1111s_is_read() -> None:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, fieldnames=("name", "prompt", "negative_prompt"))  # as its code writes it
    writer.writeheader()
    writer.writerow({"name": "Oil", "prompt": 'a "big", oily {prompt}', "negative_prompt": "photo"})
    writer.writerow({"name": "Zwei\u00e4", "prompt": "first line\nsecond line", "negative_prompt": ""})
    read = read_csv(file.getvalue().encode("utf-8-sig"))
    assert read.problems == ()
    assert read.styles == (
        style('a "big", oily {prompt}', "photo", name="Oil"),
        style("first line\nsecond line", name="Zwei\u00e4"),
    )


def test_what_is_written_is_read_again_and_begins_as_a1111_wants_it() -> None:
    styles = tuple(style(f'{{prompt}}, "{i}",\n,x', "a,b", name=f"Nr. {i}") for i in range(MAX_STYLES))
    written = write_csv(styles)
    assert written.startswith(b"\xef\xbb\xbfname,prompt,negative_prompt\r\n")
    assert read_csv(written).styles == styles
    rows = list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline=""), skipinitialspace=True))
    assert rows[1] == {"name": "Nr. 1", "prompt": '{prompt}, "1",\n,x', "negative_prompt": "a,b"}


def test_the_older_columns_another_order_and_spaces_are_read() -> None:
    assert read_csv(b"name,text\nInk,in ink\n").styles == (style("in ink", name="Ink"),)
    assert read_csv(b'Negative_Prompt, x, name, prompt\nphoto, y, Ink, "in, ink"\n').styles == (
        style("in, ink", "photo", name="Ink"),
    )


def test_lines_that_hold_no_style_are_left_out_and_named() -> None:
    text = f"name,prompt,negative_prompt\nNone,,\n\n , , \n,x,\n{'n' * 101},x\nInk\nGood,ink,,more\n"
    read = read_csv(text.replace("\n", "\r\n").encode())
    assert read.styles == (style("ink", name="Good"),)
    assert [problem.partition(": ")[0] for problem in read.problems] == [
        "Line 2",
        "Line 5",
        "Line 6",
        "Line 7",
    ]
    assert read.problems[0] == "Line 2: The style `None` holds no prompt and no negative prompt."
    assert read.problems[1] == "Line 5: The style has no name."


def test_of_two_styles_of_one_name_the_last_counts_and_that_is_said() -> None:
    read = read_csv(b'name,prompt\nInk,"first\nline"\nOil,oil\nINK,second\n')
    assert read.styles == (style("oil", name="Oil"), style("second", name="INK"))
    assert read.problems == ("Line 2: `INK` is there again in line 5, and that one counts.",)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            b"",
            "The first line of the file must name its columns, `name,prompt,negative_prompt`; it is empty.",
        ),
        (b"name;prompt;negative_prompt\na;b;c\n", "; it is `name;prompt;negative_prompt`."),
        (json.dumps({"name": "x"}).encode(), "must name its columns"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is not text in UTF-8"),
        ("name,prompt\nInk,ink\n".encode("utf-16"), "is not text in UTF-8"),
        (b'name,prompt\nInk,ink\nOil,"oil\nA,b\n', "I cannot read the file from line 3 on: a quote is never"),
        (b'name,prompt\nInk,"a "big" cat"\n', 'from line 2 on.*"a ""big"" circle"'),
        (b'name,prompt\nInk,"' + b"x" * 200_000 + b'"\n', "I cannot read the file from line 2 on"),
        (b" " * (MAX_BYTES + 1), "The file has 4.0 MB; I can take 4 at the most."),
        (
            b"name,prompt\n" + b"".join(b"s%d,x\n" % number for number in range(MAX_STYLES + 1)),
            "The file holds more than 1,000 styles",
        ),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_file_that_cannot_be_read_is_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        read_csv(data)


# Those that come along ------------------------------------------------------------------------------------


def test_the_shipped_styles_can_be_used_and_some_suit_the_embedded_model() -> None:
    assert not read_csv(write_csv(shipped())).problems
    mini = describe(MINI)
    known = [style.name for style in shipped() if not mini.unknown_words(style.words)]
    assert known == ["Pixel art", "Watercolor", "Pencil sketch", "Night"]
    for one in shipped():
        made = one.applied("a red circle", "")
        request = a_request(prompt=made.prompt, negative_prompt=made.negative_prompt)
        assert "a red circle" in made.prompt
        assert Wildcards().decided(request) == request
