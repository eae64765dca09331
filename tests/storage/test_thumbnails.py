"""A small picture is made once, is beside its picture, and never outlives it."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from pathlib import Path

import pytest
from PIL import Image

from generation.job import Job
from generation.request import Digest
from storage import thumbnails
from storage.jobs import Jobs
from storage.pictures import PictureGone, Pictures, digest_of
from storage.thumbnails import Thumbnails
from tests.storage.things import ADDRESS, a_job, a_picture, done, files_in


def a_png(width: int, height: int, colour: str = "teal", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height), colour if mode == "RGB" else 0).save(file, format="PNG")
    return file.getvalue()


async def drawn(jobs: Jobs, content: bytes) -> tuple[Job, Digest]:
    job = a_job()
    await jobs.keep(job, ADDRESS)
    await jobs.settle(done(job), [a_picture(0, content)])
    return job, digest_of(content)


@pytest.mark.parametrize(
    ("size", "small"),
    [((1024, 512), (640, 320)), ((512, 768), (320, 480)), ((64, 64), (64, 64)), ((4096, 64), (640, 10))],
)
async def test_it_is_webp_and_as_large_as_it_is_shown(
    size: tuple[int, int], small: tuple[int, int], jobs: Jobs, pictures: Pictures
) -> None:
    _, digest = await drawn(jobs, a_png(*size))
    made = await Thumbnails(pictures).read(digest)
    with Image.open(io.BytesIO(made)) as image:
        assert (image.format, image.size) == ("WEBP", small)


async def test_it_is_made_once_however_many_look(jobs: Jobs, pictures: Pictures, tmp_path: Path) -> None:
    _, digest = await drawn(jobs, a_png(640, 640))
    thumbnails = Thumbnails(pictures)
    first, *others = await asyncio.gather(*(thumbnails.read(digest) for _ in range(8)))
    assert set(others) == {first}

    path = pictures.thumbnail_path(digest)
    assert files_in(tmp_path / "pictures") == [path.with_name(digest), path]
    path.write_bytes(b"this one")
    assert await thumbnails.read(digest) == b"this one"


async def test_it_goes_with_its_picture(jobs: Jobs, pictures: Pictures, tmp_path: Path) -> None:
    job, digest = await drawn(jobs, a_png(640, 640))
    other, _ = await drawn(jobs, a_png(640, 640))  # the same file
    await Thumbnails(pictures).read(digest)

    await pictures.forget(job.id)
    assert pictures.thumbnail_path(digest).is_file()
    await pictures.forget(other.id)
    assert not files_in(tmp_path / "pictures")


async def test_a_picture_that_went_meanwhile_leaves_no_small_one(
    jobs: Jobs, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, digest = await drawn(jobs, a_png(1024, 1024))
    begun, go_on, make = threading.Event(), threading.Event(), thumbnails.small_picture

    def made(content: bytes) -> bytes:
        begun.set()
        assert go_on.wait(30)
        return make(content)

    monkeypatch.setattr(thumbnails, "small_picture", made)
    reading = asyncio.create_task(Thumbnails(pictures).read(digest))
    assert await asyncio.to_thread(begun.wait, 30)
    await pictures.forget(job.id)
    go_on.set()
    with pytest.raises(PictureGone):
        await reading
    assert not files_in(tmp_path / "pictures")


async def test_a_sweep_takes_those_without_a_picture_and_leaves_the_others(
    jobs: Jobs, pictures: Pictures, tmp_path: Path
) -> None:
    _, digest = await drawn(jobs, a_png(640, 640))
    await Thumbnails(pictures).read(digest)
    kept = files_in(tmp_path / "pictures")
    lost = kept[0].with_name(f"{'0' * 64}.webp")
    torn = kept[0].with_name(f"{kept[1].name}.12345678.tmp")
    for path in (lost, torn):
        path.write_bytes(b"of a crash")
    for path in (*kept, lost, torn):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert await pictures.sweep() == 2
    assert files_in(tmp_path / "pictures") == kept


@pytest.mark.parametrize("content", [b"no picture", a_png(64, 64)[:60]])
async def test_what_is_no_picture_has_none(content: bytes, jobs: Jobs, pictures: Pictures) -> None:
    _, digest = await drawn(jobs, content)
    with pytest.raises(PictureGone):
        await Thumbnails(pictures).read(digest)
    assert not pictures.thumbnail_path(digest).exists()


async def test_a_damaged_file_is_not_shown_small(jobs: Jobs, pictures: Pictures) -> None:
    _, digest = await drawn(jobs, a_png(64, 64))
    pictures.thumbnail_path(digest).with_name(digest).write_bytes(a_png(64, 64, "red"))
    with pytest.raises(PictureGone):
        await Thumbnails(pictures).read(digest)
