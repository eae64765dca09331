"""How a job of an earlier run ended, from what is kept."""

from __future__ import annotations

from typing import assert_never

from generation.image import Picture
from generation.job import Cancelled, Failed, Finished, Job, JobId, JobState
from storage.jobs import Jobs
from storage.pictures import PictureGone, Pictures

Ended = Finished | Failed | Cancelled


class Undeliverable(Exception):  # noqa: N818 - a fact about one delivery
    """There is nothing to bring, or nowhere; the message says why, for the record."""


async def recalled(jobs: Jobs, pictures: Pictures, job_id: JobId) -> Ended:
    """The event with which a job ended.

    Raises:
        Undeliverable: it is not known any more, has not ended, or its pictures are gone.
    """
    job = await jobs.outlined(job_id)
    if job is None:
        raise Undeliverable("the job is not known any more")
    match job.state:
        case JobState.DONE:
            return Finished(job=job, pictures=await _stored(pictures, job) if job.may_be_seen else ())
        case JobState.FAILED:
            return Failed(job=job)
        case JobState.CANCELLED:
            return Cancelled(job=job)
        case JobState.QUEUED | JobState.RUNNING:
            raise Undeliverable("the job has not ended")
        case _:
            assert_never(job.state)


async def _stored(pictures: Pictures, job: Job) -> tuple[Picture, ...]:
    try:
        return tuple(
            [
                Picture(
                    index=stored.index,
                    seed=stored.seed,
                    size=stored.size,
                    png=await pictures.read(stored),
                    verdict=stored.verdict,
                )
                for stored in await pictures.of(job.id)
            ]
        )
    except PictureGone as error:
        raise Undeliverable("its pictures are gone") from error
