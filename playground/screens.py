"""`python -m playground.screens`: pictures of every card, on a desk and on a phone, for docs/cards.md.

Real cards of the real bot in the playground, with the embedded model, in a headless Chromium. What only shows
for a moment, such as a model that is being fetched, is brought about by the engine without a model (`fake:`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Locator, Page, async_playwright

from playground.bot_process import BotProcess
from playground.person import Person
from playground.scenes import CARDS, MODELS, MODELS_OF, PATIENCE, SEEN_BY, Scene
from playground.server import Playground

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "docs" / "pictures" / "cards"
WIDTHS: Mapping[str, tuple[int, int]] = {"desktop": (1280, 1300), "phone": (390, 1500)}


async def photograph(scene: Scene, name: str, folder: Path) -> None:
    """Bring a card about and keep what the windows show of it."""
    brought = await CARDS[name](scene)
    for width, page in scene.windows.items():
        if isinstance(brought, str):
            await (
                page.locator(".message:not(.echo)")
                .last.get_by_role("button", name=brought, exact=True)
                .click()
            )
            await keep(page.get_by_role("dialog"), folder / f"{name}-{width}.png")
            await page.keyboard.press("Escape")
        else:
            shown = page.locator(f'.message[data-id="{brought["id"]}"]')
            await keep(shown, folder / f"{name}-{width}.png")


async def keep(shown: Locator, path: Path) -> None:
    """A picture of what is shown, with few colours, so that the file is small."""
    await shown.wait_for()
    await shown.scroll_into_view_if_needed()
    await shown.page.mouse.move(0, 0)
    await shown.page.evaluate(
        "Promise.all([...document.images].map((image) => image.decode().catch(() => 0)))"
    )
    await shown.screenshot(path=path)
    with Image.open(path) as picture:
        # Not the few most frequent ones: a small red cross beside a large picture would turn grey.
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, 3, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


@asynccontextmanager
async def staged(folder: Path, name: str) -> AsyncIterator[Scene]:
    """A playground with the bot and three people in it, and a window of one of them for each width."""
    models, watcher = folder / "models.toml", SEEN_BY.get(name, "Anna")
    described = MODELS_OF.get(name, MODELS).format(mini=ROOT / "models" / "mini")
    models.write_text(described, encoding="utf-8")
    async with AsyncExitStack() as stack:
        playground = await stack.enter_async_context(Playground())
        environment = {**playground.environment(), "MODELS": str(models), "DATA_DIR": str(folder / "data")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        bot = await stack.enter_async_context(BotProcess(environment, folder / "bot.log", folder=folder))
        await playground.registered()
        people = [
            await stack.enter_async_context(
                Person(api=playground.api, gateway=playground.gateway.url, token=user.token)
            )
            for user in playground.world.people
        ]
        browser = await stack.enter_async_context(_chromium())
        windows = {
            name: await _window(browser, f"{playground.url}/#user={watcher}", *size)
            for name, size in WIDTHS.items()
        }
        anna, bruno, mina = people
        yield Scene(
            playground=playground,
            bot=bot,
            database=folder / "data" / "atelier.db",
            anna=anna,
            bruno=bruno,
            mina=mina,
            windows=windows,
        )


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("Chromium is not installed; Debian's package is called chromium.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def _window(browser: Browser, url: str, width: int, height: int) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark",
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
        is_mobile=width < 600,
        has_touch=width < 600,
    )
    context.set_default_timeout(PATIENCE * 1000)
    page = await context.new_page()
    await page.goto(url)
    await page.locator(".composer-text").wait_for()
    return page


async def take(names: Sequence[str], folder: Path) -> None:
    """All these pictures, each on a stage of its own, so that no card disturbs another."""
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            async with staged(Path(place), name) as scene:
                await photograph(scene, name, folder)
        print(name, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m playground.screens", description=__doc__)
    parser.add_argument("cards", nargs="*", help="only these")
    parser.add_argument("--out", type=Path, default=PLACE)
    options = parser.parse_args()
    if unknown := set(options.cards) - CARDS.keys():
        raise SystemExit(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(CARDS)}.")
    options.out.mkdir(parents=True, exist_ok=True)
    asyncio.run(take(options.cards or list(CARDS), options.out))


if __name__ == "__main__":
    main()
