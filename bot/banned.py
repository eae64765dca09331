"""Finds in prompts the words that a server has banned: as whole words, through case and Unicode's tricks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bot.lookalikes import CAPITAL, DIGITS, EITHER, SIGNS, SMALL

MAX_LENGTH = 60
"""Characters of one banned word or phrase."""
LEAST_SPELLED = 3
"""Letters of a word that is also found where it is spelled out, or written with digits."""

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0") | {
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
}
"""Besides what Unicode calls a format character."""
_NO_WIDTH = "\u200b"
_MARKED = ("LATIN", "GREEK", "CYRILLIC", "HEBREW", "ARABIC")
"""Scripts in which a word remains what it is without its marks."""
_CHOICE = re.compile(r"[|{}]")
"""Between these stand things of which one is chosen: they are not beside each other."""
_GAP = re.compile(r"[\s._\-*·~+/'’]{1,3}")
"""What may stand between the letters of a word that is spelled out."""
_NO_SPACES = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u318f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Letters of languages that do not put spaces between words, and of Korean, which puts endings to them."""
_JOINED = re.compile(r"(?<=[\u3005-\u30ff\u3400-\u9fff])\s+(?=[\u3005-\u30ff\u3400-\u9fff])")
"""Spaces within Chinese and Japanese: they separate nothing."""


@dataclass(frozen=True, slots=True)
class _Word:
    """One word of a prompt, in all the ways to read it."""

    plain: str
    """As it stands there, in lower case."""
    seen: frozenset[str]
    """What it looks like, as far as that differs."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One word of a banned phrase."""

    plain: str
    looks: str
    """Of what its letters look like: for words that are written with look-alikes."""

    def is_in(self, word: _Word) -> bool:
        return self.plain == word.plain or self.plain in word.seen or self.looks in word.seen


class Banned:
    """Words and phrases; each is found in the spelling in which it was banned, whatever it was found as."""

    def __init__(self, words: Iterable[str]) -> None:
        self._parts: list[tuple[str, str]] = []
        """What is found wherever it stands."""
        self._phrases: dict[str, list[tuple[str, tuple[_Wanted, ...]]]] = {}
        """All others, by what their first word may be found as."""
        for word in words:
            if _stands_anywhere(word):
                self._parts.append((word, _run_together(word)))
            else:
                phrase = tuple(map(_wanted, _tokens(_clean(word))))
                for first in {phrase[0].plain, phrase[0].looks}:
                    self._phrases.setdefault(first, []).append((word, phrase))

    def find(self, text: str) -> str | None:
        """The first of the banned words that this text holds, or None."""
        if self._parts:
            whole = _run_together(text)
            for word, part in self._parts:
                if part and part in whole:
                    return word
        if self._phrases:
            for piece in _pieces(text):
                for words in _readings(piece):
                    if (found := self._among(words)) is not None:
                        return found
        return None

    def _among(self, words: Sequence[_Word]) -> str | None:
        for start, first in enumerate(words):
            for form in (first.plain, *first.seen):
                for word, phrase in self._phrases.get(form, ()):
                    beside = words[start : start + len(phrase)]
                    if len(beside) == len(phrase) and all(map(_Wanted.is_in, phrase, beside)):
                        return word
        return None


@lru_cache(maxsize=64)
def banned(words: tuple[str, ...]) -> Banned:
    """Those words, ready to be found."""
    return Banned(words)


def tidied(text: str) -> str:
    """A word or phrase as it is kept: without what nobody sees."""
    return " ".join(_visible(unicodedata.normalize("NFC", text)).split())


def key(word: str) -> tuple[str, ...]:
    """By this two spellings of one banned word are the same."""
    if _stands_anywhere(word):
        return (_run_together(word),)
    return tuple(wanted.plain for wanted in map(_wanted, _tokens(_clean(word))))


def is_too_short(word: str) -> bool:
    """Whether it would be found in nearly every prompt, or in none."""
    return not _stands_anywhere(word) and sum(map(len, key(word))) < 2


def _pieces(text: str) -> Iterator[str]:
    """Parts of a text whose words stand beside each other."""
    yield from _CHOICE.split(_clean(text))
    if _NO_WIDTH in text:  # a space, or nothing: as whoever reads it likes
        yield from _CHOICE.split(_clean(text.replace(_NO_WIDTH, " ")))


# How a text is read --------------------------------------------------------------------------------------


def _readings(text: str) -> Iterator[Sequence[_Word]]:
    """The words of a text: as they stand there, with digits for letters, and spelled out."""
    tokens = _tokens(text)
    yield [_word(token) for token in tokens]
    if any(sign in text for sign in DIGITS):
        yield [_word_with_digits(token) for token in _tokens(text, signs=True)]
    for spelled in _spelled(text):
        yield [_word(spelled)]


def _clean(text: str) -> str:
    """The text without what nobody sees, in the characters that NFKC has for it."""
    return unicodedata.normalize("NFC", _visible(unicodedata.normalize("NFKC", text.translate(SIGNS))))


def _visible(text: str) -> str:
    return "".join(char for char in text if char not in _INVISIBLE and unicodedata.category(char) != "Cf")


def _tokens(text: str, *, signs: bool = False) -> list[str]:
    """Its words: letters and digits with their marks; `signs`: also signs that stand for letters.

    What needs no spaces around it is no word here.
    """
    return [text[start:end] for start, end in _spans(text, signs=signs)]


def _spans(text: str, *, signs: bool = False) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for at, char in enumerate(text):
        inside = (char.isalnum() and not _NO_SPACES.match(char)) or (signs and char in DIGITS)
        if start is not None and unicodedata.category(char)[0] == "M":
            inside = True
        if inside and start is None:
            start = at
        elif not inside and start is not None:
            spans.append((start, at))
            start = None
    if start is not None:
        spans.append((start, len(text)))
    return spans


@lru_cache(maxsize=8192)
def _word(token: str) -> _Word:
    plain = _folded(token)
    bare = _without_marks(plain)
    seen = {bare, _looks(token), _without_marks(_looks(token))}
    if (tall := re.sub(r"(?<=[a-z])I+|I+(?=[a-z])", lambda found: "l" * len(found[0]), token)) != token:
        seen.add(_folded(tall))  # a capital I looks like a small L
    return _Word(plain=plain, seen=frozenset(seen - {plain}))


def _word_with_digits(token: str) -> _Word:
    token = token.rstrip("!")
    word = _word(token)
    digits = sum(char.isdigit() for char in token)
    letters = sum(char.isalpha() for char in token)
    if not letters or letters < digits or len(token) < LEAST_SPELLED:
        return word  # rather a number
    ways = {"".join(_read(char, other) for char in token) for other in ("i", "l")}
    seen = {form for way in ways for form in (_word(way).plain, *_word(way).seen)}
    return _Word(plain=word.plain, seen=word.seen | seen)


def _read(char: str, other: str) -> str:
    return other if char in EITHER else DIGITS.get(char, char)


def _spelled(text: str) -> Iterator[str]:
    """Words that are spelled out, like b a d or b.a.d: letter by letter with the same between all of them."""
    letters = [span for span in _spans(text) if _is_letter(text[span[0] : span[1]])]
    run: list[tuple[int, int]] = []
    between: str | None = None
    for letter in letters:
        gap = text[run[-1][1] : letter[0]] if run else None
        if gap is not None and (not _GAP.fullmatch(gap) or between not in (None, gap)):
            yield from _words_of(text, run)
            run = run[-1:] if _GAP.fullmatch(gap) else []
        between = gap if run else None
        run.append(letter)
    yield from _words_of(text, run)


def _words_of(text: str, run: Sequence[tuple[int, int]]) -> Iterator[str]:
    word = "".join(text[start:end] for start, end in run)
    if len(word) >= LEAST_SPELLED:
        yield word
    if len(word) > LEAST_SPELLED and word[0] in "aAiI":  # a word of its own before it
        yield word[1:]


def _is_letter(token: str) -> bool:
    return len(_without_marks(token)) == 1 and token[0].isalpha()


def _wanted(token: str) -> _Wanted:
    plain, looks = _folded(token), _looks(token)
    # Whoever bans a word without marks means it with any; with marks, with these.
    return _Wanted(plain, looks if _without_marks(plain) != plain else _without_marks(looks))


def _folded(token: str) -> str:
    return _settled(unicodedata.normalize("NFKC", token.casefold()))


def _looks(token: str) -> str:
    """What the letters look like, in Latin ones."""
    parts = []
    for char in unicodedata.normalize("NFD", token):
        small = char.casefold()
        parts.append(CAPITAL.get(char) or SMALL.get(char) or SMALL.get(small, small))
    return _settled(unicodedata.normalize("NFC", "".join(parts)))


def _settled(text: str) -> str:
    """Without the marks that no letter has in any language."""
    return _marks_removed(unicodedata.normalize("NFC", text))


def _without_marks(text: str) -> str:
    return unicodedata.normalize("NFC", _marks_removed(unicodedata.normalize("NFD", text)))


def _marks_removed(text: str) -> str:
    kept: list[str] = []
    takes_marks = False
    for char in text:
        if unicodedata.category(char) in ("Mn", "Me"):
            if not takes_marks:
                kept.append(char)
            continue
        takes_marks = not char.isalpha() or unicodedata.name(char, "").startswith(_MARKED)
        kept.append(char)
    return "".join(kept)


# What stands anywhere ------------------------------------------------------------------------------------


def _stands_anywhere(word: str) -> bool:
    """Whether it is found within words too: it is of a language without spaces, or of signs alone."""
    clean = _clean(word)
    return not _tokens(clean) or _NO_SPACES.search(clean) is not None


def _run_together(text: str) -> str:
    """The text as such a word is looked for: katakana as hiragana, and no spaces in Chinese and Japanese."""
    folded = "".join(map(_hiragana, _clean(text).casefold()))
    return _JOINED.sub("", folded)


def _hiragana(char: str) -> str:
    return chr(ord(char) - 0x60) if "\u30a1" <= char <= "\u30f6" else char
