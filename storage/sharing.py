"""What may be shared, and what a new post holds."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from generation.image import PictureGone
from generation.job import Job, JobId, UserId
from generation.prompting.loras import in_force
from generation.request import GenerationRequest, InvalidRequest
from generation.safety import Review, Verdict
from generation.sentence import say
from storage.database import Transaction
from storage.jobs import SELECT_JOBS, outlined_job
from storage.posts import DAY, SHIFT, PostId
from storage.postwords import facet, prompt_words, words_of


async def insert_post(
    transaction: Transaction, job: Job, index: int, server: int, title: str | None, tags: Sequence[str]
) -> PostId:
    """Insert a post of a job that :func:`sharable` gave."""
    post_id = await _next_id(transaction, server)
    values = _values(job, index, server, title, tags)
    await transaction.execute(_INSERT, values | {"id": post_id, "now": time.time()})
    return PostId(post_id)


async def sharable(
    transaction: Transaction, job_id: JobId, index: int, server: int, by: UserId, *, adults: bool
) -> Job:
    """The job, if its picture may be shared.

    Args:
        adults: whether only adults see where it would be shown.

    Raises:
        PictureGone, InvalidRequest: it may not; see :meth:`Gallery.share`.
    """
    row = await transaction.fetch_one(f"{SELECT_JOBS} WHERE jobs.id = ?", (job_id,))
    picture = await transaction.fetch_one(
        "SELECT verdict, digest FROM pictures WHERE job_id = ? AND position = ?", (job_id, index)
    )
    if row is not None and row["asker"] != by:
        raise InvalidRequest(say("Only the person who asked for a picture can share it."))
    if row is None or picture is None:
        raise PictureGone(say("This picture is not there any more, so it cannot be shared."))
    if row["private"]:
        raise InvalidRequest(say("This picture is private, so it cannot be shared."))
    if row["server"] != server:
        raise InvalidRequest(
            say("This picture was drawn elsewhere; it can be shared only where you asked for it.")
        )
    if row["for_adults"] and not adults:
        raise InvalidRequest(
            say("It was asked for in an age-restricted channel, and the gallery is not one.")
        )
    approved = row["review"] == Review.APPROVED
    if row["review"] is not None and not approved:
        raise InvalidRequest(say("Moderators have not approved this picture, so it cannot be shared."))
    if picture["verdict"] in (Verdict.FLAGGED, Verdict.UNCHECKED) and not approved:
        raise InvalidRequest(say("The safety checker did not pass this picture, so it cannot be shared."))
    hidden = await transaction.fetch_one(
        "SELECT 1 FROM hidden_files WHERE server = ? AND digest = ?", (server, picture["digest"])
    )
    if hidden is not None:
        raise InvalidRequest(
            say("Moderators took this picture out of the gallery, so it cannot be shared again.")
        )
    return outlined_job(row)


async def _next_id(transaction: Transaction, server: int) -> int:
    await transaction.execute(
        """
        INSERT INTO galleries (server, shared) VALUES (?, 1)
        ON CONFLICT (server) DO UPDATE SET shared = shared + 1
        """,
        (server,),
    )
    row = await transaction.fetch_one("SELECT number, shared FROM galleries WHERE server = ?", (server,))
    assert row is not None, "it was just inserted"
    return int(row["number"] << SHIFT | row["shared"])


def _values(job: Job, index: int, server: int, title: str | None, tags: Sequence[str]) -> dict[str, object]:
    """The columns of a new post."""
    one = job.request.image(index)
    loras = _loras(one)
    facets = [facet("p", job.asker), facet("m", one.model), *(facet("t", tag) for tag in tags)]
    facets += [facet("a", name) for name in loras]
    facets += [] if one.style is None else [facet("s", one.style)]
    heading, words = words_of(" ".join((title or "", *tags))), prompt_words(one.prompt)
    return {
        "server": server,
        "job": job.id,
        "position": index,
        "person": job.asker,
        "title": title,
        "tags": json.dumps(tags, ensure_ascii=False),
        "prompt": one.prompt,
        "model": one.model,
        "style": one.style,
        "loras": json.dumps(loras, ensure_ascii=False),
        "heading": " ".join(heading),
        "words": " ".join(words),
        "size": len(heading) + len(words),
        "facets": " ".join(facets),
    }


def _loras(request: GenerationRequest) -> tuple[str, ...]:
    try:
        adapters = in_force(request)
    except InvalidRequest:  # it was drawn under other rules
        adapters = request.adapters
    return tuple(adapter.name for adapter in adapters)


_INSERT = f"""
    INSERT INTO posts (
        id, server, job_id, position, person, shared_at, day, title, tags, prompt, model, style, loras,
        heading, words, size, facets
    ) VALUES (
        :id, :server, :job, :position, :person, :now, CAST(:now / {DAY} AS INTEGER), :title, :tags, :prompt,
        :model, :style, :loras, :heading, :words, :size, :facets
    )
"""
