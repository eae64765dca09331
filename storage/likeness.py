"""Which posts are like one: by the words that few others hold, and by what they were made with."""

from __future__ import annotations

import json
from collections import defaultdict

from storage.database import Database, Row
from storage.orders import RANKED, Orders
from storage.paging import SIZE, Key, Span
from storage.posts import SHIFT, Post
from storage.postwords import facet, term, words_of
from storage.ranking import mean_size, rarity, weighed, weight

MOST_WORDS = 20
"""The rarest, by which others are found."""
MOST = 4 * SIZE
"""Posts like one that there are at the most."""
_HARDLY = 1e-9
"""What it tells that a post holds common words: less than any rare one does."""


async def alike(database: Database, orders: Orders, post: Post, ids: Span) -> list[Key]:
    """Posts like this one, the most alike first; itself among them."""
    words = words_of(" ".join((post.title or "", *post.tags, post.prompt)))
    rows = await database.browse(
        """
        SELECT word, posts, shared FROM galleries CROSS JOIN gallery_words ON gallery = number
        WHERE number = ? AND word IN (SELECT value FROM json_each(?)) AND posts > 1 ORDER BY posts, word
        """,
        (ids.low >> SHIFT, json.dumps(words)),
    )
    rare: dict[str, float] = {}
    sum_ = 0
    for row in rows[:MOST_WORDS]:
        sum_ += row["posts"]
        if sum_ > (RANKED if rare else 2 * RANKED):
            break
        rare[row["word"]] = rarity(row["posts"], row["shared"])
    found = await _holding(database, rare, ids) if rare else {}
    if len(found) <= SIZE:
        # Nothing about it is rare: the newest with its rarest words and what it was made with, or some.
        common = [term(row["word"]) for row in rows[:3]]
        same = [facet("a", name) for name in post.loras]
        same += [] if post.style is None else [facet("s", post.style)]
        made = [term(each) for each in (*same, facet("m", post.model))]
        tried = (common + made, common, common[:2], common[:1], made, made[-1:])
        for number, terms in enumerate(tried, start=1):
            if terms and len(found) <= SIZE:
                for each in await orders.newest(terms, ids, MOST):
                    found.setdefault(each, _HARDLY / number)
    return await _made_alike(database, post, found)


async def _holding(database: Database, rare: dict[str, float], ids: Span) -> dict[int, float]:
    """The posts that hold some of these words, and how much that tells, from how rare each word is."""
    one = f"""
        SELECT ? AS word, rowid AS id FROM posts_found
        WHERE posts_found MATCH ? AND rowid >= ? AND rowid < ? {ids.sight("posts_found.rowid")}
    """
    rows = await database.browse(
        " UNION ALL ".join([one] * len(rare)),
        [value for word in rare for value in (word, term(word), ids.low, ids.high)],
    )
    told: dict[int, float] = defaultdict(float)
    for row in rows:
        told[row["id"]] += rare[row["word"]]
    posts = await weighed(database, [*told])
    mean = mean_size(posts)
    return {row["id"]: told[row["id"]] * weight(1.0, row["size"], mean) for row in posts}


async def _made_alike(database: Database, post: Post, found: dict[int, float]) -> list[Key]:
    """What was found, the most alike first: words, and a share more for what it was made with."""
    best = sorted(found, key=lambda each: (-found[each], -each))[:MOST]
    rows = await database.browse(
        "SELECT id, model, style, loras FROM posts WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(best),),
    )

    def alike(row: Row) -> float:
        shared = len({*json.loads(row["loras"])} & {*post.loras})
        like = 0.5 * shared
        like += 0.3 if row["style"] == post.style is not None else 0.0
        like += 0.2 if row["model"] == post.model else 0.0
        return found[row["id"]] * (1 + like)

    return [(0, row["id"]) for row in sorted(rows, key=lambda row: (-alike(row), -row["id"]))]
