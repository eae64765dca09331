"""How it is answered: strictly, from the cache where that is right, and to questions only."""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
from pathlib import Path

import pytest

from storage.paging import Cursor
from tests.web.gallery import SERVER, WebGallery, gallery
from web.answering import POLICY
from web.opening import CannotOpen, opened
from web.veil import LENGTH, Veil

NO_WORD = "z" * LENGTH


async def test_every_answer_has_the_same_strict_policy(site: WebGallery) -> None:
    post = await site.shared()
    sheet = re.search(r'href="(/assets/[^"]*\.css)"', await site.text(site.here()))
    assert sheet
    places = [
        site.here(),
        site.addresses.post(post),
        site.addresses.picture(post),
        site.addresses.thumbnail(post),
        sheet[1],
        "/",
        "/nothing",
    ]
    for place in places:
        headers = (await site.get(place)).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in headers["X-Robots-Tag"]
        assert "Set-Cookie" not in headers
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY


async def test_pages_keep_to_the_policy_and_ask_nothing_of_others(site: WebGallery) -> None:
    post = await site.shared(title="x", tags=["y"])
    for place in (site.here(), site.addresses.post(post), "/nothing"):
        page = (await site.get(place)).content.decode()
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", page)
        assert not re.search(r"(?:src|href|action)=\"(?!/|#)", page)


async def test_it_answers_to_its_own_names_only(tmp_path: Path) -> None:
    ours = ["127.0.0.1", "LocalHost:8090", "[::1]:8090", "192.168.0.7:8090", "gallery.example.org"]
    others = ["evil.example", "gallery.example.org.evil.example", "127.0.0.1.evil.example:80", "[::1", ""]
    async with gallery(tmp_path, address="https://Gallery.example.org") as site:
        await site.open(SERVER)
        for host in (*ours, *others):
            answer = await site.get(site.here(), Host=host)
            assert answer.status == (200 if host in ours else 421), host
            assert answer.headers["Content-Security-Policy"] == POLICY
            assert (b"Quiet Pictures" in answer.content) == (host in ours)
        answer = await site.get(site.here(), Host="evil.example", Accept_Language="de")
        assert answer.content.decode().startswith("Unter diesem Namen")
        assert (answer.headers["Content-Language"], answer.headers["Cache-Control"]) == ("de", "no-store")
        assert b"/" not in answer.content, "nothing of ours can be found by it"


METHODS = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


async def test_nothing_can_be_changed(site: WebGallery) -> None:
    post = await site.shared()
    for method in METHODS:
        for place in (site.here(), site.addresses.post(post), site.addresses.picture(post), "/"):
            answer = await site.get(place, method=method)
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD"), method


async def test_a_head_is_told_what_a_get_would_be_and_no_more(site: WebGallery) -> None:
    post = await site.shared()
    for place in (site.here(), site.addresses.picture(post), "/nothing"):
        got, head = await site.get(place), await site.get(place, method="HEAD")
        assert head.content == b""
        assert head.status == got.status
        for name in ("Content-Type", "Content-Length", "Cache-Control"):
            assert head.headers[name] == got.headers[name]


async def test_what_is_there_already_is_not_sent_again(site: WebGallery) -> None:
    post = await site.shared()
    for place in (site.here(), site.addresses.post(post), site.addresses.picture(post)):
        tag = (await site.get(place)).headers["ETag"]
        again = await site.get(place, If_None_Match=f'"other", {tag}')
        assert (again.status, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert "Content-Security-Policy" in again.headers
        assert (await site.get(place, If_None_Match='"other"')).status == 200
        assert (await site.get(place, If_None_Match="no tag at all")).status == 200

    tag = (await site.get(site.here())).headers["ETag"]
    await site.shared("another")
    assert (await site.get(site.here(), If_None_Match=tag)).status == 200


async def test_pictures_stay_in_browsers_and_pages_are_asked_for_again(site: WebGallery) -> None:
    post = await site.shared()
    for place in (site.addresses.picture(post), site.addresses.thumbnail(post)):
        assert "immutable" in (cache := (await site.get(place)).headers["Cache-Control"])
        assert "private" in cache  # a proxy would show what was hidden
    assert (await site.get(site.here())).headers["Cache-Control"] == "no-cache"


async def test_texts_are_compressed_for_who_understands_that(site: WebGallery) -> None:
    for number in range(5):
        await site.shared(f"number {number}")
    plain = await site.get(site.here())
    small = await site.get(site.here(), Accept_Encoding="br, gzip;q=0.8")
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.content) == plain.content
    assert small.headers["ETag"] == plain.headers["ETag"]
    assert small.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding, Accept-Language"
    assert "Content-Encoding" not in (await site.get(site.here(), Accept_Encoding="gzip;q=0")).headers


NOWHERE = [
    "/nothing",
    "/0",
    "/00900000000000000001",
    "/99999999999999999999",
    "/%F0%9F%98%80",
    f"/{SERVER}/",
    f"/{SERVER}/x",
    f"/{SERVER}/{NO_WORD}",
    f"/{SERVER}/{'0' * LENGTH}",
    f"/{SERVER}/by/{NO_WORD}",
    f"/{SERVER}/by/{'a' * LENGTH}",
    f"/{SERVER}/{'0' * LENGTH}/{'0' * 16}.png",
    "/assets/../site.py",
    "/assets/gallery.css",
    "/%2e%2e/%2e%2e/atelier.db",
]


async def test_what_is_not_there_is_always_the_same_page(site: WebGallery) -> None:
    await site.shared()
    for path in NOWHERE:
        answer, nothing = await site.get(path), await site.get("/nothing")
        assert (answer.status, answer.content) == (404, nothing.content), path


QUERIES = [
    "q=%22%22+OR+*+NEAR%28+heading%3A+-+AND",
    "q=%27+%3B+DROP+TABLE+posts%3B+--",
    "q=%F0%9F%8E%A8%F0%9F%8C%8A",
    "q=" + "a" * 10_000,
    "q=" + "%F0%9F%8E%A8" * 1_000,
    "q=" + "+word" * 500,
    "q=%FF%FE&tag=%FF",
    "q=%00%01%1b",
    "q=%ED%A0%80",
    "q=red&q=blue",
    "time=never&order=sideways",
    "model=" + "m" * 5_000,
    "tag=%EE%80%80m61&style=%22",
    "=&&&=&q",
]


async def test_whatever_is_searched_for_is_looked_for_and_breaks_nothing(site: WebGallery) -> None:
    await site.shared("a red circle")
    for query in QUERIES:
        answer = await site.get(f"{site.here()}?{query}")
        assert answer.status == 200, query
        assert "That did not work" not in answer.content.decode()


CURSORS = ["x", "a0.0", "-1", "b0.1", "%F0%9F%8E%A8", "a1.1;", str(Cursor(1 << 59)), "z" * 9_000]


async def test_a_page_that_is_none_leads_back_to_the_first(site: WebGallery) -> None:
    await site.shared()
    for cursor in CURSORS:
        for query in ("", "&order=top", "&q=red", "&tag=a"):
            answer = await site.get(f"{site.here()}?at={cursor}{query}")
            page = answer.content.decode()
            assert answer.status in (200, 404), cursor
            assert (answer.status == 404) == ("This page is not there any more." in page)


async def test_what_is_no_request_is_refused_and_not_worth_a_line_in_the_log(
    site: WebGallery, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await site.get(f"{site.here()}?q={'a' * 60_000}")).status in (400, 414)
    for nonsense in (b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET  \0 X\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(nonsense)
        assert (await reader.read(64)).startswith(b"HTTP/1.0 400 ")
        writer.close()
    assert (await site.get(site.here())).status == 200
    assert not caplog.records


async def test_behind_a_path_of_a_proxy_all_links_have_it(tmp_path: Path) -> None:
    async with gallery(tmp_path, address="https://example.org/pictures/") as site:
        await site.open(SERVER)
        post = await site.shared()
        page = (await site.get(f"/{SERVER}")).content.decode()
        links = re.findall(r"(?:href|src|action)=\"(/[^\"]*)\"", page)
        assert links
        assert all(link.startswith("/pictures/") for link in links)
        about = (await site.get(site.addresses.post(post).removeprefix("/pictures"))).content.decode()
        assert f'content="https://example.org{site.addresses.thumbnail(post)}"' in about


async def test_a_port_in_use_is_a_sentence(site: WebGallery) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotOpen, match=f"WEB_PORT is {port}, and another program listens there"):
            async with opened(site.rooms, site.addresses, host="127.0.0.1", port=port):
                pass
    with pytest.raises(CannotOpen, match=r"WEB_HOST is 192\.0\.2\.1, which is no address of this machine"):
        async with opened(site.rooms, site.addresses, host="192.0.2.1", port=0):
            pass


def test_words_are_unlike_each_other_and_lead_back(tmp_path: Path) -> None:
    veil = Veil.kept_in(tmp_path / "web.key")
    numbers = [0, 1, 2, 2**32 + 1, 2**32 + 2, 2**63 - 1, 2**64 - 1]
    words = {veil.word(kind, server, number) for kind in "ab" for server in (1, 2) for number in numbers}
    assert len(words) == 4 * len(numbers)
    assert all(veil.number("a", 1, veil.word("a", 1, number)) == number for number in numbers)
    for word in ("", "0", "O" * LENGTH, "z" * LENGTH, "0" * 14, "ß" * LENGTH):
        assert veil.number("a", 1, word) is None

    assert Veil.kept_in(tmp_path / "web.key").word("a", 1, 5) == veil.word("a", 1, 5)
    assert Veil.kept_in(tmp_path / "other.key").word("a", 1, 5) != veil.word("a", 1, 5)
    assert (tmp_path / "web.key").stat().st_mode & 0o077 == 0
