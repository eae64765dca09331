"""The orders in which posts are found, each from an index that holds about that order.

So a page of a million posts costs about what one of thousands does. Beside "newest first" there are three:

- by likes, where nothing but a time is wanted: an index holds that order.
- by rank (:mod:`storage.ranking`), where up to `RANKED` posts hold all words that were typed.
- by likes again, for all else. If they are a few, they are sorted. If not, it goes by tiers: the index of
  words knows the likes of a post to the next power of two. Those of the highest tier come first; within a
  tier of up to `OF_TIER` posts those with more likes, within a larger one the newest. So what a third of all
  prompts hold is not ranked by its words: a word like that says nothing about which is better.

A few are `FEW` at the most. Of common words more, so many that sorting them takes no longer than looking once
through the lists of these words: going by tiers does that for each tier anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from enum import StrEnum

from storage.database import Database
from storage.paging import Cursor, Key, Span, beyond, is_back_of
from storage.posts import DAY, SHIFT
from storage.postwords import all_of, any_of, facet
from storage.ranking import weighed
from storage.spelling import Read

FEW = 2000
RANKED = 500
"""Posts that are ranked by their words at the most."""
OF_TIER = 500
"""Posts of a tier that are sorted at the most."""
LISTED = 100
"""Places in lists of words that are looked through in the time that it takes to sort one post."""
SURELY_MORE = 2
"""Of so many times as many posts it is believed, and not counted, that they are more than a few."""
TIERS = 15
"""The highest tier of likes; see the migration that made the gallery."""
MANY_LIKES = 8
"""The lowest of those tiers that few posts reach: from 128 likes on."""


class Window(StrEnum):
    """When it was shared."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    ALL = "all"

    @property
    def days(self) -> int | None:
        return {"day": 1, "week": 7, "month": 30}.get(self.value)


class Orders:
    """Asks for the keys of posts. Those that are hidden are in no order."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    async def span(self, server: int, window: Window, *, adults: bool = False) -> Span:
        """The ids of what was shared in a server, in a time.

        Args:
            adults: also of what only adults may see.
        """
        row = await self._database.fetch_one(
            "SELECT number, shared FROM galleries WHERE server = ?", (server,)
        )
        if row is None:
            return Span(0, 0)
        low, high = row["number"] << SHIFT, (row["number"] << SHIFT) + row["shared"] + 1
        eras = [] if adults else await self._database.fetch_all(_ERAS, (low, low + (1 << SHIFT)))
        for_all = any(era["adults"] for era in eras)
        if for_all:
            # What is before the first that all may see, and after the last, need not be walked through.
            ends = [*(era["first"] for era in eras[1:]), high]
            seen = [(era["first"], end) for era, end in zip(eras, ends, strict=True) if not era["adults"]]
            if eras[0]["first"] > low + 1:
                seen.insert(0, (low, eras[0]["first"]))
            if not seen:
                return Span(0, 0)
            low, high = max(low, seen[0][0]), seen[-1][1]
        if window.days is None:
            return Span(low, high, for_all)
        [since] = await self._database.browse(
            _SINCE, {"low": low, "high": high, "since": self._now() - window.days * DAY}
        )
        return Span(since["low"], high, for_all)

    async def newest(self, terms: Sequence[str], ids: Span, most: int, *, is_back: bool = False) -> list[int]:
        """Ids with all terms, the greatest first; `is_back`: the smallest."""
        order = "ASC" if is_back else "DESC"
        if terms:
            sql = f"""
                SELECT rowid AS id FROM posts_found
                WHERE posts_found MATCH ? AND rowid >= ? AND rowid < ? {ids.sight("posts_found.rowid")}
                ORDER BY rowid {order} LIMIT ?
            """
        else:
            sql = f"""
                SELECT id FROM posts
                WHERE id >= ? AND id < ? AND hidden_at IS NULL {ids.sight("id")} ORDER BY id {order} LIMIT ?
            """
        match = [all_of(terms)] if terms else []
        return [row["id"] for row in await self._database.browse(sql, (*match, ids.low, ids.high, most))]

    async def up_to(self, most: int, terms: Sequence[str], ids: Span) -> list[int] | None:
        """Ids with all terms, in no order; None: they are more than so many."""
        found = await self.newest(terms, ids, most + 1, is_back=True)  # so the lists are walked faster
        return found if len(found) <= most else None

    async def by_likes(
        self, server: int, window: Window, ids: Span, edge: Cursor | None, most: int
    ) -> list[Key]:
        """All posts of a time by likes: of each of its days the best, and of these the best."""
        if ids.low >= ids.high:
            return []
        than, order = (">", "ASC") if is_back_of(edge) else ("<", "DESC")
        likes, post = (edge.likes, edge.post) if edge else (1 << 62, 1 << 62)
        values = {"server": server, "likes": likes, "post": post, "low": ids.low, "most": most}
        if window.days is None:
            rows = await self._database.browse(
                f"""
                SELECT likes, id FROM posts
                WHERE server = :server AND hidden_at IS NULL AND (likes, id) {than} (:likes, :post)
                {ids.sight("id")}
                ORDER BY likes {order}, id {order} LIMIT :most
                """,
                {name: value for name, value in values.items() if name != "low"},
            )
        else:
            today = int(self._now() // DAY)
            rows = await self._database.browse(
                f"""
                WITH RECURSIVE days (day) AS (
                    SELECT :first UNION ALL SELECT day + 1 FROM days WHERE day < :last
                )
                SELECT best.likes, best.id FROM days CROSS JOIN posts AS best INDEXED BY posts_weighed
                WHERE best.id IN (
                    SELECT id FROM posts
                    WHERE server = :server AND day = days.day AND hidden_at IS NULL
                        AND (likes, id) {than} (:likes, :post) AND id >= :low {ids.sight("id")}
                    ORDER BY likes {order}, id {order} LIMIT :most
                )
                ORDER BY best.likes {order}, best.id {order} LIMIT :most
                """,
                {**values, "first": today - window.days, "last": today + 1},  # clocks differ
            )
        return [(row["likes"], row["id"]) for row in rows]

    async def few(self, read: Read | None, ids: Span) -> list[int] | None:
        """Posts with these words; None: they are more than a few."""
        if read is None:
            return []
        most = max(FEW, sum(read.counts) // LISTED)
        if read.expected > SURELY_MORE * most:
            return None
        return await self.up_to(most, read.terms, ids)

    async def having(
        self, found: Sequence[int], terms: Sequence[str], facets: Sequence[str], ids: Span
    ) -> Sequence[int]:
        """Those of a few posts with these terms that have these facets, too."""
        return await self.newest([*terms, *facets], ids, len(found)) if facets else found

    async def sorted(
        self, posts: Sequence[int], edge: Cursor | None, most: int, *, is_back: bool | None = None
    ) -> list[Key]:
        """Of these posts those next to the edge, by likes."""
        back = is_back_of(edge) if is_back is None else is_back
        than, order = (">", "ASC") if back else ("<", "DESC")
        likes, post = (edge.likes, edge.post) if edge else (-1 if back else 1 << 62, 1 << 62)
        rows = await self._database.browse(
            f"""
            SELECT likes, id FROM posts INDEXED BY posts_weighed
            WHERE id IN (SELECT value FROM json_each(:posts)) AND (likes, id) {than} (:likes, :post)
            ORDER BY likes {order}, id {order} LIMIT :most
            """,
            {"posts": json.dumps(posts), "likes": likes, "post": post, "most": most},
        )
        return [(row["likes"], row["id"]) for row in rows]

    async def by_tiers(
        self,
        server: int,
        words: Sequence[str],
        facets: Sequence[str],
        ids: Span,
        edge: Cursor | None,
        most: int,
    ) -> list[Key]:
        """Posts with all words, which are in more than a few, and all facets, by tiers of likes."""
        back = is_back_of(edge)
        terms = [*words, *facets]
        if facets and (posts := await self.up_to(FEW, terms, ids)) is not None:
            return await self.sorted(posts, edge, most)
        best = await self._database.fetch_one(
            "SELECT likes FROM posts WHERE server = ? AND hidden_at IS NULL ORDER BY likes DESC LIMIT 1",
            (server,),
        )
        highest = 0 if best is None else min(best["likes"].bit_length(), TIERS)
        begin = highest if edge is None else min(edge.likes.bit_length(), TIERS)
        # The highest at once: they hold few posts, and each question costs as much as the words are common.
        bands = [
            range(TIERS, MANY_LIKES - 1, -1),
            *(range(tier, tier - 1, -1) for tier in range(MANY_LIKES - 1, -1, -1)),
        ]
        keys: list[Key] = []
        for band in reversed(bands) if back else bands:
            if band[-1] > highest or (band[0] < begin if back else band[-1] > begin):
                continue
            keys += await self._of_band(terms, band, ids, edge if begin in band else None, most, is_back=back)
            if len(keys) >= most:
                break
        return keys[:most]

    async def _of_band(
        self, terms: Sequence[str], band: range, ids: Span, edge: Cursor | None, most: int, *, is_back: bool
    ) -> list[Key]:
        """Those of neighbouring tiers, the highest first, that are beyond the edge."""
        tiers = [any_of([facet("l", tier) for tier in band]), *terms]
        if band[0] > 1 and (posts := await self.up_to(OF_TIER, tiers, ids)) is not None:
            return await self.sorted(posts, edge, most, is_back=is_back)
        if len(band) == 1:
            posts = await self.newest(tiers, beyond(ids, edge), most, is_back=is_back)
            return await self._keys(posts)
        keys: list[Key] = []
        begin = None if edge is None else min(edge.likes.bit_length(), TIERS)
        for tier in band[::-1] if is_back else band:
            if begin is None or (tier >= begin if is_back else tier <= begin):
                part = range(tier, tier - 1, -1)
                keys += await self._of_band(
                    terms, part, ids, edge if tier == begin else None, most - len(keys), is_back=is_back
                )
            if len(keys) >= most:
                break
        return keys

    async def _keys(self, posts: Sequence[int]) -> list[Key]:
        """The keys of these posts, in their order."""
        rows = await weighed(self._database, posts)
        likes = {row["id"]: row["likes"] for row in rows}
        return [(likes[post], post) for post in posts if post in likes]


_ERAS = "SELECT first, adults FROM eras WHERE first >= ? AND first < ? ORDER BY first"

_IS_OLDER = """
    coalesce(
        (SELECT shared_at FROM posts WHERE id >= (low + high) / 2 AND id < high ORDER BY id LIMIT 1) < :since,
        0
    )
"""

_SINCE = f"""
    WITH RECURSIVE halves (low, high) AS (
        SELECT :low, :high
        UNION ALL
        SELECT iif({_IS_OLDER}, (low + high) / 2 + 1, low), iif({_IS_OLDER}, high, (low + high) / 2)
        FROM halves WHERE low < high
    )
    SELECT low FROM halves WHERE low >= high
"""
"""The first id of what was shared since then: ids are in the order of sharing, so halving finds it."""
