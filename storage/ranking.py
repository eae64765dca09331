"""How well posts hold some words: bm25, from what the indexes know of words and of posts.

SQLite's own bm25 reads each post as a whole, and all places of each word, again for every search.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from storage.database import Database, Row
from storage.spelling import Read

HEADING = 3.0
"""So many times counts a word of a title or tag."""
_SATURATION, _LENGTH = 1.2, 0.75
"""k1 and b, as usual: how soon more of a word hardly counts more, and how much a long text takes away."""


async def ranked(database: Database, read: Read, posts: Sequence[int]) -> list[int]:
    """These posts, all of which hold the words of a search: those that hold them best first."""
    rows = await weighed(database, posts)
    mean = mean_size(rows)
    rarities = [rarity(count, read.shared) for count in read.counts]

    def score(row: Row) -> float:
        heading = set(row["heading"].split())
        return sum(
            rare * weight(1.0 if heading.isdisjoint(words) else HEADING, row["size"], mean)
            for words, rare in zip(read.words, rarities, strict=True)
        )

    return [row["id"] for row in sorted(rows, key=lambda row: (-score(row), -row["id"]))]


async def weighed(database: Database, posts: Sequence[int]) -> list[Row]:
    """What is needed to put these posts in order, in no order: `id`, `likes`, `size`, `heading`."""
    return await database.browse(
        """
        SELECT id, likes, size, heading FROM posts INDEXED BY posts_weighed
        WHERE id IN (SELECT value FROM json_each(?))
        """,
        (json.dumps(posts),),
    )


def rarity(posts: int, shared: int) -> float:
    """What a word tells that is in so many posts of all that were shared; in half of them, nothing."""
    return max(math.log((shared - posts + 0.5) / (posts + 0.5)), 1e-6) if posts < shared else 1e-6


def weight(times: float, size: int, mean: float) -> float:
    """What it counts that a text of `size` words holds a word so often, where texts have `mean` words."""
    return times * (_SATURATION + 1) / (times + _SATURATION * (1 - _LENGTH + _LENGTH * size / mean))


def mean_size(rows: Sequence[Row]) -> float:
    """Words of one of these posts, on average; 1 at the least."""
    return max(1.0, float(sum(row["size"] for row in rows)) / max(1, len(rows)))
