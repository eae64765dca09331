"""Words: what of a text can be found, and how a search is written for SQLite's full-text index.

Texts are folded here, so that the index takes words as they are, and what people type is never its syntax.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from generation.request import InvalidRequest
from generation.sentence import say

MAX_WORDS = 12
"""Of a search; what is typed beyond is not looked for."""
MAX_TYPED = 1000
"""Characters of a search that are read."""
MAX_TITLE = 100
"""Characters."""
MAX_TAGS = 8
MAX_TAG = 40
"""Characters."""

_TURNING = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Controls, and marks that say in which direction letters go."""
_BLANK = re.compile(r"[\u115f\u1160\u2800\u3164\uffa0]")
"""Letters and signs that show nothing."""
_LORA = re.compile(r"<lora:[^<>]*>", re.IGNORECASE)
# Scripts that put no spaces between words: each of their characters is a word.
_ALONE = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_WORD = re.compile(rf"{_ALONE.pattern}|(?:(?!{_ALONE.pattern})[^\W_])+")
_FACET = "\ue000"
"""Begins a facet. It is no letter, so no word holds it."""


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, each once, without case, accents and what stands between them."""
    return tuple(dict.fromkeys(_words(text)))


def prompt_words(prompt: str) -> tuple[str, ...]:
    """The words of a prompt, each once. The names of LoRAs in it are none."""
    return words_of(_LORA.sub(" ", prompt))


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).casefold()
    # But for the marks that make another letter of a kana.
    plain = "".join(char for char in plain if char in "\u3099\u309a" or not unicodedata.combining(char))
    return _WORD.findall(unicodedata.normalize("NFKC", plain))


def read_title(typed: str) -> str | None:
    """A title as it is kept: on one line, turning no text around; None if nothing of it can be seen."""
    title = " ".join(_TURNING.sub("", typed).split())[:MAX_TITLE].rstrip()
    return title if any(unicodedata.category(char)[0] in "LNPS" for char in _BLANK.sub("", title)) else None


def read_tags(typed: str | Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept: small letters, single spaces, each once.

    Args:
        typed: a text with commas or # before each of them, or the tags one by one.

    Raises:
        InvalidRequest: they are too many or too long; a sentence for the person.
    """
    parts = re.split(r"[,;#\n]", typed) if isinstance(typed, str) else typed
    folded = (" ".join(unicodedata.normalize("NFKC", part).lower().split()) for part in parts)
    tags = tuple(dict.fromkeys(tag for tag in folded if any(char.isalnum() for char in tag)))
    if len(tags) > MAX_TAGS:
        raise InvalidRequest(
            say("{number} tags are too many; choose {most} at the most.", number=len(tags), most=MAX_TAGS)
        )
    if any(len(tag) > MAX_TAG or not tag.isprintable() for tag in tags):
        raise InvalidRequest(
            say("A tag has {most} characters at the most, and all of them can be seen.", most=MAX_TAG)
        )
    return tags


def facet(kind: str, value: str | int) -> str:
    """The word in the index that stands for this value of a setting.

    Args:
        kind: "m" for a model, "s" a style, "a" a LoRA, "t" a tag, "p" a person, "l" a tier of likes.
    """
    return f"{_FACET}{kind}{value if isinstance(value, int) else value.encode().hex()}"


def all_of(parts: Iterable[str]) -> str:
    """A search for what holds all of these, which are made by :func:`term` or :func:`any_of`."""
    return " AND ".join(parts)


def any_of(words: Sequence[str]) -> str:
    """A search for what holds one of these words or facets."""
    return f"({' OR '.join(map(term, words))})"


def term(word: str) -> str:
    """A search for one word or facet."""
    return '"' + word.replace('"', '""') + '"'
