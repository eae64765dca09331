"""The site: which page stands at which address, and what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from generation.image import PictureGone
from generation.job import UserId
from generation.request import Digest
from generation.sentence import say
from storage.exhibits import Exhibits
from storage.finding import Finder, Wanted, Window
from storage.gallery import Gallery, Post, PostId
from storage.paging import Page
from storage.pictures import Pictures
from storage.servers import Servers, UnreadableSettings
from storage.thumbnails import Thumbnails
from web.answering import A_YEAR, Nothing, answered, file, guarded
from web.asking import Addresses, Asked, Order
from web.names import Names
from web.pages import HTML, TEXT, Pages
from web.telling import SOMEBODY, Tile, alt, heading, negative_prompt, settings, tiles
from web.tongues import Tongue, preferred

TAGS = 16
"""Shown above a gallery, those of most posts."""
OFFSPRING = 12
SIMILAR = 8
AT_ONCE = 3
"""Pages that are made at once: the bot reads the same database."""
READ_AT_ONCE = 4
"""Whole pictures that are read from the disk at once."""

TIMES = {
    Window.ALL: say("Any time"),
    Window.DAY: say("Last 24 hours"),
    Window.WEEK: say("Last 7 days"),
    Window.MONTH: say("Last 30 days"),
}

_FAILURES = {
    HTTPStatus.NOT_FOUND: (
        say("Nothing here"),
        say("There is nothing at this address, or it is not shown any more."),
    ),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        say("Only for looking"),
        say("These pages change nothing. Likes and remixes are made in the chat."),
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: (
        say("That did not work"),
        say("Something went wrong here, and it is in the log. Please try again later."),
    ),
}
MISDIRECTED = say("The gallery is not known by this name. Whoever runs it can set WEB_URL or WEB_HOST to it.")
"""For the owner, whose proxy or name is new: nobody else comes by a name that is not ours."""

Reader = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What of the house the site shows, who knows the names, and who the languages."""

    gallery: Gallery
    finder: Finder
    exhibits: Exhibits
    pictures: Pictures
    thumbnails: Thumbnails
    servers: Servers
    names: Names
    tongues: Mapping[str, Tongue]
    """By their codes; English is one."""


class Site:
    """Answers what is asked. It reads, and nothing else."""

    def __init__(self, rooms: Rooms, addresses: Addresses, hosts: frozenset[str]) -> None:
        self._rooms = rooms
        self._addresses = addresses
        self._hosts = hosts
        self._pages = Pages(addresses.prefix)
        self._making = asyncio.Semaphore(AT_ONCE)
        self._reading = asyncio.Semaphore(READ_AT_ONCE)

    def application(self) -> web.Application:
        """The site, to be served."""
        application = web.Application(middlewares=[guarded(self._failed, self._hosts)], client_max_size=1024)
        server, word = r"/{server:\d{1,20}}", r"{word:[0-9a-z]{13}}"
        application.add_routes(
            [
                web.get("/", self._home),
                web.get("/assets/{name}", self._asset),
                web.get(server, self._gallery),
                web.get(f"{server}/by/{word}", self._person),
                web.get(f"{server}/{word}", self._picture),
                web.get(f"{server}/{word}/{{digest:[0-9a-f]{{16}}}}.png", self._file),
                web.get(f"{server}/{word}/{{digest:[0-9a-f]{{16}}}}.webp", self._thumbnail),
            ]
        )
        return application

    # Pages ------------------------------------------------------------------------------------------------

    async def _home(self, request: web.Request) -> web.Response:
        named = {server: self._name(server) for server in self._rooms.servers.in_the_web()}
        shown = sorted((name, server) for server, name in named.items() if name is not None)
        if len(shown) == 1:
            headers = {"Location": self._addresses.gallery(shown[0][1]), "Cache-Control": "no-store"}
            return web.Response(status=HTTPStatus.FOUND, headers=headers)
        links = [(name, self._addresses.gallery(server)) for name, server in shown]
        return self._page(request, "home.html", servers=links)

    async def _gallery(self, request: web.Request) -> web.Response:
        return await self._grid(request, None)

    async def _person(self, request: web.Request) -> web.Response:
        person = self._addresses.user_id(self._server(request), request.match_info["word"])
        if person is None:
            raise Nothing
        return await self._grid(request, person)

    async def _grid(self, request: web.Request, person: UserId | None) -> web.Response:
        """Many pictures: of a gallery, or of one person in it."""
        server, asked = self._server(request), Asked.read(request.query)
        names, models = self._rooms.names, self._rooms.names.models()
        async with self._making:
            page = await self._found(server, asked, asked.wanted(models, person))
            if person is not None and not page.posts:
                shared = await self._rooms.finder.new(server, Wanted(person=person), size=1)
                if not shared.posts:
                    raise Nothing  # who has nothing to show here is not here
            tags = await self._rooms.gallery.tags(server, most=TAGS)
        # Not while others wait for their pages: Discord may be asked for names.
        known = await names.people(server, [person]) if person is not None else {}
        [shown] = await self._tiles(server, page.posts)

        def here(asked: Asked) -> str:
            if person is None:
                return self._addresses.gallery(server, asked)
            return self._addresses.person(server, person, asked)

        lost = bool(asked.at) and not page.posts
        return self._page(
            request,
            "grid.html",
            status=HTTPStatus.NOT_FOUND if lost else HTTPStatus.OK,
            server=self._name(server),
            gallery=self._addresses.gallery(server),
            person=None if person is None else known.get(person, SOMEBODY),
            asked=asked,
            here=here,
            orders=((Order.NEW, say("New")), (Order.TOP, say("Top"))),
            models=sorted(models),
            styles=await names.styles(server),
            times=TIMES,
            tags=[tag for tag, _ in tags],
            tiles=shown,
            lost=lost,
            instead=None if page.instead is None else " ".join(page.instead),
            before=None if page.before is None else here(asked.but(at=page.before)),
            after=None if page.after is None else here(asked.but(at=page.after)),
        )

    async def _picture(self, request: web.Request) -> web.Response:
        post, names = await self._post(request), self._rooms.names
        async with self._making:
            job = await self._rooms.exhibits.job(post)
            if job is None:
                raise Nothing
            covered = await self._covered(post.server, [post])
            origins = _for_all(await self._rooms.exhibits.origins(post))
            offspring = _for_all(await self._rooms.exhibits.offspring(post, OFFSPRING))
            kin = {each.id for each in (*origins, *offspring)}
            similar = (await self._rooms.finder.more_like(post, size=SIMILAR + len(kin))).posts
            alike = [each for each in similar if each.id not in kin][:SIMILAR]
        people = await names.people(post.server, [post.person])
        walls = await self._tiles(post.server, origins, offspring, alike)
        gallery, model = self._addresses.gallery, names.model(post.model)
        message = None if post.message_id is None else (post.server, post.channel_id, post.message_id)
        return self._page(
            request,
            "picture.html",
            server=self._name(post.server),
            gallery=gallery(post.server),
            post=post,
            heading=heading(post),
            alt=alt(post),
            is_covered=post.id in covered,
            picture=self._addresses.picture(post),
            site=self._addresses.site,
            thumbnail=self._addresses.thumbnail(post),
            address=self._addresses.post(post),
            credit=people.get(post.person, SOMEBODY),
            person=self._addresses.person(post.server, post.person),
            tags=[(tag, gallery(post.server, Asked(tag=tag))) for tag in post.tags],
            negative_prompt=negative_prompt(job, post.index),
            settings=settings(job, post, model),
            same_model=gallery(post.server, Asked(model=model)) if model in names.models() else None,
            style=post.style,
            same_style=None if post.style is None else gallery(post.server, Asked(style=post.style)),
            message=None if message is None else "https://discord.com/channels/{}/{}/{}".format(*message),
            walls=walls,
        )

    # Files ------------------------------------------------------------------------------------------------

    async def _file(self, request: web.Request) -> web.Response:
        post = await self._post(request)

        async def read() -> bytes:
            async with self._reading:
                return await self._rooms.pictures.read_file(Digest(post.digest))

        return await self._sent(request, post, read, "png")

    async def _thumbnail(self, request: web.Request) -> web.Response:
        post = await self._post(request)
        return await self._sent(
            request, post, lambda: self._rooms.thumbnails.read(Digest(post.digest)), "webp"
        )

    async def _sent(self, request: web.Request, post: Post, read: Reader, kind: str) -> web.Response:
        if request.match_info["digest"] != post.digest[:16]:
            raise Nothing
        word = request.match_info["word"]
        try:
            return await file(request, read, post.digest, f"image/{kind}", f"atelier-{word}.{kind}")
        except PictureGone:
            raise Nothing from None

    async def _asset(self, request: web.Request) -> web.Response:
        asset = self._pages.assets.get(request.match_info["name"])
        if asset is None:
            raise Nothing
        return answered(request, asset.content, asset.kind, cache=A_YEAR)

    # Parts ------------------------------------------------------------------------------------------------

    def _name(self, server: int) -> str | None:
        """What a server is called that wants to be seen; None: it is not shown."""
        try:
            settings = self._rooms.servers.of(server)
        except UnreadableSettings:
            return None  # nobody knows whether it is wanted
        names = self._rooms.names
        if not settings.web_gallery or settings.gallery_channel is None:
            return None  # without a channel nothing is found in the chat either
        if names.is_for_adults(server, settings.gallery_channel):
            return None  # who comes here is not asked how old they are
        return names.server(server)

    def _server(self, request: web.Request) -> int:
        server = int(request.match_info["server"])
        if self._name(server) is None or str(server) != request.match_info["server"]:
            raise Nothing
        return server

    async def _post(self, request: web.Request) -> Post:
        """The post at this address, if it may be seen."""
        server = self._server(request)
        post_id = self._addresses.post_id(server, request.match_info["word"])
        post = None if post_id is None else await self._rooms.gallery.get(post_id)
        if post is None or post.server != server or post.is_hidden or post.for_adults:
            raise Nothing
        return post

    async def _found(self, server: int, asked: Asked, wanted: Wanted) -> Page:
        finder, at = self._rooms.finder, asked.at or None
        if asked.text:
            return await finder.search(server, asked.text, wanted, cursor=at)
        if asked.order is Order.TOP:
            return await finder.top(server, wanted, cursor=at)
        return await finder.new(server, wanted, cursor=at)

    async def _covered(self, server: int, posts: Sequence[Post]) -> frozenset[PostId]:
        """Which of these stand behind spoilers: all, also those drawn before, where the server wants it."""
        if self._rooms.servers.of(server).spoilers:
            return frozenset(post.id for post in posts)
        return await self._rooms.exhibits.covered(posts)

    async def _tiles(self, server: int, *walls: Sequence[Post]) -> list[tuple[Tile, ...]]:
        """The tiles of each wall."""
        posts = [post for wall in walls for post in wall]
        if not posts:
            return [()] * len(walls)
        people = await self._rooms.names.people(server, {post.person for post in posts})
        covered = await self._covered(server, posts)
        return [tiles(wall, covered, people, self._addresses) for wall in walls]

    def _page(
        self, request: web.Request, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: object
    ) -> web.Response:
        tongue = self._tongue(request)
        page = self._pages.render(template, tongue, **values)
        return answered(request, page, HTML, status=status, language=tongue.code)

    def _tongue(self, request: web.Request) -> Tongue:
        asked = ",".join(request.headers.getall("Accept-Language", ()))
        return self._rooms.tongues[preferred(asked, self._rooms.tongues)]

    def _failed(self, request: web.Request, status: HTTPStatus) -> web.Response:
        if status is HTTPStatus.MISDIRECTED_REQUEST:  # no page of ours, with no address in it
            tongue = self._tongue(request)
            said = f"{tongue(MISDIRECTED)}\n".encode()
            return answered(request, said, TEXT, status=status, cache="no-store", language=tongue.code)
        known = status if status in _FAILURES else HTTPStatus.INTERNAL_SERVER_ERROR
        title, text = _FAILURES[known]
        return self._page(request, "failure.html", status=status, title=title, text=text)


def _for_all(posts: Sequence[Post]) -> list[Post]:
    return [post for post in posts if not post.for_adults]
