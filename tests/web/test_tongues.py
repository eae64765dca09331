"""The pages are said in the language of who looks at them, wholly, and kept apart from those in others."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from bot.language import languages
from generation.job import UserId
from tests.bot.test_language import Marked, unsaid
from tests.web.gallery import BRUNO, OTHER, SERVER, WebGallery
from web.days import day
from web.tongues import preferred

CODES = ("en", "de", "es-ES", "fr", "ja")


@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-ch", "de"),
        ("es-419,en;q=0.5", "es-ES"),
        ("ja;q=0.2, fr ; q=0.9, de;q=0.5", "fr"),
        ("ko-KR,ko;q=0.9,ja;q=0.8", "ja"),
        ("ko, *;q=0.5, de;q=0.1", "en"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("de;q=0", "en"),
        ("en-GB,de;q=0.9", "en"),
        ("de;q=x, de;q=nan, de;q=9, de;q=-1, ;q=1, ,;;==", "en"),
        ("de;level=1", "de"),
        ("d" * 8000, "en"),
        ("\x80\xff😀,fr", "fr"),
    ],
)
def test_the_language_is_the_one_that_is_liked_best_of_those_there_are(accepted: str, code: str) -> None:
    assert preferred(accepted, CODES) == code


def test_of_two_that_are_as_near_the_first_is_taken() -> None:
    assert preferred("pt", ("en", "pt-PT", "pt-BR")) == "pt-BR"
    assert preferred("pt-PT", ("en", "pt-PT", "pt-BR")) == "pt-PT"


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [
        ("en", "1 March 2026", "2 March 2026"),
        ("de", "1. März 2026", "2. März 2026"),
        ("es-ES", "1 de marzo de 2026", "2 de marzo de 2026"),
        ("fr", "1er mars 2026", "2 mars 2026"),
        ("ja", "2026年3月1日", "2026年3月2日"),
    ],
)
def test_a_day_is_written_as_people_write_it(code: str, first: str, second: str) -> None:
    for number, written in ((1, first), (2, second)):
        assert languages()[code](day(datetime(2026, 3, number, 23, tzinfo=UTC).timestamp())) == written


async def test_a_page_is_in_the_language_that_a_browser_asks_for_and_says_which(site: WebGallery) -> None:
    post = await site.shared("a red circle")
    async with site.database.transaction() as transaction:
        await transaction.execute("UPDATE posts SET likes = 1200")
    tags = set()
    for accepted, code, word, likes in (
        ("", "en", "Shared by <a", "1,200 likes"),
        ("de-AT,de;q=0.9,en;q=0.8", "de", "Geteilt von <a", "1.200 Likes"),
        ("fr", "fr", "Partagée par <a", "1\u202f200 j’aime"),
    ):
        answer = await site.get(site.addresses.post(post), Accept_Language=accepted)
        page = unescape(answer.content.decode())
        assert f'<html lang="{code}">' in page
        assert answer.headers["Content-Language"] == code
        assert word in page
        assert likes in page
        tags.add(answer.headers["ETag"])
    assert len(tags) == 3


async def test_what_a_browser_has_in_one_language_does_not_stand_for_another(site: WebGallery) -> None:
    await site.shared()
    for place, status in ((site.here(), 200), ("/nothing", 404)):
        english = await site.get(place)
        german = await site.get(place, Accept_Language="de", If_None_Match=english.headers.get("ETag", "x"))
        assert german.status == status
        assert german.content != english.content
        for answer in (english, german):
            assert "Accept-Language" in answer.headers["Vary"]
    has = (await site.get(site.here(), Accept_Language="de")).headers["ETag"]
    again = await site.get(site.here(), Accept_Language="de", If_None_Match=has)
    assert (again.status, again.headers["Vary"]) == (304, "Accept-Encoding, Accept-Language")
    sheet = re.search(r'href="(/assets/[^"]*\.css)"', english.content.decode())
    assert sheet
    assert "Accept-Language" not in (await site.get(sheet[1])).headers["Vary"]


async def test_nothing_of_a_page_stays_english_but_names_and_what_people_typed(site: WebGallery) -> None:
    site.rooms.tongues["xx"] = Marked("xx")  # type: ignore[index]
    await site.open(OTHER)
    origin = await site.shared("Circle", by=BRUNO)
    post = await site.shared(
        "Circle", title="Circle", tags=["Circle"], negative_prompt="Circle", style="Circle", clip_skip=2,
        parent=origin.job_id,
    )  # fmt: skip
    nameless = await site.shared("Circle", by=UserId(6), covered=True)
    await site.rooms.gallery.like(post.id, UserId(99))
    here = site.here()
    places = [
        "/", here, f"{here}?order=top&time=week&tag=circle", f"{here}?q=circle", f"{here}?q=cirlce",
        f"{here}?q=nowhere", f"{here}?at=x", f"{site.here(OTHER)}", site.addresses.post(post),
        site.addresses.post(nameless), site.addresses.person(SERVER, BRUNO), "/nothing",
    ]  # fmt: skip
    names = {"Circle", "circle", "Quiet", "Pictures", "Other", "Sons", "Anna", "Bruno", "Mini", "Secret"}
    names |= {"DPM", "Karras", "Pixel", "art", "Watercolour", "cirlce", "nowhere"}
    for place in places:
        page = (await site.get(place, Accept_Language="xx")).content.decode()
        shown = re.findall(r' (?:alt|aria-label|placeholder|title)="([^"]*)"', page)
        shown += re.findall(r">([^<]+)<", page)
        said = unescape(" | ".join(re.sub(r"<(b|i)>|</(b|i)>", "", unescape(text)) for text in shown))
        assert "⟦" in said
        assert unsaid(said) <= names, place
    assert (await site.get(here, method="POST", Accept_Language="xx")).content.decode().count("⟦") >= 4
