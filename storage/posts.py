"""A post: one picture that is shared in one server."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NewType

from generation.job import JobId, UserId
from generation.request import Size
from storage.database import Row

PostId = NewType("PostId", int)

DAY = 86400
"""Seconds."""
SHIFT = 32
"""Of a gallery's number: ids of what is in it begin there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One picture that is shared in one server."""

    id: PostId
    server: int
    job_id: JobId
    index: int
    """Its place in the job, from 0."""
    person: UserId
    shared_at: float
    """Seconds since the epoch, UTC."""
    title: str | None
    tags: tuple[str, ...]
    prompt: str
    """What this picture was drawn from, as it was chosen."""
    model: str
    style: str | None
    loras: tuple[str, ...]
    likes: int
    size: Size
    digest: str
    """SHA-256 of the file."""
    is_hidden: bool = False
    """A moderator took it out of sight."""
    for_adults: bool = False
    """It was shared where only adults see it, so it is shown nowhere else."""
    channel_id: int | None = None
    """Where the message is that shows it."""
    message_id: int | None = None
    said: int = 0
    """The likes that its message says; negative: it is to be told anew, whatever they are."""


def of_adults(post: str) -> str:
    """SQL: whether only adults may see a post; see :mod:`storage.eras`.

    Args:
        post: the column of its id, with its table where it is called like one of `eras`.
    """
    era = f"first <= {post} AND first >= {post} >> {SHIFT} << {SHIFT} ORDER BY first DESC LIMIT 1"
    return f"coalesce((SELECT adults FROM eras WHERE {era}), 0)"


COLUMNS = f"posts.*, pictures.width, pictures.height, pictures.digest, {of_adults('posts.id')} AS for_adults"
"""All of a post, where its picture is at hand."""
SELECT_POSTS = f"""
    SELECT {COLUMNS}
    FROM posts JOIN pictures ON pictures.job_id = posts.job_id AND pictures.position = posts.position
"""


def post_of(row: Row) -> Post:
    """The post of a row of :data:`SELECT_POSTS`."""
    return Post(
        id=PostId(row["id"]),
        server=row["server"],
        job_id=JobId(row["job_id"]),
        index=row["position"],
        person=UserId(row["person"]),
        shared_at=row["shared_at"],
        title=row["title"],
        tags=tuple(json.loads(row["tags"])),
        prompt=row["prompt"],
        model=row["model"],
        style=row["style"],
        loras=tuple(json.loads(row["loras"])),
        likes=row["likes"],
        size=Size(width=row["width"], height=row["height"]),
        digest=row["digest"],
        is_hidden=row["hidden_at"] is not None,
        for_adults=bool(row["for_adults"]),
        channel_id=row["channel_id"],
        message_id=row["message_id"],
        said=row["shown_likes"],
    )
