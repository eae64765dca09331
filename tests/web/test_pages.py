"""What the pages show, to whom, and that it is nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from urllib.parse import quote

import pytest

from generation.job import UserId
from storage.paging import SIZE
from tests.web.gallery import ADMIN, ANNA, BRUNO, CLOSED, OTHER, SERVER, WebGallery, a_png

HOSTILE = '<script>alert(1)</script> **bold** [x](https://evil.example) &amp; "quote" \''


def shown(page: str) -> list[str]:
    """The alt texts of a page's pictures, in their order."""
    return [unescape(alt) for alt in re.findall(r'<img class="frame"[^>]* alt="([^"]*)"', page)]


def link(page: str, name: str) -> str:
    """Where the link with this relation or text leads."""
    found = re.search(rf'<a [^>]*rel="{name}"[^>]* href="([^"]*)"', page)
    found = found or re.search(rf'<a [^>]*href="([^"]*)"[^>]*>(?:<[^>]*>)*{re.escape(name)}<', page)
    assert found, f"no link {name}"
    return unescape(found[1])


async def test_the_newest_come_first_and_the_most_liked_on_the_other_page(site: WebGallery) -> None:
    first, second = await site.shared("a red circle"), await site.shared("a blue star", by=BRUNO)
    await site.rooms.gallery.like(first.id, UserId(99))
    new = await site.text(site.here())
    assert shown(new) == ["a blue star", "a red circle"]
    assert shown(await site.text(link(new, "Top"))) == ["a red circle", "a blue star"]
    assert "Quiet Pictures" in new
    assert site.addresses.post(second) in new


async def test_pages_lead_to_each_other_and_miss_nothing(site: WebGallery) -> None:
    job = await site.drawn("many", count=4)
    for index in range(4):
        await site.share(job, index)
    for number in range(SIZE):
        await site.shared(f"number {number}")
    first = await site.text(site.here())
    assert 'rel="prev"' not in first
    second = await site.text(link(first, "next"))
    assert len(shown(first)) == SIZE
    assert shown(second) == ["many"] * 4
    assert shown(await site.text(link(second, "prev"))) == shown(first)


async def test_search_and_filters_hold_together(site: WebGallery) -> None:
    await site.shared("a red circle", tags=["Warm"], style="Pixel art")
    await site.shared("a red house", by=BRUNO)
    await site.shared("a red boat", tags=["warm"], model="/home/owner/secret.safetensors")
    here = site.here()
    assert shown(await site.text(f"{here}?q=red+HOU")) == ["a red house"]
    assert shown(await site.text(f"{here}?tag=warm")) == ["a red boat", "a red circle"]
    assert shown(await site.text(f"{here}?tag=warm&model=Secret")) == ["a red boat"]
    assert shown(await site.text(f"{here}?style=Pixel+art&time=day")) == ["a red circle"]
    assert shown(await site.text(f"{here}?q=red&style=Pixel+art")) == ["a red circle"]
    assert "Nothing was found." in await site.text(f"{here}?style=none")
    for unknown in ("none", "/home/owner/secret.safetensors"):
        assert "Nothing was found." in await site.text(f"{here}?model={unknown}")
    wrong = await site.text(f"{here}?q=red+huose")
    assert shown(wrong) == ["a red house"]
    assert "Nothing has “red huose”. This has “red house”:" in wrong


async def test_a_picture_has_a_page_with_all_that_made_it(site: WebGallery) -> None:
    post = await site.shared(
        "a red circle\nand a line", title="My circle", tags=["round"], negative_prompt="blurry", clip_skip=2
    )
    page = await site.text(site.addresses.post(post))
    for told in (
        "My circle",
        "a red circle\nand a line",
        "blurry",
        "DPM++ 2M Karras",
        "64 × 64",
        "Clip skip",
    ):
        assert told in page
    assert 'alt="My circle: a red circle and a line"' in page
    picture = await site.get(link(page, "Download the original"))
    assert picture.content == await site.rooms.pictures.read_file(post.digest)  # type: ignore[arg-type]
    assert picture.headers["Content-Type"] == "image/png"
    assert shown(await site.text(link(page, "round"))) == ["My circle: a red circle and a line"]


async def test_a_person_has_a_page_of_what_they_shared_here(site: WebGallery) -> None:
    await site.open(OTHER)
    post = await site.shared("by anna")
    await site.shared("by bruno", by=BRUNO)
    await site.shared("elsewhere", server=OTHER)
    page = await site.text(link(await site.text(site.addresses.post(post)), "Anna"))
    assert shown(page) == ["by anna"]
    assert "<h1><bdi>Anna</bdi></h1>" in page
    assert shown(await site.text(f"{site.addresses.person(SERVER, BRUNO)}?q=by")) == ["by bruno"]
    assert "Nothing was found." in await site.text(f"{site.addresses.person(SERVER, BRUNO)}?q=anna")


async def test_lineage_leads_both_ways_across_people_and_over_what_is_not_shared(site: WebGallery) -> None:
    eldest = await site.shared("the first", by=BRUNO)
    unshared = await site.drawn("a secret between", parent=eldest.job_id)
    youngest = await site.shared("the last", parent=unshared.id)
    for post, section, other in ((youngest, "Made from", eldest), (eldest, "Made from this", youngest)):
        page = await site.text(site.addresses.post(post))
        part = page.split(f">{section}</h2>")[1].split("</section>")[0]
        assert site.addresses.post(other) in part
        assert "a secret between" not in page
    await site.rooms.gallery.hide(eldest.id, by=ADMIN)
    assert "Made from" not in await site.text(site.addresses.post(youngest))


async def test_what_is_behind_a_spoiler_is_seen_by_who_asks_for_it_only(site: WebGallery) -> None:
    post = await site.shared("startling", covered=True)
    grid, page = await site.text(site.here()), await site.text(site.addresses.post(post))
    assert "<img" not in grid
    assert "Spoiler" in grid
    assert re.search(r"<details class=\"veil\">.*<img[^>]*loading=\"lazy\"", page, re.DOTALL)
    assert "og:image" not in page


async def test_where_a_server_wants_spoilers_over_all_pictures_earlier_ones_have_them_too(
    site: WebGallery,
) -> None:
    post = await site.shared("drawn before")
    await site.rooms.servers.change(SERVER, lambda was: replace(was, spoilers=True), by=ADMIN)
    grid, page = await site.text(site.here()), await site.text(site.addresses.post(post))
    assert "<img" not in grid
    assert '<details class="veil">' in page
    assert "og:image" not in page


@pytest.mark.parametrize("closing", ["unshare", "hide", "forget", "close", "leave", "no channel"])
async def test_what_is_taken_back_is_gone_at_the_next_look(closing: str, site: WebGallery) -> None:
    post, other = await site.shared("taken back", tags=["gone"]), await site.shared("stays", by=BRUNO)
    places = [
        site.addresses.post(post),
        site.addresses.picture(post),
        site.addresses.thumbnail(post),
        site.addresses.person(SERVER, ANNA),
    ]
    for place in places:
        assert (await site.get(place)).status == 200
    match closing:
        case "unshare":
            await site.rooms.gallery.unshare(post.id)
        case "hide":
            await site.rooms.gallery.hide(post.id, by=ADMIN)
        case "forget":
            await site.rooms.pictures.forget(post.job_id)
        case "close":
            await site.open(SERVER, is_open=False)
        case "no channel":
            await site.rooms.servers.change(SERVER, lambda was: replace(was, gallery_channel=None), by=ADMIN)
        case "leave":
            del site.known.servers[SERVER]
    for place in places:
        assert (await site.get(place)).status == 404
    grid = await site.get(site.here())
    if closing in ("close", "leave", "no channel"):
        assert grid.status == 404
        assert (await site.get(site.addresses.post(other))).status == 404
    else:
        assert shown(grid.content.decode()) == ["stays"]
        assert ">gone<" not in grid.content.decode()
    if closing == "hide":
        assert await site.rooms.gallery.unhide(post.id, by=ADMIN)
        assert [(await site.get(place)).status for place in places] == [200] * len(places)


async def test_of_servers_that_did_not_open_it_nothing_is_seen(site: WebGallery) -> None:
    post = await site.shared("private matters", server=CLOSED)
    unknown = await site.get("/123456")
    for place in (site.here(CLOSED), site.addresses.post(post), site.addresses.picture(post)):
        assert (await site.get(place)).content == unknown.content
    moved = site.addresses.post(post).replace(str(CLOSED), str(SERVER))
    assert (await site.get(moved)).status == 404
    assert "Closed" not in (await site.get("/")).content.decode()


async def test_what_only_adults_may_see_is_shown_to_nobody(site: WebGallery) -> None:
    origin = await site.shared("for all", tags=["open"], channel=70)
    hidden = await site.shared("gloom", tags=["gloom"], parent=origin.job_id, channel=71, adults=True)
    last = await site.shared("for all again", parent=hidden.job_id, channel=70)
    grid = await site.text(site.here())
    assert shown(grid) == ["for all again", "for all"]
    for place in (
        site.addresses.post(hidden),
        site.addresses.picture(hidden),
        site.addresses.thumbnail(hidden),
    ):
        assert (await site.get(place)).status == 404
    for page in (grid, *[await site.text(site.addresses.post(post)) for post in (origin, last)]):
        assert "gloom" not in page
        assert site.addresses.post(hidden) not in page
    assert site.addresses.post(origin) in await site.text(site.addresses.post(last))

    await site.rooms.servers.change(SERVER, lambda was: replace(was, gallery_channel=70), by=ADMIN)
    assert (await site.get(site.here())).status == 200
    site.known.adult_channels.add(70)
    for place in (site.here(), site.addresses.post(origin), site.addresses.picture(origin)):
        assert (await site.get(place)).status == 404
    assert "No gallery is open here." in await site.text("/")


async def test_what_was_drawn_and_not_shared_cannot_be_had(site: WebGallery) -> None:
    job = await site.drawn("not for all", count=2)
    post = await site.share(job, 0)
    [_, unshared] = await site.rooms.pictures.of(job.id)
    page = await site.text(site.addresses.post(post))
    assert unshared.digest[:16] not in page
    wrong = site.addresses.picture(post).replace(post.digest[:16], unshared.digest[:16])
    assert (await site.get(wrong)).status == 404


async def test_pages_hold_no_number_of_discords_and_no_path_of_the_owners(site: WebGallery) -> None:
    post = await site.shared("a", model="/home/owner/secret.safetensors")
    for place in (site.here(), site.addresses.post(post), site.addresses.person(SERVER, ANNA)):
        page = await site.text(place)
        assert str(ANNA) not in page
        assert "/home" not in page
        assert post.job_id not in page


async def test_prompts_names_titles_and_tags_are_text_and_nothing_else(site: WebGallery) -> None:
    await site.open(OTHER)
    site.known.persons[ANNA] = HOSTILE
    post = await site.shared(
        HOSTILE, title=HOSTILE[:90], tags=["<i>x</i>"], server=OTHER, negative_prompt=HOSTILE, style=HOSTILE
    )
    for place in (
        site.here(OTHER),
        site.addresses.post(post),
        site.addresses.person(OTHER, ANNA),
        f"{site.here(OTHER)}?q={quote(HOSTILE)}&tag={quote(HOSTILE)}&model={quote(HOSTILE)}",
    ):
        page = await site.text(place)
        for raw in ("<script", "<b>", "<i>", "<strong", 'href="https://evil', '"quote"'):
            assert raw not in page
        assert "Other &amp; &lt;b&gt;Sons" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold** [x](https://evil.example)" in await site.text(
        site.addresses.post(post)
    )


async def test_the_first_page_leads_to_the_only_gallery_or_lists_them(site: WebGallery) -> None:
    only = await site.get("/")
    assert (only.status, only.headers["Location"]) == (302, site.here())
    await site.open(OTHER)
    page = await site.text("/")
    assert "Other &amp; &lt;b&gt;Sons&lt;/b&gt;" in page
    assert "Quiet Pictures" in page
    for server in (SERVER, OTHER):
        await site.open(server, is_open=False)
    assert "No gallery is open here." in await site.text("/")


async def test_a_file_that_is_gone_is_not_there_and_breaks_nothing(site: WebGallery) -> None:
    post = await site.shared("lost", png=a_png(7_000_000))
    site.rooms.pictures.thumbnail_path(post.digest).with_name(post.digest).unlink()  # type: ignore[arg-type]
    for place in (site.addresses.picture(post), site.addresses.thumbnail(post)):
        assert (await site.get(place)).status == 404
    assert shown(await site.text(site.here())) == ["lost"]
    assert "lost" in await site.text(site.addresses.post(post))
