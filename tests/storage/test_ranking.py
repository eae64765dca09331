"""The order of what is searched for is that of bm25, and is read from one index."""

from __future__ import annotations

import random
import sqlite3

from storage.database import Database
from storage.ranking import ranked, rarity
from storage.spelling import Read
from tests.storage.things import SERVER


async def _posts(database: Database, texts: list[tuple[str, str]]) -> None:
    """Posts with these words in title and prompt, numbered from 1."""
    async with database.transaction() as transaction:
        await transaction.execute_many(
            """
            INSERT INTO jobs (
                id, asker, prompt, negative_prompt, model, width, height, steps, guidance, sampler, clip_skip,
                seed, count, more, state, created_at
            ) VALUES (?, 4, '', '', 'm', 8, 8, 1, 1, 's', 1, 1, 1, '{}', 'queued', 0)
            """,
            [(f"job {number}",) for number in range(1, len(texts) + 1)],
        )
        await transaction.execute_many(
            "INSERT INTO pictures VALUES (?, 0, 1, 8, 8, 'x', 1, 'clean')",
            [(f"job {number}",) for number in range(1, len(texts) + 1)],
        )
        await transaction.execute_many(
            f"""
            INSERT INTO posts (
                id, server, job_id, position, person, shared_at, day, tags, prompt, model, loras, heading,
                words, size, facets
            ) VALUES (?, {SERVER}, ?, 0, 4, 0, 0, '[]', '', 'm', '[]', ?, ?, ?, '')
            """,
            [
                (number, f"job {number}", heading, words, len(f"{heading} {words}".split()))
                for number, (heading, words) in enumerate(texts, start=1)
            ],
        )


async def test_the_order_is_that_of_sqlites_own_bm25(database: Database) -> None:
    chance = random.Random(6)
    texts = []
    for length in range(3, 60):
        both = chance.choice((["red", "fox"], ["red"], ["fox"], []))
        others = [f"w{number}" for number in range(length)]
        texts.append((" ".join(both), " ".join([*({"red", "fox"} - {*both}), *others])))
    await _posts(database, texts)
    own = sqlite3.connect(":memory:")
    own.execute("CREATE VIRTUAL TABLE found USING fts5 (heading, words)")
    own.executemany(
        "INSERT INTO found (rowid, heading, words) VALUES (?, ?, ?)",
        [(number, *text) for number, text in enumerate(texts, start=1)],
    )
    for typed in (["red"], ["red", "fox"]):
        best = own.execute(
            "SELECT rowid FROM found WHERE found MATCH ? ORDER BY bm25(found, 3.0, 1.0), rowid DESC",
            (" ".join(typed),),
        )
        number = len(texts)
        read = Read(words=tuple((word,) for word in typed), counts=(number,) * len(typed), shared=number)
        assert await ranked(database, read, [*range(1, number + 1)]) == [row for (row,) in best]
    own.close()


async def test_a_rare_word_in_a_title_tells_more_than_a_common_one(database: Database) -> None:
    await _posts(database, [("fox", "a red"), ("red", "a fox"), ("foxes", "red fox"), ("", "a red fox")])
    read = Read(words=(("fox", "foxes"), ("red",)), counts=(5, 300), shared=1000)
    assert await ranked(database, read, [4, 3, 2, 1]) == [3, 1, 2, 4]
    common = Read(words=(("fox", "foxes"), ("red",)), counts=(300, 5), shared=1000)
    assert await ranked(database, common, [1, 2, 3, 4]) == [2, 3, 1, 4]
    assert rarity(5, 1000) > rarity(300, 1000) > rarity(501, 1000) == rarity(1001, 1000) > 0
