"""What is found in a gallery: the best, the newest, what holds some words, one's own, what is like one."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from generation.job import UserId
from storage.database import Database
from storage.likeness import alike
from storage.orders import RANKED, Orders
from storage.orders import Window as Window
from storage.paging import (
    LOST,
    SIZE,
    Cursor,
    Key,
    Page,
    Span,
    beyond,
    cut,
    edge_of,
    is_back_of,
    next_keys,
    order_of,
)
from storage.posts import SELECT_POSTS, SHIFT, Post, post_of
from storage.postwords import MAX_TYPED, MAX_WORDS, facet, term, words_of
from storage.ranking import ranked
from storage.spelling import corrected, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted of a gallery. None: never mind."""

    model: str | None = None
    style: str | None = None
    lora: str | None = None
    tag: str | None = None
    person: UserId | None = None
    window: Window = Window.ALL
    adults: bool = False
    """Also what only adults may see."""

    @property
    def facets(self) -> list[str]:
        """What the index of words is asked for."""
        kinds = {"p": self.person, "s": self.style, "a": self.lora, "t": self.tag, "m": self.model}
        return [term(facet(kind, value)) for kind, value in kinds.items() if value is not None]


class Finder:
    """Looks for posts in one server at a time. Those that are hidden are only found by :meth:`mine`."""

    def __init__(self, database: Database, *, now: Callable[[], float] = time.time) -> None:
        self._database = database
        self._orders = Orders(database, now)

    async def new(
        self, server: int, wanted: Wanted | None = None, *, cursor: str | None = None, size: int = SIZE
    ) -> Page:
        """The newest first."""
        wanted, edge = wanted or Wanted(), edge_of(cursor)
        if edge is LOST:
            return Page()
        ids = await self._orders.span(server, wanted.window, adults=wanted.adults)
        keys = await self._orders.newest(wanted.facets, beyond(ids, edge), size + 1, is_back=is_back_of(edge))
        return await self._page([(0, post) for post in keys], edge, size)

    async def top(
        self, server: int, wanted: Wanted | None = None, *, cursor: str | None = None, size: int = SIZE
    ) -> Page:
        """Those with the most likes first, of what was shared in a time."""
        wanted, edge = wanted or Wanted(), edge_of(cursor)
        if edge is LOST:
            return Page()
        ids = await self._orders.span(server, wanted.window, adults=wanted.adults)
        if wanted.facets:
            keys = await self._orders.by_tiers(server, (), wanted.facets, ids, edge, size + 1)
        else:
            keys = await self._orders.by_likes(server, wanted.window, ids, edge, size + 1)
        return await self._page(keys, edge, size)

    async def search(
        self,
        server: int,
        typed: str,
        wanted: Wanted | None = None,
        *,
        cursor: str | None = None,
        size: int = SIZE,
    ) -> Page:
        """What holds all words that were typed; the last may be the beginning of one. Nothing typed: the top.

        Where nothing does, words that nobody has used are taken for typing errors.
        """
        wanted, edge = wanted or Wanted(), edge_of(cursor)
        if not typed.strip():
            return await self.top(server, wanted, cursor=cursor, size=size)
        words = words_of(typed[:MAX_TYPED])[:MAX_WORDS]
        if edge is LOST or not words:
            return Page()
        ids = await self._orders.span(server, wanted.window, adults=wanted.adults)
        read = await reading(self._database, ids.low >> SHIFT, words)
        found = await self._orders.few(read, ids)
        instead = None
        if read is None or found == []:
            instead = await corrected(self._database, ids.low >> SHIFT, words)
            read = (
                None
                if instead is None
                else await reading(self._database, ids.low >> SHIFT, instead, complete=False)
            )
            if read is None:
                return Page()
            found = await self._orders.few(read, ids)
        if found is None:
            keys = await self._orders.by_tiers(server, read.terms, wanted.facets, ids, edge, size + 1)
        else:
            posts = await self._orders.having(found, read.terms, wanted.facets, ids)
            if len(found) <= RANKED:
                best = await ranked(self._database, read, posts)
                keys = next_keys([(0, post) for post in best], edge, size + 1)
            else:
                keys = await self._orders.sorted(posts, edge, size + 1)
        return await self._page(keys, edge, size, instead)

    async def mine(self, server: int, person: UserId, *, cursor: str | None = None, size: int = SIZE) -> Page:
        """All that a person shared there, hidden or not, the newest first."""
        edge = edge_of(cursor)
        if edge is LOST:
            return Page()
        ids = beyond(Span(0, 1 << 62), edge)
        rows = await self._database.browse(
            f"""
            SELECT id FROM posts WHERE person = ? AND server = ? AND id >= ? AND id < ?
            ORDER BY id {order_of(edge)} LIMIT ?
            """,
            (person, server, ids.low, ids.high, size + 1),
        )
        return await self._page([(0, row["id"]) for row in rows], edge, size, hidden=True)

    async def random(self, server: int, wanted: Wanted | None = None, *, count: int = 1) -> tuple[Post, ...]:
        """Different posts by chance, up to `count`. What follows a gap in the ids is a little more likely."""
        wanted = wanted or Wanted()
        ids = await self._orders.span(server, wanted.window, adults=wanted.adults)
        found: dict[int, None] = {}
        for _ in range(count if ids.high > ids.low else 0):
            middle = random.randrange(ids.low, ids.high)
            for part in (replace(ids, low=middle), replace(ids, high=middle)):
                posts = await self._orders.newest(wanted.facets, part, count, is_back=True)
                if fresh := [post for post in posts if post not in found]:
                    found[fresh[0]] = None
                    break
        return await self._posts([(0, post) for post in found])

    async def more_like(
        self, post: Post, *, cursor: str | None = None, size: int = SIZE, adults: bool = False
    ) -> Page:
        """Other posts of its server that are like it: with its rare words, its LoRAs, style and model.

        Args:
            adults: also those that only adults may see.
        """
        edge = edge_of(cursor)
        if edge is LOST:
            return Page()
        ids = await self._orders.span(post.server, Window.ALL, adults=adults)
        keys = [key for key in await alike(self._database, self._orders, post, ids) if key[1] != post.id]
        return await self._page(next_keys(keys, edge, size + 1), edge, size)

    # Parts ------------------------------------------------------------------------------------------------

    async def _page(
        self,
        keys: Sequence[Key],
        edge: Cursor | None,
        size: int,
        instead: tuple[str, ...] | None = None,
        *,
        hidden: bool = False,
    ) -> Page:
        page, before, after = cut(keys, edge, size)
        return Page(
            posts=await self._posts(page, hidden=hidden),
            before=str(Cursor(page[0][1], page[0][0], is_back=True)) if before else None,
            after=str(Cursor(page[-1][1], page[-1][0])) if after else None,
            instead=instead if page else None,
        )

    async def _posts(self, keys: Sequence[Key], *, hidden: bool = False) -> tuple[Post, ...]:
        """The posts of these keys, in their order; what went away or out of sight meanwhile is left out."""
        rows = await self._database.browse(
            f"{SELECT_POSTS} WHERE posts.id IN (SELECT value FROM json_each(?))",
            (json.dumps([post for _, post in keys]),),
        )
        posts = {row["id"]: post_of(row) for row in rows}
        found = [posts[post] for _, post in keys if post in posts]
        return tuple(post for post in found if hidden or not post.is_hidden)
