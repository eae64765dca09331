"""A web gallery for tests: its files, who people are, and a browser without a screen that asks for pages."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import yarl
from PIL import Image

from bot.language import languages
from generation.image import Picture
from generation.job import Job, JobId, JobState, UserId, new_job_id
from generation.request import GenerationRequest, Seed, Size
from storage.database import Database
from storage.deliveries import Address
from storage.exhibits import Exhibits
from storage.finding import Finder
from storage.gallery import Gallery, Post
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.servers import Servers
from storage.thumbnails import Thumbnails
from web.asking import Addresses
from web.opening import addresses, opened
from web.site import Rooms
from web.veil import Veil

SERVER, CLOSED, OTHER = 900_000_000_000_000_001, 900_000_000_000_000_002, 900_000_000_000_000_003
ANNA, BRUNO = UserId(770_000_000_000_077), UserId(5)
ADMIN = UserId(8)
CHANNEL = 3
"""In which the galleries are."""

_seeds = count(1)


@dataclass
class Known:
    """Who knows the names."""

    servers: dict[int, str] = field(
        default_factory=lambda: {SERVER: "Quiet Pictures", CLOSED: "Closed", OTHER: "Other & <b>Sons</b>"}
    )
    persons: dict[int, str] = field(default_factory=lambda: {ANNA: "Anna", BRUNO: "Bruno <i>"})

    adult_channels: set[int] = field(default_factory=set)

    def server(self, server: int) -> str | None:
        return self.servers.get(server)

    def is_for_adults(self, server: int, channel: int) -> bool:
        return channel in self.adult_channels

    async def people(self, server: int, people: Collection[UserId]) -> Mapping[UserId, str]:
        return {person: self.persons[person] for person in people if person in self.persons}

    def model(self, source: str) -> str:
        return {"models/mini": "Mini", "/home/owner/secret.safetensors": "Secret"}.get(source, source)

    def models(self) -> Mapping[str, str]:
        return {"Mini": "models/mini", "Secret": "/home/owner/secret.safetensors"}

    async def styles(self, server: int) -> Sequence[str]:
        return ("Pixel art", "Watercolour")


@dataclass(kw_only=True)
class WebGallery:
    """The site, what stands behind it, and how pictures come into it."""

    database: Database
    jobs: Jobs
    rooms: Rooms
    known: Known
    addresses: Addresses
    client: aiohttp.ClientSession
    port: int
    folder: Path

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self, server: int, *, is_open: bool = True) -> None:
        """Let it be seen, or not any more."""
        await self.rooms.servers.change(
            server, lambda was: replace(was, web_gallery=is_open, gallery_channel=CHANNEL), by=ADMIN
        )

    async def drawn(
        self,
        prompt: str = "a red circle",
        *,
        by: UserId = ANNA,
        server: int = SERVER,
        png: bytes | None = None,
        parent: JobId | None = None,
        covered: bool = False,
        count: int = 1,
        **settings: Any,
    ) -> Job:
        """A request that is done."""
        seed = Seed(next(_seeds))
        files = [png or a_png(seed + index) for index in range(count)]
        with Image.open(io.BytesIO(files[0])) as image:
            size = Size(width=image.width, height=image.height)
        request = GenerationRequest(
            **{
                "prompt": prompt,
                "model": "models/mini",
                "size": size,
                "steps": 20,
                "guidance": 3.0,
                "sampler": "DPM++ 2M Karras",
                "seed": seed,
                "count": count,
                **settings,
            }
        )
        job = Job(
            id=new_job_id(), request=request, asker=by, created_at=time.time(), parent=parent, covered=covered
        )
        address = Address(
            application_id=1,
            guild_id=server,
            channel_id=3,
            user_id=by,
            token="t",
            token_expires_at=time.time() + 900,
            file_limit=10_000_000,
            message_id=5,
            locale="en-GB",
        )
        await self.jobs.keep(job, address)
        pictures = [
            Picture(index=index, seed=request.image(index).seed, size=size, png=file)
            for index, file in enumerate(files)
        ]
        await self.jobs.settle(job.moved(JobState.RUNNING).moved(JobState.DONE), pictures)
        return job

    async def share(
        self,
        job: Job,
        index: int = 0,
        *,
        title: str | None = None,
        tags: Sequence[str] = (),
        channel: int = 0,
        adults: bool = False,
    ) -> Post:
        row = await self.database.fetch_one("SELECT server FROM jobs WHERE id = ?", (job.id,))
        assert row is not None
        post, _ = await self.rooms.gallery.share(
            job.id,
            index,
            server=row["server"],
            by=job.asker,
            title=title,
            tags=tags,
            channel=channel,
            adults=adults,
        )
        return post

    async def shared(
        self,
        prompt: str = "a red circle",
        *,
        title: str | None = None,
        tags: Sequence[str] = (),
        channel: int = 0,
        adults: bool = False,
        **drawn: Any,
    ) -> Post:
        """A picture that is drawn and shared."""
        job = await self.drawn(prompt, **drawn)
        return await self.share(job, title=title, tags=tags, channel=channel, adults=adults)

    async def get(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        """What is answered there, as it comes over the wire."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = yarl.URL(f"{self.root}{path}", encoded=True)
        async with self.client.request(method, url, headers=sent, allow_redirects=False) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def text(self, path: str) -> str:
        """A page that is there."""
        answer = await self.get(path)
        assert answer.status == 200, (path, answer.status)
        return answer.content.decode()

    def here(self, server: int = SERVER) -> str:
        return self.addresses.gallery(server)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes


@asynccontextmanager
async def gallery(folder: Path, *, address: str = "http://127.0.0.1") -> AsyncIterator[WebGallery]:
    """The site, served on a free port."""
    async with Database.open(folder / "atelier.db") as database:
        pictures = Pictures(database, folder / "pictures")
        known = Known()
        rooms = Rooms(
            gallery=Gallery(database),
            finder=Finder(database),
            exhibits=Exhibits(database),
            pictures=pictures,
            thumbnails=Thumbnails(pictures),
            servers=await Servers.opened(database),
            names=known,
            tongues=dict(languages()),
        )
        places = addresses(Veil.kept_in(folder / "web.key"), address)
        async with (
            opened(rooms, places, host="127.0.0.1", port=0) as port,
            aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=("Accept-Encoding",)) as client,
        ):
            yield WebGallery(
                database=database,
                jobs=Jobs(database, pictures),
                rooms=rooms,
                known=known,
                addresses=places,
                client=client,
                port=port,
                folder=folder,
            )


@asynccontextmanager
async def new_gallery(folder: Path, blank: Path) -> AsyncIterator[WebGallery]:
    """A site with one open server and nothing in it; `blank` is a database without anything."""
    shutil.copy(blank, folder / "atelier.db")
    async with gallery(folder) as site:
        await site.open(SERVER)
        yield site


def a_png(number: int, width: int = 64, height: int = 64) -> bytes:
    """A picture that no other number gives."""
    file = io.BytesIO()
    colour = (number * 37 % 256, number // 7 % 256, number % 256)
    Image.new("RGB", (width, height), colour).save(file, format="PNG")
    return file.getvalue()
