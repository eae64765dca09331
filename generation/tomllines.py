"""In which line of a TOML file each of its values stands: what tomllib does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

Place = tuple[str | int, ...]
"""The way to a value: keys of tables and places in arrays, `("model", 0, "steps")` say."""

_SPACE = " \t\n"


def lines_of(text: str) -> Mapping[Place, int]:
    """The line of every table and key, counted from 1; that of the whole file is 1.

    `text` must be TOML that tomllib has read: what is not well formed is not looked for here.
    """
    return _Walk(text.replace("\r\n", "\n")).document()


def line_of(lines: Mapping[Place, int], place: Place) -> int:
    """The line of a value, or of what holds it if it is not there itself."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines: dict[Place, int] = {}
        self._arrays: dict[Place, int] = {}
        """How many tables each `[[array]]` has so far."""

    def document(self) -> Mapping[Place, int]:
        table: Place = ()
        while self._skip(_SPACE):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> Place:
        line = self._line()
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        place: Place = ()
        keys = self._keys()
        for number, key in enumerate(keys, start=1):
            place = (*place, key)
            self._lines.setdefault(place, line)
            if is_array and number == len(keys):
                self._arrays[place] = self._arrays.get(place, 0) + 1
            if place in self._arrays:
                place = (*place, self._arrays[place] - 1)
        self._lines[place] = line
        self._at += 2 if is_array else 1
        return place

    def _pair(self, table: Place) -> None:
        line = self._line()
        place = table
        for key in self._keys():
            place = (*place, key)
            self._lines.setdefault(place, line)
        self._at += 1  # the equals sign
        self._skip(" \t")
        self._value(place)

    def _keys(self) -> list[str]:
        """The parts of a key with dots in it, which ends before "=" or "]"."""
        keys = []
        while True:
            self._skip(" \t")
            if self._text[self._at] in "\"'":
                start = self._at
                self._string()
                keys.append(_unquoted(self._text[start : self._at]))
            else:
                start = self._at
                while self._text[self._at] not in ".=] \t":
                    self._at += 1
                keys.append(self._text[start : self._at])
            self._skip(" \t")
            if self._text[self._at] != ".":
                return keys
            self._at += 1

    def _value(self, place: Place) -> None:
        match self._text[self._at]:
            case "[":
                self._array(place)
            case "{":
                self._inline_table(place)
            case '"' | "'":
                self._string()
            case _:
                while self._at < len(self._text) and self._text[self._at] not in ",]}#\n":
                    self._at += 1

    def _array(self, place: Place) -> None:
        self._at += 1
        index = 0
        while self._skip(_SPACE + ",") and self._text[self._at] != "]":
            self._lines[(*place, index)] = self._line()
            self._value((*place, index))
            index += 1
        self._at += 1

    def _inline_table(self, place: Place) -> None:
        self._at += 1
        while self._skip(_SPACE + ",") and self._text[self._at] != "}":
            self._pair(place)
        self._at += 1

    def _string(self) -> None:
        quote = self._text[self._at]
        if self._text.startswith(quote * 3, self._at):
            self._at += 3
            while not self._text.startswith(quote * 3, self._at):
                self._at += 2 if self._text[self._at] == "\\" and quote == '"' else 1
            while self._text.startswith(quote * 4, self._at):  # quotes that belong to the text
                self._at += 1
            self._at += 3
            return
        self._at += 1
        while self._text[self._at] != quote:
            self._at += 2 if self._text[self._at] == "\\" and quote == '"' else 1
        self._at += 1

    def _skip(self, characters: str) -> bool:
        """Go on behind these characters and comments; whether anything is left."""
        while self._at < len(self._text):
            if self._text[self._at] == "#":
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            elif self._text[self._at] in characters:
                self._at += 1
            else:
                return True
        return False

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1


def _unquoted(key: str) -> str:
    """A quoted key as tomllib reads it."""
    (name,) = tomllib.loads(f"{key} = 0")
    return name
