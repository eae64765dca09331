"""What the words of a search may be meant to be: the beginning of longer ones, or typed wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Database
from storage.postwords import any_of, term

MOST_COMPLETIONS = 40
"""Words that a beginning stands for: those of most posts."""
ENOUGH = 5000
"""Posts: a beginning stands for no more words once they are in so many, and in a tenth of all."""
_LOOKED_AT = 100
"""Words that share the most trigrams with one that was typed."""
_END = "\U0010ffff"
_MAX_LETTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Words as the index of words is asked for them."""

    words: tuple[tuple[str, ...], ...]
    """Each stands for one of these: for itself alone, or for what it begins."""
    counts: tuple[int, ...]
    """In how many posts each of them is."""
    shared: int
    """How many posts there were in the gallery."""

    @property
    def terms(self) -> tuple[str, ...]:
        return tuple(map(any_of, self.words))

    @property
    def expected(self) -> float:
        """In how many posts all would be if they had nothing to do with each other."""
        return math.prod(count / self.shared for count in self.counts) * self.shared


async def reading(
    database: Database, gallery: int, words: Sequence[str], *, complete: bool = True
) -> Read | None:
    """What the words of a search ask for in a gallery; None if one of them is in no post.

    Args:
        complete: the last one may be the beginning of others. Then it stands for these too, those of
            most posts first, until they are `ENOUGH` or `MOST_COMPLETIONS`.
    """
    shared = await database.fetch_one("SELECT shared FROM galleries WHERE number = ?", (gallery,))
    rows = await database.browse(
        """
        SELECT word, posts FROM gallery_words WHERE gallery = ? AND word IN (SELECT value FROM json_each(?))
        """,
        (gallery, json.dumps(words)),
    )
    posts = {row["word"]: row["posts"] for row in rows}
    *first, last = words
    ends = {last: posts[last]} if last in posts else {}
    if complete and shared is not None:
        for row in await database.browse(
            """
            SELECT word, posts FROM gallery_words WHERE gallery = ? AND word > ? AND word < ?
            ORDER BY posts DESC, word LIMIT ?
            """,
            (gallery, last, last + _END, MOST_COMPLETIONS),
        ):
            if sum(ends.values()) > max(ENOUGH, shared["shared"] / 10):
                break
            ends[row["word"]] = row["posts"]
    if shared is None or not ends or any(word not in posts for word in first):
        return None
    first.sort(key=lambda word: posts[word])  # the rarest leads
    return Read(
        words=(*((word,) for word in first), tuple(ends)),
        counts=(*(posts[word] for word in first), min(sum(ends.values()), shared["shared"])),
        shared=shared["shared"],
    )


async def corrected(database: Database, gallery: int, words: Sequence[str]) -> tuple[str, ...] | None:
    """The words with those replaced that are in no post; None if all are in some, or nothing is like one."""
    right = []
    for word in words:
        known = await database.fetch_one(
            "SELECT 1 FROM gallery_words WHERE gallery = ? AND word = ?", (gallery, word)
        )
        meant = word if known is not None else await _nearest(database, gallery, word)
        if meant is None:
            return None
        right.append(meant)
    return tuple(right) if tuple(right) != tuple(words) else None


async def _nearest(database: Database, gallery: int, word: str) -> str | None:
    """The word of a gallery that takes the fewest corrections, and of these the one of most posts."""
    if len(word) > _MAX_LETTERS:
        return None
    spelling = f"^{word}$"
    trigrams = dict.fromkeys(spelling[at : at + 3] for at in range(len(spelling) - 2))
    one = (
        "SELECT rowid AS id FROM gallery_trigrams WHERE gallery_trigrams MATCH ? AND rowid >= ? AND rowid < ?"
    )
    # Of those that share as many, the ones that were used first, which tend to be used more.
    rows = await database.browse(
        f"""
        SELECT word, posts FROM gallery_words WHERE id IN (
            SELECT id FROM ({" UNION ALL ".join([one] * len(trigrams))})
            GROUP BY id ORDER BY count(*) DESC, id LIMIT {_LOOKED_AT}
        )
        """,
        [value for each in trigrams for value in (term(each), gallery << 32, (gallery + 1) << 32)],
    )
    # One error in four or five letters, two in more, three in very long words.
    most = 1 if len(word) < 6 else 2 if len(word) < 12 else 3
    measured = [(distance(word, row["word"], most), -row["posts"], row["word"]) for row in rows]
    best = min(((errors, posts, found) for errors, posts, found in measured if errors <= most), default=None)
    return None if best is None else str(best[2])


def distance(one: str, other: str, most: int) -> int:
    """Letters to be put in, taken out, replaced or swapped with their neighbour to make one of the other.

    Args:
        most: beyond this, the answer is only that it is more.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        line = [row]
        for column, beside in enumerate(other, start=1):
            costs = min(last[column] + 1, line[column - 1] + 1, last[column - 1] + (letter != beside))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == beside:
                costs = min(costs, before[column - 2] + 1)
            line.append(costs)
        if min(line) > most:
            return most + 1
        before, last = last, line
    return last[-1]
