"""Pages of what is shared, by keys and not by numbers: a page stays where it is while others share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from storage.posts import Post, of_adults

SIZE = 24
"""Posts on a page, unless it is said."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The edge of a page: the page begins beyond this post."""

    post: int
    likes: int = 0
    """That it had when it was the last of its page."""
    is_back: bool = False
    """The page before, and not the one after."""

    def __str__(self) -> str:
        """At most 30 letters, digits and dots."""
        return f"{'b' if self.is_back else 'a'}{self.likes:x}.{self.post:x}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What :meth:`__str__` said; None if that is not what it is."""
        match = re.fullmatch(r"([ab])([0-9a-f]{1,12})\.([0-9a-f]{1,15})", text)
        if match is None:
            return None
        return cls(int(match[3], 16), int(match[2], 16), match[1] == "b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some posts, and where more are."""

    posts: tuple[Post, ...] = ()
    before: str | None = None
    """The cursor of the page before; None: this is the first."""
    after: str | None = None
    """The cursor of the page after; None: this is the last."""
    instead: tuple[str, ...] | None = None
    """What was searched for instead, because nothing was found of what was typed."""


Key = tuple[int, int]
"""The likes and the id of a post: of what :class:`Cursor` holds."""


def cut(keys: Sequence[Key], cursor: Cursor | None, size: int) -> tuple[list[Key], bool, bool]:
    """The keys of a page in order, and whether there are some before it and after it.

    Args:
        keys: those next to the cursor, the nearest first, and one more than `size` if there are so many.
    """
    page, more = list(keys[:size]), len(keys) > size
    if cursor is not None and cursor.is_back:
        return page[::-1], more, bool(page)
    return page, cursor is not None and bool(page), more


@dataclass(frozen=True, slots=True)
class Span:
    """The ids that are looked at."""

    low: int
    high: int
    """Beyond the last."""
    for_all: bool = False
    """Not those among them that only adults may see."""

    def sight(self, post: str) -> str:
        """SQL: the rest of a condition that leaves out what may not be seen.

        Args:
            post: the column of its id, as for :func:`storage.posts.of_adults`.
        """
        return f"AND NOT {of_adults(post)}" if self.for_all else ""


LOST = Cursor(-1)
"""A cursor that is none: beyond everything, so that its page is empty."""


def edge_of(text: str | None) -> Cursor | None:
    return None if text is None else Cursor.read(text) or LOST


def is_back_of(edge: Cursor | None) -> bool:
    return edge is not None and edge.is_back


def order_of(edge: Cursor | None) -> str:
    return "ASC" if is_back_of(edge) else "DESC"


def beyond(ids: Span, edge: Cursor | None) -> Span:
    """The part of a range beyond the edge, where the newest come first."""
    if edge is None:
        return ids
    if edge.is_back:
        return replace(ids, low=max(ids.low, edge.post + 1))
    return replace(ids, high=min(ids.high, edge.post))


def next_keys(keys: Sequence[Key], edge: Cursor | None, most: int) -> list[Key]:
    """Those next to the edge, the nearest first, of keys that are all there and in order.

    What has left them meanwhile was where its key belongs, or, where the order is a rank, at the end.
    """
    if edge is None:
        return list(keys[:most])
    places = [place for place, key in enumerate(keys) if key[1] == edge.post]
    place = (
        places[0]
        if places
        else sum(key > (edge.likes, edge.post) for key in keys)
        if edge.likes
        else len(keys)
    )
    before, after = keys[:place], keys[place + bool(places) :]
    return list(before[::-1] if edge.is_back else after)[:most]
