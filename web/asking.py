"""What somebody wants to see, as it stands in an address, and the addresses of all there is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from generation.job import UserId
from storage.finding import Wanted, Window
from storage.gallery import Post, PostId
from web.veil import Veil

MAX_TEXT = 1000
"""Characters of a search that are read."""
MAX_NAME = 200
"""The same of all else."""
NO_MODEL = "\0"
"""The source of none: sources may be paths, and nobody shall find out by guessing which there are."""
MAX_NUMBER = 2**63 - 1
"""What the database can hold."""


class Order(StrEnum):
    NEW = "new"
    TOP = "top"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A page of a gallery, by what people choose. Empty: never mind."""

    text: str = ""
    order: Order = Order.NEW
    model: str = ""
    """What it is called."""
    style: str = ""
    tag: str = ""
    time: Window = Window.ALL
    at: str = ""
    """The cursor of the page."""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Asked:
        """What stands in an address; what makes no sense there is left out."""

        def text(name: str, most: int = MAX_NAME) -> str:
            return " ".join(query.get(name, "").encode(errors="ignore").decode()[:most].split())

        order, time = text("order"), text("time")
        return cls(
            text=text("q", MAX_TEXT),
            order=Order(order) if order in Order.__members__.values() else Order.NEW,
            model=text("model"),
            style=text("style"),
            tag=text("tag").lower(),
            time=Window(time) if time in Window.__members__.values() else Window.ALL,
            at=text("at"),
        )

    def but(self, **changes: Any) -> Asked:
        """The first page of the same but for these."""
        return replace(self, **{"at": "", **changes})

    @property
    def is_filtered(self) -> bool:
        """Whether it is only a part of all there is."""
        return bool(self.model or self.style or self.tag) or self.time is not Window.ALL

    @property
    def query(self) -> str:
        """As it stands in an address, with what differs from the usual only."""
        told = {
            "q": self.text,
            "order": "" if self.order is Order.NEW else self.order.value,
            "model": self.model,
            "style": self.style,
            "tag": self.tag,
            "time": "" if self.time is Window.ALL else self.time.value,
            "at": self.at,
        }
        return urlencode({name: value for name, value in told.items() if value})

    def wanted(self, models: Mapping[str, str], person: UserId | None) -> Wanted:
        """The same for the finder.

        Args:
            models: the sources of models by what they are called.
        """
        return Wanted(
            model=models.get(self.model, NO_MODEL) if self.model else None,
            style=self.style or None,
            tag=self.tag or None,
            person=person,
            window=self.time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where everything is."""

    veil: Veil
    prefix: str = ""
    """What stands before all paths: what a proxy in front takes off."""
    site: str = ""
    """Scheme and host, for what cannot do with a path."""

    def gallery(self, server: int, asked: Asked | None = None) -> str:
        return _asking(f"{self.prefix}/{server}", asked)

    def person(self, server: int, person: UserId, asked: Asked | None = None) -> str:
        return _asking(f"{self.prefix}/{server}/by/{self.veil.word('person', server, person)}", asked)

    def post(self, post: Post) -> str:
        return f"{self.prefix}/{post.server}/{self.veil.word('post', post.server, post.id)}"

    def picture(self, post: Post) -> str:
        """The file as it was drawn."""
        return f"{self.post(post)}/{post.digest[:16]}.png"

    def thumbnail(self, post: Post) -> str:
        return f"{self.post(post)}/{post.digest[:16]}.webp"

    def post_id(self, server: int, word: str) -> PostId | None:
        """The post that a word in an address means; None if there can be none."""
        number = self.veil.number("post", server, word)
        return None if number is None or number > MAX_NUMBER else PostId(number)

    def user_id(self, server: int, word: str) -> UserId | None:
        """The person that a word in an address means; None if there can be none."""
        number = self.veil.number("person", server, word)
        return None if number is None or number > MAX_NUMBER else UserId(number)


def _asking(path: str, asked: Asked | None) -> str:
    return f"{path}?{asked.query}" if asked is not None and asked.query else path
