"""How each card comes about: real requests of people in a playground, for pictures of them (screens.py)."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page

from playground.bot_process import BotProcess
from playground.nouns import Json
from playground.person import Person
from playground.reading import text_of
from playground.server import Playground

PATIENCE = 60.0
"""Seconds in which a card becomes what it is to be."""
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
UNREADABLE = """
[[model]]
name = "Shapes"
source = "fake:unreadable in the end"
"""
LONG: Mapping[str, int] = {"steps": 150, "count": 4}
"""Drawn for long enough to be seen while it is."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """The stage on which cards are shown: people who ask, and windows that look on."""

    playground: Playground
    bot: BotProcess
    database: Path
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
            lambda message: message["id"] == card["id"] and matches(message), timeout=PATIENCE
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
        await scene.bruno.answer(
            asked, lambda message: "Reroll" in str(message["components"]), timeout=PATIENCE
        )
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
    return await scene.becomes(card, lambda message: "▰" in text_of(message) and message["attachments"])


async def loading(scene: Scene) -> Json:
    return await scene.says(await scene.asks("a boat", model="New model"), "Downloading")


async def done(scene: Scene) -> Json:
    return await scene.draws("a yellow star on a purple background", seed=7)


async def done_four(scene: Scene) -> Json:
    return await scene.draws("a sailing boat at night, pixel art", seed=11, count=4)


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


async def resting(scene: Scene) -> Json:
    card = await scene.says(await scene.asks("a slow river", model="Noise", **LONG), "Drawing")
    await scene.mina.command("admin free")
    return await scene.says(card, "Resting")


async def trouble(scene: Scene) -> Json:
    await scene.bot.control("stop")  # by now it would refuse at once
    scene.playground.forget_bot()
    await scene.bot.control("start")
    await scene.playground.registered()
    return await scene.says(await scene.asks("a red circle on a blue background"), "I cannot draw")


async def leaving(scene: Scene) -> Json:
    card = await scene.says(await scene.asks("a sun over green hills", **LONG), "Drawing")
    await scene.bot.control("stop")
    with closing(sqlite3.connect(scene.database)) as database, database:  # its token dies soon
        database.execute("UPDATE deliveries SET token_expires_at = ?", (time.time() + 30,))
    await scene.bot.control("start")
    return await scene.says(card, "Still on it")


async def late(scene: Scene) -> Json:
    await scene.says(await scene.asks("a happy face", steps=150, seed=2), "Drawing")
    scene.playground.clock.advance(15 * 60)
    return await scene.anna.message(
        lambda message: "what became of your" in text_of(message), timeout=PATIENCE
    )


async def rejected(scene: Scene) -> Json:
    card = await held(scene)
    review = await scene.mina.answer(await scene.mina.press(card, "Review"))
    await scene.mina.press(review, "Reject")
    return await scene.says(card, "Not shown")


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
        await scene.mina.answer(await scene.mina.command(f"server {command}", options))
    return await scene.mina.answer(await scene.mina.command("server show"))


CARDS: Mapping[str, Way] = {
    "waiting": waiting,
    "loading": loading,
    "paused": paused,
    "resting": resting,
    "trouble": trouble,
    "drawing": drawing,
    "leaving": leaving,
    "done": done,
    "done-four": done_four,
    "chosen": chosen,
    "late": late,
    "private": private,
    "spoiler": spoiler,
    "held": held,
    "rejected": rejected,
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
MODELS_OF = {"trouble": UNREADABLE}
"""What draws there; else :data:`MODELS`."""
SEEN_BY = {"server": "Mina"}
"""Whose windows show it; Anna's, if nobody is named."""
