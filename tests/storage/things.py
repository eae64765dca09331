"""Jobs, addresses and pictures for tests, and programs that die on command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.image import Picture
from generation.job import Job, JobId, JobState, UserId, new_job_id
from generation.request import GenerationRequest, Seed, Size
from storage.deliveries import Address
from storage.gallery import Gallery, Post
from storage.jobs import Jobs

ROOT = Path(__file__).parents[2]

REQUEST = GenerationRequest(
    prompt="a red circle",
    negative_prompt="blurry",
    model="models/mini",
    size=Size(width=128, height=192),
    steps=20,
    guidance=7.1,
    sampler="DPM++ 2M Karras",
    seed=Seed(4_294_967_295),
    count=2,
)

ADDRESS = Address(
    application_id=1,
    guild_id=2,
    channel_id=3,
    user_id=UserId(4),
    token="of-an-interaction",
    token_expires_at=1_700_000_900.25,
    file_limit=52_428_800,
    message_id=5,
    locale="de",
)

SERVER = 2
"""That of ADDRESS."""


def a_job(**changes: Any) -> Job:
    job = Job(id=new_job_id(), request=REQUEST, asker=UserId(4), created_at=1_700_000_000.125)
    return replace(job, **changes)


def done(job: Job) -> Job:
    return job.moved(JobState.RUNNING).moved(JobState.DONE)


def a_picture(index: int = 0, content: bytes = b"a drawn picture") -> Picture:
    return Picture(index=index, seed=REQUEST.image(index).seed, size=REQUEST.size, png=content)


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@asynccontextmanager
async def program(name: str, *arguments: Path | str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of the functions in `programs.py`, as a process; killed with SIGKILL at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.storage.programs",
        name,
        *map(str, arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(process: asyncio.subprocess.Process) -> str:
    """The next line that the program prints."""
    assert process.stdout is not None
    text = await process.stdout.readline()
    assert text, "the program ended early"
    return text.decode().strip()


def job_id(text: str) -> JobId:
    return JobId(text)


async def kept(jobs: Jobs) -> Job:
    """A job that waits, with its address."""
    job = a_job()
    await jobs.keep(job, ADDRESS)
    return job


async def drawn(jobs: Jobs, prompt: str = "a red circle", *, by: int = 4, **changes: Any) -> Job:
    """A job that is done and has two pictures, in the server of ADDRESS."""
    settings = {name: changes.pop(name) for name in ("model", "style", "adapters") if name in changes}
    job = a_job(asker=UserId(by), request=replace(REQUEST, prompt=prompt, **settings), **changes)
    await jobs.keep(job, replace(ADDRESS, user_id=UserId(by)))
    pictures = [a_picture(index, f"{job.id} {index}".encode()) for index in range(2)]
    await jobs.settle(done(job), pictures)
    return job


async def a_post(
    jobs: Jobs, gallery: Gallery, prompt: str = "a red circle", *, by: int = 4, **changes: Any
) -> Post:
    """A picture of `by` that is shared in the server of ADDRESS."""
    shown = {name: changes.pop(name) for name in ("title", "tags", "channel", "adults") if name in changes}
    job = await drawn(jobs, prompt, by=by, **changes)
    post, _ = await gallery.share(job.id, 0, server=SERVER, by=UserId(by), **shown)
    return post
