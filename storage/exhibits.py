"""What can be told of a shared picture to who looks at it: how it was made, and what it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence

from generation.job import Job
from generation.safety import Safety, Verdict
from storage.database import Database
from storage.jobs import SELECT_JOBS, outlined_job
from storage.posts import COLUMNS, Post, PostId, post_of

DEPTH = 12
"""Steps up to which an origin is looked for."""
MOST_ANCESTORS = 4
MOST_JOBS = 200
"""That are looked at for what came of a picture."""

_SHARED_OF = """
    CROSS JOIN pictures CROSS JOIN posts
    ON posts.job_id = pictures.job_id AND posts.position = pictures.position AND pictures.job_id =
"""
"""In this order, and not by the index of a server, which may have a million posts."""


class Exhibits:
    """Shared pictures and their kin, as everybody may see them: those out of sight are never among them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def job(self, post: Post) -> Job | None:
        """What a post's picture was drawn by; None if it is gone."""
        row = await self._database.fetch_one(f"{SELECT_JOBS} WHERE jobs.id = ?", (post.job_id,))
        return None if row is None else outlined_job(row)

    async def covered(self, posts: Sequence[Post]) -> frozenset[PostId]:
        """Which of these stand behind spoilers."""
        rows = await self._database.browse(
            f"""
            SELECT posts.id FROM posts JOIN jobs ON jobs.id = posts.job_id
            JOIN pictures ON pictures.job_id = posts.job_id AND pictures.position = posts.position
            WHERE posts.id IN (SELECT value FROM json_each(?))
            AND (covered OR (safety = '{Safety.SPOILER}' AND verdict != '{Verdict.CLEAN}'))
            """,
            (json.dumps([post.id for post in posts]),),
        )
        return frozenset(PostId(row["id"]) for row in rows)

    async def origins(self, post: Post) -> tuple[Post, ...]:
        """What it comes from, the nearest first, as far as that is shared in the same server.

        Of a request with several pictures that is the one which was gone on from, or else the first.
        """
        rows = await self._database.browse(
            f"""
            WITH RECURSIVE up (job, parent, position, child, wanted, depth) AS (
                SELECT id, parent, parent_position, NULL, NULL, 0 FROM jobs WHERE id = :job
                UNION ALL
                SELECT jobs.id, jobs.parent, jobs.parent_position, up.job, up.position, depth + 1
                FROM up JOIN jobs ON jobs.id = up.parent WHERE depth < {DEPTH}
            )
            SELECT {COLUMNS}, depth FROM up {_SHARED_OF} up.job
            WHERE depth > 0 AND +server = :server AND hidden_at IS NULL
            ORDER BY depth, posts.position IS wanted DESC, EXISTS (
                SELECT 1 FROM inputs WHERE inputs.job_id = up.child AND inputs.digest = pictures.digest
            ) DESC, posts.position
            """,
            {"job": post.job_id, "server": post.server},
        )
        nearest: dict[int, Post] = {}
        for row in rows:
            nearest.setdefault(row["depth"], post_of(row))
        return tuple(nearest.values())[:MOST_ANCESTORS]

    async def offspring(self, post: Post, most: int) -> tuple[Post, ...]:
        """What came of it, and of that, as far as it is shared in the same server; the most liked first."""
        rows = await self._database.browse(
            f"""
            WITH RECURSIVE down (job) AS (
                SELECT id FROM jobs
                WHERE parent = :job AND coalesce(parent_position, :position) = :position AND (
                    -- It goes on from this picture, or from none of that request: then it is a reroll of all.
                    parent_position IS NOT NULL
                    OR EXISTS (SELECT 1 FROM inputs WHERE job_id = jobs.id AND digest = :digest)
                    OR NOT EXISTS (
                        SELECT 1 FROM inputs JOIN pictures ON pictures.digest = inputs.digest
                        WHERE inputs.job_id = jobs.id AND pictures.job_id = :job
                    )
                )
                UNION
                SELECT jobs.id FROM down JOIN jobs ON jobs.parent = down.job
                LIMIT {MOST_JOBS}
            )
            SELECT {COLUMNS} FROM down {_SHARED_OF} down.job
            WHERE +server = :server AND hidden_at IS NULL
            ORDER BY likes DESC, posts.id LIMIT :most
            """,
            {
                "job": post.job_id,
                "position": post.index,
                "digest": post.digest,
                "server": post.server,
                "most": most,
            },
        )
        return tuple(map(post_of, rows))
