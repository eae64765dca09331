"""The jobs: what was asked for with every setting, by whom, and what became of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

from generation.image import Picture
from generation.job import Job, JobId, JobState, UserId
from generation.request import Digest, GenerationRequest
from storage.database import Database, Row
from storage.deliveries import Address, open_delivery, owe_delivery
from storage.pictures import Pictures, insert_inputs, insert_pictures

_COLUMNS = (
    "prompt",
    "negative_prompt",
    "model",
    "steps",
    "guidance",
    "sampler",
    "clip_skip",
    "seed",
    "count",
)
"""The settings with columns of their names; `size` has two, and all others are kept together in `more`."""


class Jobs:
    """All jobs that were ever accepted. A :class:`generation.store.JobStore`."""

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures

    async def keep(self, job: Job, address: Address, files: Mapping[Digest, bytes] | None = None) -> None:
        """Keep an accepted job, what it starts from, and where its answer goes.

        On return it outlives a power cut.

        Args:
            files: those of the request's files that were not kept before.

        Raises:
            PictureGone: it starts from a picture that is not kept any more.
            ValueError: the job does not wait any more.
            sqlite3.IntegrityError: a job of that id is kept already, or its parent is not.
        """
        if job.state is not JobState.QUEUED:
            raise ValueError(f"job {job.id} is {job.state}; only what still waits is kept")
        settings = job.request.plain()
        size = settings.pop("size")
        columns = {name: settings.pop(name) for name in _COLUMNS}
        async with (
            self._pictures.inputs(job.request.files, files or {}),
            self._database.transaction() as transaction,
        ):
            await transaction.execute(
                """
                INSERT INTO jobs (
                    id, asker, parent, prompt, negative_prompt, model, width, height,
                    steps, guidance, sampler, clip_skip, seed, count, more, state, created_at
                ) VALUES (
                    :id, :asker, :parent, :prompt, :negative_prompt, :model, :width, :height,
                    :steps, :guidance, :sampler, :clip_skip, :seed, :count, :more, 'queued', :created_at
                )
                """,
                {
                    **columns,
                    **size,
                    "more": json.dumps(settings),
                    "id": job.id,
                    "asker": job.asker,
                    "parent": job.parent,
                    "created_at": job.created_at,
                },
            )
            await insert_inputs(transaction, job.id, job.request.files)
            await open_delivery(transaction, job.id, address)

    async def get(self, job_id: JobId) -> Job | None:
        """A job, or None if it is not known. One that runs is QUEUED here."""
        row = await self._database.fetch_one("SELECT * FROM jobs WHERE id = ?", (job_id,))
        return None if row is None else _job(row)

    async def files(self, request: GenerationRequest) -> Mapping[Digest, bytes]:
        """What a request starts from.

        Raises:
            PictureGone: it is not kept any more.
        """
        return {digest: await self._pictures.read_file(digest) for digest in request.files}

    async def unfinished(self) -> list[Job]:
        """Every job that is not settled, oldest first, as QUEUED."""
        rows = await self._database.fetch_all(
            "SELECT * FROM jobs WHERE settled_at IS NULL ORDER BY created_at, id"
        )
        return [_job(row) for row in rows]

    async def settle(self, job: Job, pictures: Sequence[Picture] = ()) -> bool:
        """Keep a final state, the pictures and the delivery that is owed, in one transaction.

        Returns False, and changes nothing, if the job was settled before or is not known.

        Raises:
            ValueError: the job has not ended.
        """
        if not job.state.final:
            raise ValueError(f"job {job.id} is {job.state}; only what has ended is settled")
        if not await self._waits(job.id):
            return False  # before any file is written
        async with self._pictures.saved(pictures) as digests, self._database.transaction() as transaction:
            changed = await transaction.execute(
                "UPDATE jobs SET state = ?, failure = ?, settled_at = ? WHERE id = ? AND settled_at IS NULL",
                (job.state, job.failure, time.time(), job.id),
            )
            if not changed:
                return False
            await insert_pictures(transaction, job.id, pictures, digests)
            await owe_delivery(transaction, job.id)
        return True

    async def _waits(self, job_id: JobId) -> bool:
        row = await self._database.fetch_one(
            "SELECT 1 FROM jobs WHERE id = ? AND settled_at IS NULL", (job_id,)
        )
        return row is not None


def _job(row: Row) -> Job:
    return Job(
        id=JobId(row["id"]),
        request=GenerationRequest.from_plain(
            {
                **{name: row[name] for name in _COLUMNS},
                "size": {"width": row["width"], "height": row["height"]},
                **json.loads(row["more"]),
            }
        ),
        asker=UserId(row["asker"]),
        created_at=row["created_at"],
        parent=None if row["parent"] is None else JobId(row["parent"]),
        state=JobState(row["state"]),
        failure=row["failure"],
    )
