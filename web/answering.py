"""How everything is answered: with a strict policy, a tag to ask again with, and small where that helps."""

from __future__ import annotations

import gzip
import hashlib
import ipaddress
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
EVERYWHERE: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Server": "Atelier",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), interest-cohort=()",
    # Who shares in a community does not share with search engines.
    "X-Robots-Tag": "noindex, nofollow",
}
ASK_AGAIN = "no-cache"
"""It may be kept, and is asked for again each time: what is hidden is gone at the next look."""
A_WEEK = "private, max-age=604800, immutable"
"""In browsers, but in no proxy: that would go on showing what was hidden."""
A_YEAR = "public, max-age=31536000, immutable"
LEAST_SQUEEZED = 1000
"""Bytes from which on a text is worth compressing."""

log = logging.getLogger(__name__)


class Nothing(Exception):  # noqa: N818 - it is an answer
    """There is nothing at this address, or nothing that may be seen, which is told in the same words."""


def answered(
    request: web.Request,
    content: bytes,
    kind: str,
    *,
    status: int = 200,
    cache: str = ASK_AGAIN,
    language: str | None = None,
) -> web.Response:
    """A text as it is asked for: compressed if that is understood, and not at all if it is there already.

    Args:
        language: the one in which it is said, if others are told it in others.
    """
    headers = {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    if language is not None:
        headers |= {"Vary": "Accept-Encoding, Accept-Language", "Content-Language": language}
    if status == HTTPStatus.OK:
        # Weak: it is the same text, compressed or not.
        tag = hashlib.sha256(content).hexdigest()[:32]
        headers["ETag"] = f'W/"{tag}"'
        if _has(request, tag):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    if len(content) >= LEAST_SQUEEZED and _takes_gzip(request):
        content = gzip.compress(content, compresslevel=6, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=content, status=status, headers={**headers, "Content-Type": kind})


async def file(
    request: web.Request, read: Callable[[], Awaitable[bytes]], tag: str, kind: str, name: str
) -> web.Response:
    """A file that never changes, read only if it is wanted.

    Args:
        name: under which it is saved; ASCII.
    """
    headers = {
        "Cache-Control": A_WEEK,
        "ETag": f'"{tag}"',
        "Content-Disposition": f'inline; filename="{name}"',
    }
    if _has(request, tag):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return web.Response(body=await read(), headers={**headers, "Content-Type": kind})


def guarded(
    failed: Callable[[web.Request, HTTPStatus], web.Response], hosts: frozenset[str]
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """A middleware that gives every answer its headers, and every failure a page.

    Args:
        failed: makes that page.
        hosts: the names by which the site may be asked for, in small letters and without ports. By any
            other a page of somebody else's, whose name was made to mean this machine, would read it. By an
            address none can, so all of these are answered.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer: web.StreamResponse
        try:
            if not _is_ours(request.headers.get("Host", ""), hosts):
                answer = failed(request, HTTPStatus.MISDIRECTED_REQUEST)
            else:
                answer = await handler(request)
        except (Nothing, web.HTTPNotFound):
            answer = failed(request, HTTPStatus.NOT_FOUND)
        except web.HTTPMethodNotAllowed:
            answer = failed(request, HTTPStatus.METHOD_NOT_ALLOWED)
            answer.headers["Allow"] = "GET, HEAD"
        except web.HTTPException as error:
            answer = failed(request, HTTPStatus(error.status))
        except Exception:  # the edge: the visitor gets a page, and no word of what it was
            log.exception("failed to answer %s (%s)", request.path, secrets.token_hex(4))
            answer = failed(request, HTTPStatus.INTERNAL_SERVER_ERROR)
        answer.headers.update(EVERYWHERE)
        return answer

    return guard


def _is_ours(host: str, hosts: frozenset[str]) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in hosts
    return True


def _has(request: web.Request, tag: str) -> bool:
    try:
        known = request.if_none_match or ()
    except ValueError:
        return False
    return any(each.value in (tag, "*") for each in known)


def _takes_gzip(request: web.Request) -> bool:
    for part in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
