"""The gallery in a real browser, at a desk and on a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from generation.job import UserId
from tests.browser import DESKTOP, PATIENCE_MS, PHONE, Window
from tests.web.gallery import BRUNO, WebGallery, a_png, new_gallery

LONG = "an-endless-word-" * 20


pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path, blank: Path) -> AsyncIterator[WebGallery]:
    """On the loop of the browser."""
    async with new_gallery(tmp_path, blank) as site:
        yield site


async def window(
    browser: Browser, url: str, size: tuple[int, int], scheme: str = "light", locale: str = "en-GB"
) -> Window:
    context: BrowserContext = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        is_mobile=size == PHONE,
        has_touch=size == PHONE,
        java_script_enabled=True,
        locale=locale,
    )
    context.set_default_timeout(PATIENCE_MS)
    one = Window(page=await context.new_page(), context=context)
    one.watch()
    await one.page.goto(url)
    return one


async def fill(site: WebGallery) -> None:
    for number, shape in enumerate(((64, 64), (192, 64), (64, 192), (512, 64), (96, 64)) * 6):
        await site.shared(
            f"picture {number}", png=a_png(8_000 + number, *shape), tags=["warm", f"tag {number}"], by=BRUNO
        )
    origin = await site.shared("where it comes from", title=LONG[:90])
    last = await site.shared(
        f"the last one {LONG}", png=a_png(9_000, 768, 512), parent=origin.job_id, tags=["x" * 40]
    )
    await site.rooms.gallery.like(last.id, UserId(99))
    await site.shared("covered", covered=True)


_ALL_THERE = """
() => [...document.images].every(each => {
    const box = each.getBoundingClientRect();
    const isSeen = each.checkVisibility() && box.top < innerHeight && box.bottom > 0;
    return (each.complete && each.naturalWidth) || (each.loading === "lazy" && !isSeen);
})
"""


async def ready(page: Page) -> None:
    """Wait until all pictures that are in sight are there."""
    await page.wait_for_function(_ALL_THERE)


async def test_people_look_around_with_a_finger_or_a_keyboard(site: WebGallery, browser: Browser) -> None:
    await fill(site)
    for size, scheme in ((DESKTOP, "dark"), (PHONE, "light")):
        one = await window(browser, f"{site.root}/", size, scheme)
        page = one.page

        async def sound(page: Page = page, one: Window = one) -> None:
            await ready(page)
            assert await one.overflow() <= 0

        await expect(page.get_by_role("heading", level=1)).to_have_text("Quiet Pictures")
        await sound()
        for landmark in ("main", "banner", "contentinfo", "search"):
            await expect(page.get_by_role(landmark)).to_have_count(1)

        await page.keyboard.press("Tab")
        skip = page.get_by_role("link", name="Skip to the content")
        await expect(skip).to_be_in_viewport()
        await expect(skip).to_be_focused()
        await page.keyboard.press("Tab")
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(outline) != "none"

        await page.get_by_role("link", name="Next").click()
        await expect(page.get_by_role("link", name="Previous")).to_be_visible()
        await sound()
        await page.get_by_role("link", name="Previous").click()

        await page.get_by_role("searchbox").fill("the last o")
        await page.keyboard.press("Enter")
        await expect(page.locator(".tile")).to_have_count(1)
        await sound()
        await page.locator(".tile a").press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("the last one")
        await sound()
        await page.locator("pre.prompt").first.click()
        assert await page.evaluate("getSelection().toString().trim()") == f"the last one {LONG}"
        await page.get_by_role("region", name="Made from", exact=True).get_by_role("link").first.click()
        await expect(page.get_by_role("region", name="Made from this")).to_be_visible()
        await page.get_by_role("link", name="Anna", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Anna")
        await sound()

        await page.get_by_role("link", name="covered").click()
        hidden = page.locator(".veil img")
        await expect(hidden).to_be_hidden()
        await page.locator(".veil summary").click()
        await expect(hidden).to_be_visible()
        await sound()

        await page.goto(f"{site.root}{site.here()}")
        await page.get_by_text("Filters").click()
        await page.get_by_label("Tag", exact=True).fill("Tag 3")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".tile")).to_have_count(1)
        await sound()
        await one.close()
        assert one.errors == []
        assert one.hosts == {f"127.0.0.1:{site.port}"}


async def test_other_languages_fit_on_a_phone_too(site: WebGallery, browser: Browser) -> None:
    for number in range(30):
        await site.shared(f"picture {number}")
    covered = await site.shared("covered", covered=True, tags=["warm"], negative_prompt="blurry")
    for locale, filters in (
        ("de-AT", "Filter"),
        ("es-419", "Filtros"),
        ("fr-CA", "Filtres"),
        ("ja", "絞り込み"),
    ):
        one = await window(browser, f"{site.root}{site.here()}?time=week", PHONE, locale=locale)
        await expect(one.page.locator(".filters summary")).to_have_text(filters)
        await ready(one.page)
        assert await one.overflow() <= 0
        for path in (site.addresses.post(covered), f"{site.here()}?q=nothing", "/nothing"):
            await one.page.goto(f"{site.root}{path}")
            assert await one.page.evaluate("document.documentElement.lang") in (locale[:2], "es-ES")
            assert await one.overflow() <= 0
        await one.close()
