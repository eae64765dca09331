"""A gallery as a large server might have it, made by chance from a seed: posts, people, likes and lineage.

Rows are written in bulk, with triggers and indexes put aside; what those would have done is done at the end.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.database import Database
from storage.postwords import facet

SERVER = 1_000_000_000_000_000_001
NOW = 1_760_000_000.0
"""Seconds since the epoch: when the last one was shared, about."""
YEAR = 365 * 86400
COMMON = 5
"""The first words of the vocabulary, each in a third of all prompts."""
VOCABULARY = 20_000
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_CHUNK = 50_000

Numbers = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How many."""

    posts: int
    people: int
    likes: int
    seed: int = 6


def build(path: Path, crowd: Crowd) -> None:
    """Make the database at `path`, where there is none."""
    asyncio.run(_migrated(path))
    chance = np.random.default_rng(crowd.seed)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -262144")
    connection.execute("BEGIN")
    aside = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"
    ).fetchall()
    for kind, name, _ in aside:
        connection.execute(f"DROP {kind} {name}")

    pairs = _likes(chance, crowd)
    liked = np.bincount(pairs // crowd.people, minlength=crowd.posts)
    vocabulary = words(chance)
    counts = np.zeros(VOCABULARY, dtype=np.int64)
    tags: dict[str, int] = {}
    connection.execute("INSERT INTO galleries VALUES (1, ?, ?)", (SERVER, crowd.posts))
    base = 1 << 32
    for rows in _posts(chance, crowd, vocabulary, counts, tags, liked):
        connection.executemany(_JOB, rows)
        connection.executemany(_PICTURE, rows)
        connection.executemany(_POST, rows)
    connection.executemany(
        "INSERT INTO likes VALUES (?, ?, ?)",
        ((base + 1 + pair // crowd.people, person_id(pair % crowd.people), NOW) for pair in map(int, pairs)),
    )
    # Each prompt begins with it.
    used = [("a", crowd.posts)]
    used += [(word, int(count)) for word, count in zip(vocabulary, counts, strict=True) if count]
    connection.executemany(
        "INSERT INTO gallery_words VALUES (?, 1, ?, ?)",
        [(base + 1 + number, word, count) for number, (word, count) in enumerate(used)],
    )
    connection.executemany("INSERT INTO gallery_tags VALUES (1, ?, ?)", tags.items())
    for _, _, sql in aside:
        connection.execute(sql)
    for table in ("posts_found", "gallery_trigrams"):
        connection.execute(f"INSERT INTO {table} ({table}) VALUES ('rebuild')")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def _migrated(path: Path) -> None:
    async with Database.open(path):
        pass


def words(chance: np.random.Generator) -> list[str]:
    """A vocabulary: made-up words of two to four syllables, all different."""
    syllables = [
        first + second for first in "bdfgklmnprstvz" for second in ("a", "e", "i", "o", "u", "an", "er")
    ]
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        length = int(chance.integers(2, 5))
        found["".join(syllables[index] for index in chance.integers(0, len(syllables), length))] = None
    return list(found)


def person_id(number: int) -> int:
    """The id of one of the people, as large as Discord's are."""
    return 200_000_000_000_000_000 + number * 4_194_304


def job_id(number: int, at: float) -> str:
    """The id of a job, which sorts by age."""
    value = int(at * 1000) << 32 | number
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(75, -1, -5))


def _zipf(chance: np.random.Generator, kinds: int, size: int, power: float, offset: float = 1.0) -> Numbers:
    weights = (np.arange(kinds) + offset) ** -power
    bounds = np.cumsum(weights / weights.sum())
    return np.minimum(np.searchsorted(bounds, chance.random(size)), kinds - 1)


def _likes(chance: np.random.Generator, crowd: Crowd) -> Numbers:
    """Pairs of a post and a person, as post * people + person, sorted; few posts have most of them."""
    order = chance.permutation(crowd.posts)
    pairs: Numbers = np.empty(0, dtype=np.int64)
    while len(pairs) < crowd.likes:
        more = crowd.likes + crowd.likes // 4
        posts = order[_zipf(chance, crowd.posts, more, 0.7)]
        people = chance.permutation(crowd.people)[_zipf(chance, crowd.people, more, 0.5)]
        pairs = np.unique(np.concatenate([pairs, posts.astype(np.int64) * crowd.people + people]))
    return np.sort(chance.choice(pairs, crowd.likes, replace=False))


def _posts(
    chance: np.random.Generator,
    crowd: Crowd,
    vocabulary: list[str],
    counts: Numbers,
    tags: dict[str, int],
    liked: Numbers,
) -> Iterator[list[dict[str, Any]]]:
    """Rows of what was shared, oldest first: more and more with time."""
    times = NOW - YEAR + YEAR * np.sort(np.sqrt(chance.random(crowd.posts)))
    people = chance.permutation(crowd.people)[_zipf(chance, crowd.people, crowd.posts, 0.8)]
    models = _zipf(chance, 12, crowd.posts, 1.2)
    styles = np.where(chance.random(crowd.posts) < 0.4, _zipf(chance, 30, crowd.posts, 1.0), -1)
    loras = np.where(chance.random(crowd.posts) < 0.25, _zipf(chance, 60, crowd.posts, 1.0), -1)
    # Two of five go on from one of the last hundreds, often from the same ones.
    back = np.minimum(chance.geometric(0.01, crowd.posts), np.arange(crowd.posts))
    popular = (np.arange(crowd.posts) - back) // 20 * 20
    parents = np.where((chance.random(crowd.posts) < 0.4) & (back > 0), popular, -1)
    # And one of a hundred from one of twenty that everybody knows.
    known = chance.integers(0, 20, crowd.posts)
    parents = np.where((chance.random(crowd.posts) < 0.01) & (np.arange(crowd.posts) > 20), known, parents)
    for start in range(0, crowd.posts, _CHUNK):
        size = min(_CHUNK, crowd.posts - start)
        lengths = chance.integers(6, 16, size)
        drawn = _zipf(chance, VOCABULARY - COMMON, int(lengths.sum()), 1.0, 25.0) + COMMON
        ends = np.cumsum(lengths)
        common = chance.random((size, COMMON)) < 1 / 3
        tagged = chance.integers(0, 4, size)
        drawn_tags = _zipf(chance, 300, int(tagged.sum()), 1.0)
        tag_ends = np.cumsum(tagged)
        rows = []
        for offset in range(size):
            number = start + offset
            mine = [*np.flatnonzero(common[offset]), *drawn[ends[offset] - lengths[offset] : ends[offset]]]
            mine = list(dict.fromkeys(map(int, mine)))
            own = drawn_tags[tag_ends[offset] - tagged[offset] : tag_ends[offset]]
            own_tags = list(dict.fromkeys(vocabulary[100 + int(tag)] for tag in own))
            for tag in own_tags:
                tags[tag] = tags.get(tag, 0) + 1
            texts = [vocabulary[word] for word in mine]
            counts[mine] += 1
            extra = [tag for tag in own_tags if tag not in texts]
            for tag in extra:
                counts[vocabulary.index(tag, 100, 400)] += 1
            at, parent = float(times[number]), int(parents[number])
            person, model = person_id(int(people[number])), f"models/model-{models[number]}"
            style = None if styles[number] < 0 else f"style {styles[number]}"
            lora = [] if loras[number] < 0 else [f"lora-{loras[number]}"]
            facets = [facet("p", person), facet("m", model), *(facet("t", tag) for tag in own_tags)]
            facets += [] if style is None else [facet("s", style)]
            facets += [facet("a", name) for name in lora]
            rows.append(
                {
                    "id": (1 << 32) + 1 + number,
                    "job": job_id(number, at),
                    "parent": None if parent < 0 else job_id(parent, float(times[parent])),
                    "person": person,
                    "server": SERVER,
                    "at": at,
                    "day": int(at // 86400),
                    "tags": json.dumps(own_tags),
                    "prompt": "a " + ", ".join(texts),
                    "model": model,
                    "style": style,
                    "loras": json.dumps(lora),
                    "heading": " ".join(own_tags),
                    "words": "a " + " ".join(texts),
                    "size": len(own_tags) + 1 + len(texts),
                    "facets": " ".join(facets),
                    "likes": int(liked[number]),
                    "message": 10**18 + number,
                    "digest": f"{number * 2654435761 % 2**64:064x}",
                }
            )
        yield rows


_JOB = """
    INSERT INTO jobs (
        id, asker, parent, prompt, negative_prompt, model, width, height, steps, guidance, sampler,
        clip_skip, seed, count, more, state, created_at, settled_at, server
    ) VALUES (
        :job, :person, :parent, :prompt, 'blurry, low quality', :model, 512, 768, 30, 7.0,
        'DPM++ 2M Karras', 1, 5, 1, '{}', 'done', :at, :at, :server
    )
"""
_PICTURE = """
    INSERT INTO pictures (job_id, position, seed, width, height, digest, byte_count, verdict)
    VALUES (:job, 0, 5, 512, 768, :digest, 500000, 'clean')
"""
_POST = """
    INSERT INTO posts (
        id, server, job_id, position, person, shared_at, day, tags, prompt, model, style, loras, heading,
        words, size, facets, likes, channel_id, message_id, shown_likes
    ) VALUES (
        :id, :server, :job, 0, :person, :at, :day, :tags, :prompt, :model, :style, :loras, :heading,
        :words, :size, :facets, :likes, 3, :message, :likes
    )
"""
