"""The page for people, the files they and the bot sent, and faces made of initials."""

from __future__ import annotations

import colorsys
import hashlib
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from playground.media import INLINE_TYPES
from playground.nouns import Snowflake, User

if TYPE_CHECKING:
    from playground.server import Playground

NOT_BUILT = (
    "The playground runs, but its page is not installed: there is no index.html in playground/static.\n"
)


def page_routes(playground: Playground) -> list[web.RouteDef]:
    """GET / (the page, or the gateway if a websocket is asked for), its files, attachments and avatars."""

    async def front(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await playground.gateway.handle(request)
        if request.host.startswith("localhost"):
            # Everything the page is told has the numeric address; under two names it would be two origins.
            raise web.HTTPFound(playground.url)
        page = _found(playground.static, "index.html").read_text("utf-8")
        # Browsers keep a version for good: else they ask for each of its files again when the page is opened.
        page = page.replace('="/static/', f'="/static/{_version(playground.static)}/')
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-cache"})

    async def static(request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(_found(playground.static, request.match_info["path"]))
        is_kept = "version" in request.match_info
        response.headers["Cache-Control"] = "max-age=31536000, immutable" if is_kept else "no-cache"
        return response

    async def attachment(request: web.Request) -> web.StreamResponse:
        numbers = [request.match_info[name] for name in ("channel", "attachment")]
        channel, key = (Snowflake(int(number)) for number in numbers)
        found = playground.world.file(channel, key, request.match_info["filename"])
        if found is None or not found[1].exists():
            raise web.HTTPNotFound(text="This content is no longer available.\n")
        about, path = found
        response = web.FileResponse(path)
        response.headers["Content-Type"] = about.content_type
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
        if about.content_type not in INLINE_TYPES:
            response.headers["Content-Disposition"] = f'attachment; filename="{about.filename}"'
        return response

    async def avatar(request: web.Request) -> web.StreamResponse:
        user = playground.world.users.get(Snowflake(int(request.match_info["user"])))
        if user is None:
            raise web.HTTPNotFound
        return web.Response(text=_face(user), content_type="image/svg+xml")

    return [
        web.get("/", front),
        web.get("/static/{version:@[0-9a-f]+}/{path:.+}", static),
        web.get("/static/{path:.+}", static),
        web.get(r"/attachments/{channel:[0-9]{1,20}}/{attachment:[0-9]{1,20}}/{filename}", attachment),
        web.get(r"/avatars/{user:[0-9]{1,20}}.svg", avatar),
    ]


def _found(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise web.HTTPNotFound(text=NOT_BUILT if name == "index.html" else "There is no such file.\n")
    return path


def _version(folder: Path) -> str:
    """Another one as soon as a file of the page is another, be it an older one, also while this runs."""
    files = sorted((file.name, file.stat().st_mtime_ns) for file in folder.rglob("*"))
    return f"@{hashlib.sha256(repr(files).encode()).hexdigest()[:16]}"


def _face(user: User) -> str:
    """A round picture of the first letter of the name, in a colour of its own."""
    hue = (user.id >> 22) * 0.618 % 1
    red, green, blue = (round(255 * value) for value in colorsys.hls_to_rgb(hue, 0.42, 0.5))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<circle cx="32" cy="32" r="32" fill="#{red:02x}{green:02x}{blue:02x}"/>'
        '<text x="32" y="43" font-family="sans-serif" font-size="32" fill="#fff" text-anchor="middle">'
        f"{escape(user.name[:1])}</text></svg>"
    )
