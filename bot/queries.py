"""What somebody looks for in a gallery, as a page of it remembers it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Self
from urllib.parse import unquote

from generation.job import UserId
from generation.sentence import say
from storage.finding import Wanted, Window

MAX_WORDS = 100
"""Characters of a search that are taken: the page itself has to remember them."""
CHUNK = 80
"""UTF-16 units of what a page remembers, in the value of one line of a menu; Discord takes 100 characters."""
NEWEST = "new"


class Kind(StrEnum):
    """What is looked for."""

    TOP = "top"
    NEW = "new"
    SEARCH = "search"
    MINE = "mine"
    RANDOM = "random"
    LIKE = "like"
    """What is like a post."""


WINDOWS: Mapping[Window, str] = {
    Window.DAY: say("of a day"),
    Window.WEEK: say("of a week"),
    Window.MONTH: say("of a month"),
    Window.ALL: say("of all time"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What somebody looks for; a page remembers it, whatever becomes of the bot."""

    kind: Kind
    typed: str = ""
    window: Window = Window.ALL
    model: str | None = None
    """Its source."""
    style: str | None = None
    tag: str | None = None
    person: int | None = None
    post: int | None = None

    def __str__(self) -> str:
        """All of it, without spaces, which Discord would take from the ends of its parts."""
        told = {name: value for name, value in asdict(self).items() if value not in (None, "")}
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        return re.sub(r"[%\s]", lambda match: "".join(f"%{byte:02x}" for byte in match[0].encode()), text)

    @classmethod
    def read(cls, text: str) -> Self:
        """What :meth:`__str__` said.

        Raises:
            ValueError, TypeError: that is not what it is.
        """
        told = json.loads(unquote(text))
        return cls(**told | {"kind": Kind(told["kind"]), "window": Window(told["window"])})

    @property
    def wanted(self) -> Wanted:
        """What its filters say."""
        person = None if self.person is None else UserId(self.person)
        return Wanted(model=self.model, style=self.style, tag=self.tag, person=person, window=self.window)


def chunks(text: str) -> list[str]:
    """The text in parts of so many UTF-16 units at the most, which is what Discord may count."""
    parts, room = [""], CHUNK
    for char in text:
        units = len(char.encode("utf-16-le", "replace")) // 2
        if units > room:
            parts.append("")
            room = CHUNK
        parts[-1] += char
        room -= units
    return parts


def resorted(query: Query, chosen: str) -> Query:
    """What is looked for with this line of the menu."""
    if chosen not in (NEWEST, *Window):
        return query
    window = Window.ALL if chosen == NEWEST else Window(chosen)
    if query.kind is Kind.SEARCH:
        return replace(query, window=window)
    kind = Kind.NEW if chosen == NEWEST else Kind.TOP
    return replace(query, kind=kind, window=window, post=None)
