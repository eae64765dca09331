"""Keeps out who has no business here: other sites' pages, and names that only pretend to be this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

HOSTS = frozenset({"127.0.0.1", "localhost"})
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self' ws://127.0.0.1:* ws://localhost:*; font-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


@web.middleware
async def guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse foreign Host headers (DNS rebinding) and requests that another site's page sent."""
    host = request.headers.get("Host", "")
    if host.rsplit(":", 1)[0] not in HOSTS:
        raise web.HTTPForbidden(text="The playground answers only under 127.0.0.1 and localhost.\n")
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    navigates = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if (origin is not None and origin != f"http://{host}") or (
        site not in ("none", "same-origin") and not (navigates and request.path == "/")
    ):
        raise web.HTTPForbidden(text="The playground does not answer to other sites' pages.\n")
    response = await handler(request)
    if not response.prepared:
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
