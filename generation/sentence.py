"""A sentence for people: in English, and with what it takes to say it in another language.

A :class:`Sentence` is an ordinary string, so whoever knows nothing of languages can show it as it is. Whoever
does asks a catalogue for its template and fills that in (see ``bot/language.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, Self


class Catalogue(Protocol):
    """The templates of one language, by the English ones."""

    @property
    def thousands(self) -> str:
        """What stands between the thousands of a large number."""
        ...

    def one(self, template: str) -> str:
        """The template in this language, or itself."""
        ...

    def one_of(self, singular: str, plural: str, number: int) -> str:
        """The template for so many in this language, or the English one."""
        ...


class Sentence(str):
    """English text that knows how it was made. Make one with :func:`say`, :func:`count` or :func:`joined`.

    It stays one through pickling, copying and :meth:`plain`; what is made of it with an f-string, with ``+``
    or with ``str.join`` is ordinary text, and remains in English.
    """

    __slots__ = ("_parts", "_plural", "_template", "_values")

    _template: str
    """With ``{name}`` where a value goes; of joined ones what stands between the parts."""
    _plural: tuple[str, int] | None
    _values: Mapping[str, object]
    _parts: tuple[str, ...] | None

    def __new__(
        cls,
        template: str,
        values: Mapping[str, object],
        plural: tuple[str, int] | None = None,
        parts: tuple[str, ...] | None = None,
    ) -> Self:
        values = {name: _kept(value) for name, value in values.items()}
        made = super().__new__(cls, _filled(_English(), template, values, plural, parts))
        made._template, made._values, made._plural, made._parts = template, values, plural, parts
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._template, self._values, self._plural, self._parts)

    def within(self, catalogue: Catalogue) -> str:
        """The sentence in that language, with all the sentences in it."""
        return _filled(catalogue, self._template, self._values, self._plural, self._parts)

    def plain(self) -> dict[str, Any]:
        """What :meth:`from_plain` makes the sentence of, for JSON: values that are no numbers become text."""
        if self._parts is not None:
            return {"between": self._template, "parts": [_plain(part) for part in self._parts]}
        made = {"say": self._template, "with": {name: _plain(value) for name, value in self._values.items()}}
        return made if self._plural is None else {**made, "many": self._plural[0], "count": self._plural[1]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The sentence that was made plain.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        if "parts" in plain:
            return cls(plain["between"], {}, parts=tuple(map(_from_plain, plain["parts"])))
        values = {name: _from_plain(value) for name, value in plain["with"].items()}
        return cls(plain["say"], values, (plain["many"], plain["count"]) if "many" in plain else None)


def say(template: str, /, **values: object) -> Sentence:
    """A sentence: the English template, filled in as by ``str.format``.

    The template must be a literal: it is the key under which translators find it.
    """
    return Sentence(template, values)


def count(singular: str, plural: str, /, number: int, **values: object) -> Sentence:
    """The same for a number of things, told as ``{number}``: languages differ in how many forms they have."""
    return Sentence(singular, {"number": number, **values}, (plural, number))


def joined(between: str, parts: Iterable[str]) -> Sentence:
    """What ``between.join(parts)`` is, without losing what its parts are in other languages."""
    return Sentence(between, {}, parts=tuple(parts))


def altered(text: str, how: Callable[[str], str]) -> str:
    """What `how` makes of a text, in whichever language it is said: `how` shortens or escapes, say."""
    return _Altered(text, how) if isinstance(text, Sentence) else how(text)


def enumerated(parts: Sequence[str]) -> Sentence:
    """The parts with commas between them, and "and" before the last."""
    if len(parts) < 2:
        return joined("", parts)
    return say("{some} and {last}", some=joined(", ", parts[:-1]), last=parts[-1])


def first_of(names: Sequence[str], most: int) -> str:
    """The names as a list in a sentence, or so many of them and how many there are beside."""
    shown = ", ".join(names[:most])
    left = len(names) - most
    return say("{names} and {left} more", names=shown, left=left) if left > 0 else shown


def shortened(text: str, limit: int) -> str:
    """The text, or its beginning and an ellipsis, in at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


class Told(Exception):  # noqa: N818 - its message is a sentence for people
    """What is raised with a sentence as its only argument: ``raise CannotDraw(say("No {x}.", x=x))``."""

    @property
    def sentence(self) -> str:
        """What to tell people, in their language if it is a :class:`Sentence`; ``str()`` of it is English."""
        return self.args[0] if self.args and isinstance(self.args[0], str) else str(self)


class _Altered(Sentence):
    """See :func:`altered`."""

    __slots__ = ("_how", "_whole")

    _whole: Sentence
    _how: Callable[[str], str]

    def __new__(cls, whole: Sentence, how: Callable[[str], str]) -> Self:
        made = super().__new__(cls, "{text}", {"text": how(whole)})
        made._whole, made._how = whole, how
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._whole, self._how)

    def within(self, catalogue: Catalogue) -> str:
        return self._how(self._whole.within(catalogue))


class _English:
    thousands = ","

    def one(self, template: str) -> str:
        return template

    def one_of(self, singular: str, plural: str, number: int) -> str:
        return singular if number == 1 else plural


def _filled(
    catalogue: Catalogue,
    template: str,
    values: Mapping[str, object],
    plural: tuple[str, int] | None,
    parts: tuple[str, ...] | None,
) -> str:
    if parts is not None:
        return template.join(str(_in(catalogue, part)) for part in parts)
    said = catalogue.one(template) if plural is None else catalogue.one_of(template, *plural)
    return said.format_map({name: _in(catalogue, value) for name, value in values.items()})


def _in(catalogue: Catalogue, value: object) -> object:
    if isinstance(value, Sentence):
        return value.within(catalogue)
    if isinstance(value, int | float) and catalogue.thousands != ",":
        return _Grouped(value, catalogue.thousands)
    return value


class _Grouped:
    """A number as others than the English group it: a comma would be read as a decimal one."""

    __slots__ = ("_mark", "_value")

    def __init__(self, value: int | float, mark: str) -> None:
        self._value, self._mark = value, mark

    def __format__(self, how: str) -> str:
        said = format(self._value, how)
        return said.replace(",", self._mark) if "," in how else said


def _kept(value: object) -> object:
    """A value as it is shown, so that a sentence holds nothing but text, numbers and sentences."""
    if isinstance(value, Told):
        return value.sentence
    if isinstance(value, Sentence) or type(value) in (str, int, float):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if isinstance(value, int) else float(value)
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, Sentence):
        return value.plain()
    return value if isinstance(value, int | float) else str(value)


def _from_plain(value: Any) -> Any:
    return Sentence.from_plain(value) if isinstance(value, Mapping) else value
