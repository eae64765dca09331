"""Which posts are like one: by the words that few others hold, and by what they were made with."""

from __future__ import annotations

import json

from storage.database import Database, Row
from storage.orders import RANKED, Orders
from storage.paging import SIZE, Key, Span
from storage.posts import SHIFT, Post
from storage.postwords import any_of, facet, term, words_of


async def alike(database: Database, orders: Orders, post: Post, ids: Span) -> list[Key]:
    """Posts like this one, the most alike first; itself among them."""
    same = [facet("a", name) for name in post.loras]
    same += [] if post.style is None else [facet("s", post.style)]
    words = words_of(" ".join((post.title or "", *post.tags, post.prompt)))
    rows = await database.browse(
        """
        SELECT word, posts FROM gallery_words
        WHERE gallery = ? AND word IN (SELECT value FROM json_each(?)) AND posts > 1 ORDER BY posts, word
        """,
        (ids.low >> SHIFT, json.dumps(words)),
    )
    rare: list[str] = []
    sum_ = 0
    for row in rows:
        sum_ += row["posts"]
        if sum_ > (RANKED if rare else 2 * RANKED):
            break
        rare.append(row["word"])
    found: dict[int, float] = {}
    if rare:
        ranked = await database.browse(
            f"""
            SELECT rowid AS id, bm25(posts_found, 2.0, 1.0, 0.0) AS badness FROM posts_found
            WHERE posts_found MATCH ? AND rowid >= ? AND rowid < ? {ids.sight("posts_found.rowid")}
            """,
            (any_of(rare), ids.low, ids.high),
        )
        found = {row["id"]: -row["badness"] for row in ranked}
    if len(found) <= SIZE:
        # Nothing about it is rare: the newest with its rarest words and what it was made with, or some.
        common = [term(row["word"]) for row in rows[:3]]
        made = [term(each) for each in (*same, facet("m", post.model))]
        for terms in (common + made, common, common[:2], common[:1], made, made[-1:]):
            if terms and len(found) <= SIZE:
                for each in await orders.newest(terms, ids, 4 * SIZE):
                    found.setdefault(each, 0.0)
    return await _weighed(database, post, found)


async def _weighed(database: Database, post: Post, found: dict[int, float]) -> list[Key]:
    """What was found, the most alike first: words, and a share more for what it was made with."""
    best = sorted(found, key=lambda each: (-found[each], -each))[: 10 * SIZE]
    rows = await database.browse(
        "SELECT id, model, style, loras FROM posts WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(best),),
    )

    def weight(row: Row) -> float:
        shared = len({*json.loads(row["loras"])} & {*post.loras})
        like = 0.5 * shared
        like += 0.3 if row["style"] == post.style is not None else 0.0
        like += 0.2 if row["model"] == post.model else 0.0
        return (found[row["id"]] + 1e-3) * (1 + like)

    return [(0, row["id"]) for row in sorted(rows, key=lambda row: (-weight(row), -row["id"]))]
