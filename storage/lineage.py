"""Where a picture comes from and what came of it: jobs that went on from jobs, across people."""

from __future__ import annotations

from dataclasses import dataclass

from generation.job import JobId, UserId
from storage.database import Database, Row
from storage.posts import PostId, of_adults

MAX_DEPTH = 50
"""Generations up, and as many down."""
MAX_NODES = 200
"""Descendants that are told; the nearest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One job of a tree. Whose it is and where is told to those who may see it; else it is only a place."""

    job_id: JobId
    parent: JobId | None
    depth: int
    """Generations below the job that was asked about; negative: above."""
    created_at: float
    """Seconds since the epoch, UTC."""
    is_open: bool
    """Whether the rest is told."""
    person: UserId | None = None
    prompt: str | None = None
    channel_id: int | None = None
    """Where its message is, or that of its first post."""
    message_id: int | None = None
    post: PostId | None = None
    """Its first post in this server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A job, what it comes from and what came of it."""

    ancestors: tuple[Node, ...]
    """The eldest first."""
    self: Node
    descendants: tuple[Node, ...]
    """The nearest generation first, and in each the eldest."""
    has_more: bool
    """Whether there are more than are told."""


class Lineages:
    """Follows `parent` from job to job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(
        self,
        job_id: JobId,
        *,
        server: int | None,
        viewer: UserId,
        visits: bool = True,
        adults: bool = False,
    ) -> Lineage | None:
        """The tree around a job, or None if it is not known.

        Open to a viewer is what is their own, what is shared in this server, and what was asked in it and is
        neither private, nor deleted, nor held back by moderators.

        Args:
            visits: whether this person may look into the server's gallery; else what is shared is told as if
                it were not.
            adults: open is also what was shared or asked for where only adults see it.
        """
        gallery = server if visits else None
        values = {"job": job_id, "server": server, "gallery": gallery, "viewer": viewer, "adults": adults}
        up = await self._database.browse(_UP, values)
        if not up:
            return None
        down = await self._database.browse(_DOWN, values)
        *above, this = map(_node, reversed(up))
        return Lineage(
            ancestors=tuple(above),
            self=this,
            descendants=tuple(map(_node, down[:MAX_NODES])),
            has_more=len(down) > MAX_NODES or (len(above) == MAX_DEPTH and above[0].parent is not None),
        )


_TOLD = f"""
    SELECT
        family.id, jobs.parent, family.depth, jobs.created_at, jobs.asker, jobs.prompt, posts.id AS post,
        coalesce(posts.channel_id, deliveries.channel_id) AS channel_id,
        coalesce(posts.message_id, deliveries.message_id) AS message_id,
        jobs.asker = :viewer OR posts.id IS NOT NULL OR (
            jobs.server IS :server AND jobs.server IS NOT NULL
            AND NOT jobs.private AND jobs.forgotten_at IS NULL AND (:adults OR NOT jobs.for_adults)
            AND coalesce(reviews.state, 'approved') = 'approved'
        ) AS is_open
    FROM family CROSS JOIN jobs ON jobs.id = family.id
    LEFT JOIN deliveries ON deliveries.job_id = jobs.id
    LEFT JOIN reviews ON reviews.job_id = jobs.id
    LEFT JOIN posts ON posts.id = (
        SELECT id FROM posts WHERE job_id = jobs.id AND server = :gallery AND hidden_at IS NULL
        AND (:adults OR NOT {of_adults("posts.id")})
        ORDER BY position LIMIT 1
    )
"""

_UP = f"""
    WITH RECURSIVE family (id, depth) AS (
        SELECT id, 0 FROM jobs WHERE id = :job
        UNION ALL
        SELECT jobs.parent, depth - 1 FROM family JOIN jobs ON jobs.id = family.id
        WHERE jobs.parent IS NOT NULL AND depth > -{MAX_DEPTH}
    )
    {_TOLD} ORDER BY family.depth DESC
"""

# The queue of the recursion is kept in this order, and it ends with the limit: a generation after the other.
_DOWN = f"""
    WITH RECURSIVE family (id, depth) AS (
        SELECT id, 1 FROM jobs WHERE parent = :job
        UNION ALL
        SELECT jobs.id, depth + 1 FROM family JOIN jobs ON jobs.parent = family.id
        WHERE depth < {MAX_DEPTH}
        ORDER BY 2, 1 LIMIT {MAX_NODES + 1}
    )
    {_TOLD} ORDER BY family.depth, family.id
"""


def _node(row: Row) -> Node:
    told = {}
    if row["is_open"]:
        told = {
            "person": UserId(row["asker"]),
            "prompt": row["prompt"],
            "channel_id": row["channel_id"],
            "message_id": row["message_id"],
            "post": None if row["post"] is None else PostId(row["post"]),
        }
    return Node(
        job_id=JobId(row["id"]),
        parent=None if row["parent"] is None else JobId(row["parent"]),
        depth=row["depth"],
        created_at=row["created_at"],
        is_open=bool(row["is_open"]),
        **told,
    )
