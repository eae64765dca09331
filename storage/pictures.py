"""The pictures: files named by their content, and a row for each that says whose it is."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from generation.image import Picture
from generation.image import PictureGone as PictureGone
from generation.job import JobId
from generation.request import Digest, Seed, Size
from generation.safety import Verdict
from generation.sentence import say
from storage import disk
from storage.database import Database, Row, Transaction, to_the_end

_AT_ONCE = 250
"""Files that a sweep looks up in one query; each twice: SQLite takes 999 parameters."""
GONE = say("The file of this picture is not there any more.")
THUMBNAIL = ".webp"
"""The suffix of the small picture beside a picture; see :mod:`storage.thumbnails`."""

Moment = tuple[float, str]
"""When a job ended, in seconds since the epoch, UTC, and its id: the order in which jobs are forgotten."""
EVER: Moment = (0.0, "")
"""Before all jobs."""
END_OF_TIME: Moment = (1e300, "")
"""After all jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPicture:
    """A picture that is kept."""

    job_id: JobId
    index: int
    """Its place in the request, from 0."""
    seed: Seed
    """The seed that draws this one alone."""
    size: Size
    digest: str
    """SHA-256 of the file, in hexadecimal."""
    byte_count: int
    verdict: Verdict = Verdict.UNASKED
    """What the safety checker said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """A job that has files, and when it ended."""

    job_id: JobId
    settled_at: float
    """Seconds since the epoch, UTC."""


class Pictures:
    """The pictures in `folder`, which need not exist yet.

    A file is there before its first row and until after its last one, so a row never points at nothing; a
    file that a crash left without a row is found by `sweep`.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._opened_at = time.time()
        # Whoever is between file and row, in either direction, holds this.
        self._between = asyncio.Lock()

    async def of(self, job_id: JobId) -> tuple[StoredPicture, ...]:
        """The pictures of a job in their order; none if it has none (yet).

        Raises:
            PictureGone: it had some, and they were forgotten.
        """
        rows = await self._database.fetch_all(
            "SELECT * FROM pictures WHERE job_id = ? ORDER BY position", (job_id,)
        )
        if not rows:
            job = await self._database.fetch_one("SELECT forgotten_at FROM jobs WHERE id = ?", (job_id,))
            if job is not None and job["forgotten_at"] is not None:
                raise PictureGone(say("The pictures of this job were deleted."))
        return tuple(map(stored_picture, rows))

    async def read(self, stored: StoredPicture) -> bytes:
        """The picture file.

        Raises:
            PictureGone: it was deleted, or is damaged.
        """
        return await self.read_file(Digest(stored.digest))

    async def read_file(self, digest: Digest) -> bytes:
        """A picture that was drawn, or one that a request starts from.

        Raises:
            PictureGone: it was deleted, or is damaged.
        """
        try:
            content, found = await asyncio.to_thread(_read, self._path(digest))
        except FileNotFoundError as error:
            raise PictureGone(GONE) from error
        if found != digest:
            raise PictureGone(say("The file of this picture is damaged."))
        return content

    def thumbnail_path(self, digest: Digest) -> Path:
        """Where the small picture is, if there is one."""
        return self._folder / digest[:2] / f"{digest}{THUMBNAIL}"

    @asynccontextmanager
    async def staying(self, digest: Digest) -> AsyncIterator[None]:
        """Until the block ends no file is removed, so that what is put beside this picture goes with it.

        Raises:
            PictureGone: it was deleted.
        """
        async with self._between:
            if not await asyncio.to_thread(self._path(digest).is_file):
                raise PictureGone(GONE)
            yield

    @asynccontextmanager
    async def saved(self, pictures: Sequence[Picture]) -> AsyncIterator[Mapping[int, Digest]]:
        """Save the files; in the block their rows are inserted. Yields the digest of each picture by index.

        Until the block ends, no file is removed that is about to get a row.
        """
        if not pictures:
            yield {}
            return
        async with self._between:
            digests = {picture.index: digest_of(picture.png) for picture in pictures}
            files = {digests[picture.index]: picture.png for picture in pictures}
            files |= {digest_of(png): png for picture in pictures for png in picture.shown}
            await asyncio.to_thread(self._save, files)
            yield digests

    @asynccontextmanager
    async def inputs(self, needed: Sequence[Digest], files: Mapping[Digest, bytes]) -> AsyncIterator[None]:
        """See that the files `needed` are there; in the block their rows are inserted.

        Args:
            files: those that come along; the others were kept for an earlier request.

        Raises:
            PictureGone: one of the others is not kept any more.
        """
        if not needed:
            yield
            return
        async with self._between:
            await asyncio.to_thread(
                self._save, {digest: files[digest] for digest in needed if digest in files}
            )
            for digest in needed:
                if digest not in files:
                    await self.read_file(digest)
            yield

    async def forget(self, job_id: JobId) -> None:
        """Remove the pictures of a job and those it started from: the rows, and the files that no other row
        needs. The job stays; one that has ended, however, is not told of any more.
        """
        async with self._between:
            async with self._database.transaction() as transaction:
                rows = await transaction.fetch_all(
                    """
                    SELECT digest FROM pictures WHERE job_id = :job
                    UNION SELECT digest FROM inputs WHERE job_id = :job
                    """,
                    {"job": job_id},
                )
                await transaction.execute("DELETE FROM pictures WHERE job_id = ?", (job_id,))
                await transaction.execute("DELETE FROM inputs WHERE job_id = ?", (job_id,))
                await transaction.execute(
                    """
                    UPDATE jobs SET forgotten_at = ?
                    WHERE id = ? AND settled_at IS NOT NULL AND forgotten_at IS NULL
                    """,
                    (time.time(), job_id),
                )
            # Not to be cut off here: the lock must be held for as long as a thread removes files.
            await to_the_end(self._remove_unneeded({self._path(row["digest"]) for row in rows}))

    async def older(self, server: int, than: Moment, *, after: Moment = EVER, limit: int) -> tuple[Aged, ...]:
        """Jobs of a server with pictures, or with some that they started from, that ended before that.

        What is still to be brought to somebody is not among them, nor is what waits for nobody but the queue.

        Args:
            after: the job after which to go on.
        """
        rows = await self._database.browse(
            """
            SELECT id, settled_at FROM jobs
            WHERE server = :server AND forgotten_at IS NULL
            AND settled_at <= :than AND (settled_at, id) < (:than, :than_job)
            AND (settled_at, id) > (:ended, :job)
            AND (
                EXISTS (SELECT 1 FROM pictures WHERE job_id = jobs.id)
                OR EXISTS (SELECT 1 FROM inputs WHERE job_id = jobs.id)
            )
            AND NOT EXISTS (SELECT 1 FROM deliveries WHERE job_id = jobs.id AND state IN ('open', 'owed'))
            ORDER BY settled_at, id LIMIT :limit
            """,
            {
                "server": server,
                "than": than[0],
                "than_job": than[1],
                "ended": after[0],
                "job": after[1],
                "limit": limit,
            },
        )
        return tuple(Aged(job_id=JobId(row["id"]), settled_at=row["settled_at"]) for row in rows)

    async def size_of(self, digests: Collection[str]) -> int:
        """Bytes of these files together, of those that are there."""
        return await asyncio.to_thread(self._size_of, digests) if digests else 0

    @asynccontextmanager
    async def forgetting(
        self, kept: Callable[[], None] = lambda: None
    ) -> AsyncIterator[tuple[Transaction, set[str]]]:
        """A transaction in which rows of files are removed, and a set into which the digests of these go.

        When it is kept, those that no other row needs are removed.

        Args:
            kept: called as soon as it is, before anybody else writes.
        """
        async with self._between:
            digests: set[str] = set()
            async with self._database.transaction() as transaction:
                yield transaction, digests
            kept()
            paths = sorted(map(self._path, digests))
            for start in range(0, len(paths), _AT_ONCE):
                # Not to be cut off here: the lock must be held for as long as a thread removes files.
                await to_the_end(self._remove_unneeded(paths[start : start + _AT_ONCE]))

    async def sweep(self) -> int:
        """Remove the files that a crash of an earlier run left without a row; how many there were.

        Raises:
            OSError: some could not be removed.
        """
        removed, problem = 0, None
        for shard in await asyncio.to_thread(self._shards):
            candidates = await asyncio.to_thread(self._of_earlier_runs, shard)
            for start in range(0, len(candidates), _AT_ONCE):
                portion = candidates[start : start + _AT_ONCE]
                try:
                    async with self._between:
                        removed += await to_the_end(self._remove_unneeded(portion))
                except OSError as error:
                    problem = error
        if problem is not None:
            raise problem
        return removed

    async def _remove_unneeded(self, paths: Iterable[Path]) -> int:
        by_digest: dict[str, Path] = {}
        for path in paths:
            digest = path.name.removesuffix(THUMBNAIL)
            by_digest[digest] = path.with_name(digest)
        marks = ", ".join("?" * len(by_digest))
        rows = await self._database.fetch_all(
            f"""
            SELECT digest FROM pictures WHERE digest IN ({marks})
            UNION SELECT digest FROM inputs WHERE digest IN ({marks})
            """,
            (*by_digest, *by_digest),
        )
        for row in rows:
            del by_digest[row["digest"]]
        await asyncio.to_thread(_remove, by_digest.values())
        return len(by_digest)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    # In threads -------------------------------------------------------------------------------------------

    def _size_of(self, digests: Collection[str]) -> int:
        total = 0
        for digest in digests:
            with suppress(FileNotFoundError):
                total += self._path(digest).stat().st_size
        return total

    def _save(self, contents: Mapping[Digest, bytes]) -> None:
        files = {self._path(digest): content for digest, content in contents.items()}
        there = {path for path, content in files.items() if _holds(path, content)}
        disk.write_durably({path: content for path, content in files.items() if path not in there})
        for folder in {path.parent for path in there}:
            disk.sync_folder(folder)  # whoever wrote it may have died before this

    def _shards(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if path.is_dir()] if self._folder.is_dir() else []

    def _of_earlier_runs(self, shard: Path) -> list[Path]:
        old = []
        with os.scandir(shard) as entries:
            for entry in entries:
                # One that goes away meanwhile is being written, or was just forgotten: it is of this run.
                with suppress(FileNotFoundError):
                    if entry.stat().st_mtime < self._opened_at:
                        old.append(Path(entry.path))
        return old


def stored_picture(row: Row) -> StoredPicture:
    """The picture of a row."""
    return StoredPicture(
        job_id=JobId(row["job_id"]),
        index=row["position"],
        seed=Seed(row["seed"]),
        size=Size(width=row["width"], height=row["height"]),
        digest=row["digest"],
        byte_count=row["byte_count"],
        verdict=Verdict(row["verdict"]),
    )


async def insert_pictures(
    transaction: Transaction, job_id: JobId, pictures: Iterable[Picture], digests: Mapping[int, str]
) -> None:
    """Insert the rows of pictures whose files are saved."""
    await transaction.execute_many(
        """
        INSERT INTO pictures (job_id, position, seed, width, height, digest, byte_count, verdict)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            (
                job_id,
                picture.index,
                picture.seed,
                picture.size.width,
                picture.size.height,
                digests[picture.index],
                len(picture.png),
                picture.verdict,
            )
            for picture in pictures
        ],
    )


async def insert_inputs(transaction: Transaction, job_id: JobId, files: Iterable[Digest]) -> None:
    """Insert the rows of files that a job starts from, or was steered by, which are saved."""
    await transaction.execute_many(
        "INSERT OR IGNORE INTO inputs (job_id, digest) VALUES (?, ?)",
        [(job_id, digest) for digest in dict.fromkeys(files)],
    )


def digest_of(content: bytes) -> Digest:
    """The name under which a file is kept."""
    return Digest(hashlib.sha256(content).hexdigest())


def _holds(path: Path, content: bytes) -> bool:
    """Whether the file is there and whole: its name says what it held, not what a disk made of it."""
    return path.is_file() and path.read_bytes() == content


def _read(path: Path) -> tuple[bytes, str]:
    content = path.read_bytes()
    return content, hashlib.sha256(content).hexdigest()


def _remove(paths: Iterable[Path]) -> None:
    """Remove what can be removed.

    Raises:
        OSError: not all could.
    """
    problem: OSError | None = None
    for path in paths:
        for file in (path, path.with_name(f"{path.name}{THUMBNAIL}")):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                problem = error
    if problem is not None:
        raise problem
