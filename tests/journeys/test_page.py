"""A person opens the page for the first time, asks for a picture, sees it, and asks for another."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from tests.browser import PHONE, Window, Windows
from tests.journeys.stage import MINI, ROOT, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("bot"), model=MINI, BATCH="4") as stage:
        yield stage


@pytest.fixture
def tidy() -> None:
    """Nothing here changes the stage for others."""


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Where screenshots go: with KEEP_PICTURES=1 among the documents, else away with the test."""
    return ROOT / "docs" / "pictures" if os.environ.get("KEEP_PICTURES") else tmp_path


async def colour(picture: Locator, x: float, y: float) -> tuple[int, int, int]:
    """The colour of a shown picture at a place in it, 0 to 1 from the left and the top."""
    red, green, blue = await picture.evaluate(
        """async (image, [x, y]) => {
            await image.decode();
            const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
            const brush = canvas.getContext("2d");
            brush.drawImage(image, 0, 0);
            const at = [x * canvas.width, y * canvas.height].map(Math.floor);
            return [...brush.getImageData(...at, 1, 1).data].slice(0, 3);
        }""",
        [x, y],
    )
    return red, green, blue


async def shows(window: Window, alt: str) -> Locator:
    """The newest picture with this alternative text, once it is there and finished."""
    picture = window.last.get_by_role("img", name=alt)
    await expect(picture).to_be_visible()
    await expect(window.button("Reroll")).to_be_visible()
    return picture


async def still(window: Window) -> None:
    """Wait until every picture in the window is drawn, and point at nothing: ready for a screenshot."""
    await window.page.mouse.move(0, 0)
    await window.page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")


async def test_a_first_visit_ends_with_a_picture_and_another(
    stage: Stage, windows: Windows, album: Path
) -> None:
    window = await windows.open(stage.playground.url)
    example = window.page.get_by_role("button", name="a boat with a white sail on the sea")
    await expect(example).to_be_visible()
    await window.page.screenshot(path=album / "playground-first.png")

    await window.writing.press_sequentially("/ima")
    await expect(window.page.get_by_role("option", name="/imagine")).to_be_visible()
    await window.writing.press_sequentially("gine a boat with a white sail on the sea")
    await window.page.screenshot(path=album / "playground-command.png")
    await window.page.keyboard.press("Enter")

    first = await shows(window, "a boat with a white sail on the sea")
    address = await first.get_attribute("src")

    await window.button("Reroll").click()
    await expect(window.messages).to_have_count(2)
    second = await shows(window, "a boat with a white sail on the sea")
    assert await second.get_attribute("src") != address
    await still(window)
    await window.page.screenshot(path=album / "playground.png")


async def test_settings_give_a_line_that_draws_the_same_again(stage: Stage, windows: Windows) -> None:
    window = await windows.open(stage.playground.url)
    await window.writing.fill(
        "/imagine prompt:a red circle on a blue background sampler:Euler seed:7 steps:10"
    )
    await window.page.keyboard.press("Enter")
    picture = await shows(window, "a red circle on a blue background")
    red, _, blue = await colour(picture, 0.5, 0.5)
    assert red > 1.4 * blue
    red, _, blue = await colour(picture, 0.04, 0.04)
    assert blue > 1.4 * red
    before = await picture.get_attribute("src")
    await window.button("Settings").click()
    line = window.last.locator("pre")
    await expect(line).to_contain_text("/imagine prompt:a red circle on a blue background")
    await expect(window.last).to_contain_text("Only you can see this")

    await window.writing.fill(await line.inner_text())
    await expect(window.option("sampler")).to_have_value("Euler")
    await expect(window.option("seed")).to_have_value("7")
    await window.option("prompt").press("Enter")
    after = await (await shows(window, "a red circle on a blue background")).get_attribute("src")
    assert before != after
    assert before is not None
    assert after is not None
    pixels = [await window.page.request.get(stage.playground.url + address) for address in (before, after)]
    first, second = [await answer.body() for answer in pixels]
    assert first == second


async def test_the_same_on_a_phone(stage: Stage, windows: Windows, album: Path) -> None:
    window = await windows.open(f"{stage.playground.url}/#user=Bruno", size=PHONE, touch=True)
    await window.page.get_by_role("button", name="a pink flower on a white background").tap()
    await window.page.get_by_role("button", name="Send").tap()
    picture = await shows(window, "a pink flower on a white background")
    assert await window.overflow() <= 0
    await still(window)
    await window.page.screenshot(path=album / "playground-phone.png")
    await picture.tap()
    await expect(window.page.get_by_role("dialog", name="Picture")).to_contain_text("128 × 128")
    await window.page.screenshot(path=album / "playground-phone-picture.png")
    await window.page.get_by_role("button", name="Close").tap()
    await expect(window.page.get_by_role("dialog")).to_have_count(0)


async def test_four_at_once_in_the_light(stage: Stage, windows: Windows, album: Path) -> None:
    window = await windows.open(f"{stage.playground.url}/#user=Mina", scheme="light")
    await window.writing.fill("/imagine prompt:a flower count:4")
    await window.page.keyboard.press("Enter")
    await expect(window.button("Reroll")).to_be_visible()
    await expect(window.last.locator(".mosaic img")).to_have_count(4)
    await still(window)
    await window.page.screenshot(path=album / "playground-light.png")
