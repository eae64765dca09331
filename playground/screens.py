"""`python -m playground.screens`: pictures of every card, on a desk and on a phone, for docs/cards.md.

Real cards of the real bot in the playground, with the embedded model, in a headless Chromium. What only shows
for a moment, such as a model that is being fetched, is brought about by the engine without a model (`fake:`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Locator, Page, async_playwright

from playground.bot_process import BotProcess
from playground.nouns import Json
from playground.person import Person
from playground.reading import text_of
from playground.server import Playground

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "docs" / "pictures" / "cards"
WIDTHS: Mapping[str, tuple[int, int]] = {"desktop": (1280, 1300), "phone": (390, 1500)}
PATIENCE_MS = 60_000
MODELS = """
[[model]]
name = "Shapes"
source = "{mini}"
default = true

[[model]]
name = "Noise"
source = "fake:noise"

[[model]]
name = "New model"
source = "fake:fetched slowly"
"""
LONG: Mapping[str, int] = {"steps": 150, "count": 4}
"""Drawn for long enough to be seen while it is."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """The stage on which cards are shown: people who ask, and windows that look on."""

    playground: Playground
    anna: Person
    bruno: Person
    mina: Person
    windows: Mapping[str, Page]

    async def asks(self, prompt: str, **options: object) -> Json:
        """The card of a new request of Anna's, as soon as it is there."""
        return await self.tells("imagine", prompt=prompt, **options)

    async def draws(self, prompt: str, **options: object) -> Json:
        """The card of a request that is done."""
        card = await self.asks(prompt, **options)
        return await self.becomes(card, lambda message: "Reroll" in str(message["components"]))

    async def becomes(self, card: Json, matches: Callable[[Json], object]) -> Json:
        """The card once it matches."""
        return await self.anna.message(
            lambda message: message["id"] == card["id"] and matches(message), timeout=PATIENCE_MS / 1000
        )

    async def says(self, card: Json, words: str) -> Json:
        """The card once these words stand in it."""
        return await self.becomes(card, lambda message: words in text_of(message))

    async def tells(self, command: str, **options: object) -> Json:
        """The private answer to a command of Anna's."""
        return await self.anna.answer(await self.anna.command(command, options))


Way = Callable[[Scene], Awaitable[Json | str]]
"""Brings a card about: its message, or the name of a button of the last one that opens a form."""


async def waiting(scene: Scene) -> Json:
    slow = {"prompt": "a slow river", "model": "Noise", "steps": 150}
    for number in range(3):  # from these it learns how long it takes
        asked = await scene.bruno.command("imagine", {**slow, "steps": 40 + number})
        await scene.bruno.answer(asked, lambda message: "Reroll" in str(message["components"]))
    for person in (scene.bruno, scene.mina):
        await person.command("imagine", {**slow, "count": 2})
    await scene.mina.message(lambda message: "Drawing" in text_of(message))
    return await scene.says(
        await scene.asks("a slow lake in the morning", model="Noise", steps=60), "should be there"
    )


async def drawing(scene: Scene) -> Json:
    for person in (scene.bruno, scene.mina):
        await person.command("imagine", {"prompt": "a house under a blue sky", **LONG})
    card = await scene.asks("a sun over green hills", **LONG)
    return await scene.becomes(card, lambda message: "Drawing" in text_of(message) and message["attachments"])


async def loading(scene: Scene) -> Json:
    return await scene.says(await scene.asks("a boat", model="New model"), "Downloading")


async def done(scene: Scene) -> Json:
    return await scene.draws("a yellow star on a purple background", seed=7)


async def done_four(scene: Scene) -> Json:
    return await scene.draws("a sailboat at night, pixel art", seed=11, count=4)


async def failed(scene: Scene) -> Json:
    return await scene.says(await scene.asks("a picture to fail at", model="Noise"), "did not work")


async def cancelled(scene: Scene) -> Json:
    card = await scene.says(await scene.asks("a house and a tree", **LONG), "Drawing")
    await scene.anna.press(card, "Cancel")
    return await scene.says(card, "Cancelled")


async def refused(scene: Scene) -> Json:
    return await scene.tells("imagine", prompt="a red circle", size="4096x4096")


async def settings(scene: Scene) -> Json:
    card = await scene.draws("a happy face, watercolor", seed=3)
    return await scene.anna.answer(await scene.anna.press(card, "Settings"))


async def chosen(scene: Scene) -> Json:
    card = await scene.draws("a green heart on a white background", seed=21, count=2)
    return await scene.anna.answer(
        await scene.anna.select(card, "More: go on from one of them, save as a style…", [_values(card)[1]])
    )


def _values(card: Json) -> Sequence[str]:
    found = re.findall(
        r"'label': '[^']*', 'value': '([^']*)'|'value': '([^']*)', 'label'", str(card["components"])
    )
    return [one or other for one, other in found]


def told(command: str, **options: object) -> Way:
    async def tell(scene: Scene) -> Json:
        return await scene.tells(command, **options)

    return tell


def form(button: str) -> Way:
    async def opened(scene: Scene) -> str:
        await scene.draws("a red circle on a white background", seed=5)
        return button

    return opened


async def held(scene: Scene) -> Json:
    await scene.mina.answer(await scene.mina.command("server safety", {"flagged": "hold"}))
    return await scene.says(await scene.asks("a picture to flag", model="Noise"), "Waiting for a moderator")


async def spoiler(scene: Scene) -> Json:
    await scene.mina.answer(await scene.mina.command("server safety", {"flagged": "spoiler"}))
    return await scene.draws("a picture to flag", model="Noise")


async def paused(scene: Scene) -> Json:
    await scene.mina.answer(await scene.mina.command("admin pause"))
    return await scene.says(await scene.asks("a red circle on a blue background"), "kept")


async def private(scene: Scene) -> Json:
    return await scene.draws("a blue heart on a pink background", seed=2, private=True)


async def queue(scene: Scene) -> Json:
    for person in (scene.bruno, scene.mina, scene.anna):
        await person.command("imagine", {"prompt": "a slow river", "model": "Noise", **LONG})
    await scene.bruno.message(lambda message: "Drawing" in text_of(message))
    return await scene.tells("queue")


async def history(scene: Scene) -> Json:
    await scene.draws("a red circle on a blue background", seed=1)
    await scene.draws("a happy face", seed=2)
    await scene.says(await scene.asks("a picture to fail at", model="Noise"), "did not work")
    return await scene.tells("history")


async def stats(scene: Scene) -> Json:
    await scene.draws("a red circle on a blue background", seed=1, count=4)
    return await scene.tells("stats")


async def prefer(scene: Scene) -> Json:
    return await scene.tells("prefer set", steps=30, aspect="portrait 2:3", negative_prompt="text")


async def server(scene: Scene) -> Json:
    changes: Mapping[str, Mapping[str, object]] = {
        "safety": {"flagged": "spoiler"},
        "words ban": {"words": "gore"},
        "retention": {"days": 90},
    }
    for command, options in changes.items():
        await scene.mina.command(f"server {command}", options)
    return await scene.mina.answer(await scene.mina.command("server show"))


CARDS: Mapping[str, Way] = {
    "waiting": waiting,
    "loading": loading,
    "paused": paused,
    "drawing": drawing,
    "done": done,
    "done-four": done_four,
    "chosen": chosen,
    "private": private,
    "spoiler": spoiler,
    "held": held,
    "failed": failed,
    "cancelled": cancelled,
    "refused": refused,
    "settings": settings,
    "edit": form("Edit"),
    "inpaint": form("Inpaint"),
    "queue": queue,
    "history": history,
    "stats": stats,
    "help": told("help"),
    "prefer": prefer,
    "privacy": told("privacy what"),
    "server": server,
}
"""By the names of their pictures."""
SEEN_BY = {"server": "Mina"}
"""Whose windows show it; Anna's, if nobody is named."""


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
        picture.convert("RGB").quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


@asynccontextmanager
async def staged(folder: Path, watcher: str) -> AsyncIterator[Scene]:
    """A playground with the bot and three people in it, and a window of one of them for each width."""
    models = folder / "models.toml"
    models.write_text(MODELS.format(mini=ROOT / "models" / "mini"), encoding="utf-8")
    async with AsyncExitStack() as stack:
        playground = await stack.enter_async_context(Playground())
        environment = {**playground.environment(), "MODELS": str(models), "DATA_DIR": str(folder / "data")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        await stack.enter_async_context(BotProcess(environment, folder / "bot.log", folder=folder))
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
        yield Scene(playground=playground, anna=anna, bruno=bruno, mina=mina, windows=windows)


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
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    await page.goto(url)
    await page.locator(".composer-text").wait_for()
    return page


async def take(names: Sequence[str], folder: Path) -> None:
    """All these pictures, each on a stage of its own, so that no card disturbs another."""
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            async with staged(Path(place), SEEN_BY.get(name, "Anna")) as scene:
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
