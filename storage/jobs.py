"""The jobs: what was asked for with every setting, by whom, and what became of it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from generation.image import Picture, PictureGone
from generation.job import Job, JobId, JobState, UserId
from generation.request import Digest, GenerationRequest, InvalidRequest
from generation.safety import Review, Safety
from generation.sentence import Sentence, joined, say
from storage.database import Database, Row
from storage.deliveries import Address, open_delivery, owe_delivery
from storage.pictures import Pictures, digest_of, insert_inputs, insert_pictures
from storage.quotas import Counts, check
from storage.reviews import hold

log = logging.getLogger(__name__)

OUTDATED = say("This was asked before I was changed, and I cannot draw it any more.")

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

SELECT_JOBS = "SELECT jobs.*, reviews.state AS review FROM jobs LEFT JOIN reviews ON job_id = jobs.id"


class Jobs:
    """All jobs that were ever accepted. A :class:`generation.store.JobStore`."""

    def __init__(self, database: Database, pictures: Pictures) -> None:
        self._database = database
        self._pictures = pictures

    async def keep(
        self,
        job: Job,
        address: Address,
        files: Mapping[Digest, bytes] | None = None,
        *,
        ceilings: Counts | None = None,
    ) -> None:
        """Keep an accepted job, what it starts from, and where its answer goes.

        On return it outlives a power cut.

        Args:
            files: those of the request's files that were not kept before.
            ceilings: how much its asker may have, this one included; None: as much as they like.

        Raises:
            QuotaSpent: it would be more than that. Nothing is kept.
            PictureGone: it starts from a picture that is not kept any more, or its parent was forgotten.
            ValueError: the job does not wait any more.
            sqlite3.IntegrityError: a job of that id is kept already.
        """
        if job.state is not JobState.QUEUED:
            raise ValueError(f"job {job.id} is {job.state}; only what still waits is kept")
        settings = job.request.plain()
        size = settings.pop("size")
        columns = {name: settings.pop(name) for name in _COLUMNS}
        if ceilings is not None and job.request.files:  # before any is written; what counts is asked below
            await check(self._database, job, address.guild_id, ceilings)
        async with (
            self._pictures.inputs(job.request.files, files or {}),
            self._database.transaction() as transaction,
        ):
            if ceilings is not None:
                await check(transaction, job, address.guild_id, ceilings)
            known = "SELECT 1 FROM jobs WHERE id = ?"
            if job.parent is not None and await transaction.fetch_one(known, (job.parent,)) is None:
                raise PictureGone(say("The pictures of this job were deleted."))
            await transaction.execute(
                """
                INSERT INTO jobs (
                    id, asker, parent, parent_position, prompt, negative_prompt, model, width, height,
                    steps, guidance, sampler, clip_skip, seed, count, more, safety, private,
                    weight, covered, for_adults, server, state, created_at
                ) VALUES (
                    :id, :asker, :parent, :parent_index, :prompt, :negative_prompt, :model, :width, :height,
                    :steps, :guidance, :sampler, :clip_skip, :seed, :count, :more,
                    :safety, :private,
                    :weight, :covered, :for_adults, :server, 'queued', :created_at
                )
                """,
                {
                    **columns,
                    **size,
                    "more": json.dumps(settings),
                    "id": job.id,
                    "asker": job.asker,
                    "parent": job.parent,
                    "parent_index": job.parent_index,
                    "safety": job.safety,
                    "private": job.private,
                    "weight": job.weight,
                    "covered": job.covered,
                    "for_adults": job.for_adults,
                    "server": address.guild_id,
                    "created_at": job.created_at,
                },
            )
            await insert_inputs(transaction, job.id, job.request.files)
            await open_delivery(transaction, job.id, address)

    async def get(self, job_id: JobId) -> Job | None:
        """A job, or None if it is not known. One that runs is QUEUED here.

        Raises:
            InvalidRequest: by today's rules it cannot be.
        """
        row = await self._row(job_id)
        return None if row is None else _job(row)

    async def outlined(self, job_id: JobId) -> Job | None:
        """A job to be told of, though today's rules may refuse to draw it; None if it is not known."""
        row = await self._row(job_id)
        return None if row is None else outlined_job(row)

    async def is_private(self, job_id: JobId) -> bool:
        """Whether only who asked may see it."""
        row = await self._database.fetch_one("SELECT private FROM jobs WHERE id = ?", (job_id,))
        return row is not None and bool(row["private"])

    async def _row(self, job_id: JobId) -> Row | None:
        return await self._database.fetch_one(f"{SELECT_JOBS} WHERE jobs.id = ?", (job_id,))

    async def files(self, request: GenerationRequest) -> Mapping[Digest, bytes]:
        """What a request starts from.

        Raises:
            PictureGone: it is not kept any more.
        """
        return {digest: await self._pictures.read_file(digest) for digest in request.files}

    async def unfinished(self) -> list[Job]:
        """Every job that is not settled, oldest first, as QUEUED."""
        rows = await self._database.fetch_all(
            f"{SELECT_JOBS} WHERE settled_at IS NULL ORDER BY created_at, id"
        )
        return [_job(row) for row in rows]

    async def give_up_outdated(self) -> int:
        """Fail each job that waits and that today's rules refuse; how many. For the start of a new version.

        Each answer is owed from then on, as that of any job that has ended.
        """
        rows = await self._database.fetch_all(f"{SELECT_JOBS} WHERE settled_at IS NULL")
        given_up = 0
        for row in rows:
            if (reason := _reject_reason(row)) is not None:
                job = _job(row, checked=False).moved(JobState.FAILED, failure=reason)
                given_up += await self.settle(job)
        return given_up

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
                (job.state, _written(job.failure), time.time(), job.id),
            )
            if not changed:
                return False
            await insert_pictures(transaction, job.id, pictures, digests)
            shown = [digest_of(png) for picture in pictures for png in picture.shown]
            await insert_inputs(transaction, job.id, shown)
            await owe_delivery(transaction, job.id)
            if job.review is Review.WAITING:
                await hold(transaction, job.id)
        return True

    async def _waits(self, job_id: JobId) -> bool:
        row = await self._database.fetch_one(
            "SELECT 1 FROM jobs WHERE id = ? AND settled_at IS NULL", (job_id,)
        )
        return row is not None


def outlined_job(row: Row) -> Job:
    """The job of a row of :data:`SELECT_JOBS`, to be told of though today's rules may refuse to draw it."""
    try:
        return _job(row)
    except InvalidRequest:
        return _job(row, checked=False)


def _settings(row: Row) -> dict[str, Any]:
    size = {"width": row["width"], "height": row["height"]}
    return {**{name: row[name] for name in _COLUMNS}, "size": size}


def _reject_reason(row: Row) -> str | None:
    """Why what this row asks for is no request any more, as a sentence; None if it is one."""
    try:
        _job(row)
    except InvalidRequest as reason:
        return reason.sentence
    return None


def _written(sentence: str | None) -> str | None:
    """A failure as it is kept: a sentence as JSON, so that it can be said in any language later."""
    return json.dumps(sentence.plain()) if isinstance(sentence, Sentence) else sentence


def _read(kept: str | None) -> str | None:
    """A failure that was kept. Earlier versions kept plain text, which stays what it is."""
    if kept is None or not kept.startswith("{"):
        return kept
    try:
        return Sentence.from_plain(json.loads(kept))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return kept


def _job(row: Row, *, checked: bool = True) -> Job:
    """The job of a row.

    Raises:
        InvalidRequest: it is to be checked, and by today's rules it cannot be.
    """
    if checked:
        try:
            request = GenerationRequest.from_plain({**_settings(row), **json.loads(row["more"])})
        except InvalidRequest as reason:
            raise InvalidRequest(joined(" ", (OUTDATED, reason.sentence))) from None
        except (KeyError, TypeError, ValueError) as error:
            log.warning("job %s was kept by another version: %r", row["id"], error)
            raise InvalidRequest(joined(" ", (OUTDATED, say("Please ask anew.")))) from error
    else:
        request = GenerationRequest.unchecked(_settings(row))
    return Job(
        id=JobId(row["id"]),
        request=request,
        asker=UserId(row["asker"]),
        created_at=row["created_at"],
        parent=None if row["parent"] is None else JobId(row["parent"]),
        parent_index=row["parent_position"],
        state=JobState(row["state"]),
        failure=_read(row["failure"]),
        safety=Safety(row["safety"]),
        private=bool(row["private"]),
        weight=row["weight"],
        covered=bool(row["covered"]),
        for_adults=bool(row["for_adults"]),
        review=None if row["review"] is None else Review(row["review"]),
    )
