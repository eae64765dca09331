"""What people typed is shown as they typed it, and not too much of it."""

from __future__ import annotations

import pytest

from bot.markdown import fitting, literal, shortened


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("@everyone look", r"\@everyone look"),
        ("<@123> and <@&4>", r"\<\@123\> and \<\@&4\>"),
        ("**bold** _thin_ `code` ||spoiler||", r"\*\*bold\*\* \_thin\_ \`code\` \|\|spoiler\|\|"),
        ("[a link](https://example.org)", r"\[a link\](https\://example.org)"),
        ("# heading", r"\# heading"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("two\nlines\t and   gaps", "two lines and gaps"),
        ("back\\slash", r"back\\slash"),
        ("a plain prompt, 8k. (masterpiece:1.2)", "a plain prompt, 8k. (masterpiece:1.2)"),
    ],
)
def test_a_prompt_is_shown_literally(prompt: str, shown: str) -> None:
    assert literal(prompt) == shown


def test_what_has_little_room_is_shortened_and_not_cut_within_a_mark() -> None:
    assert fitting("a*b", 4) == r"a\*b"
    assert fitting("**" * 50, 10) == r"\*\*\*\*…"
    assert fitting("*", 1) == "…"


def test_shortening_keeps_within_its_limit() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
