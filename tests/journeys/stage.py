"""What a journey needs: the bot as a real process, and people at their clients."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generation.engine.noise import HELD
from playground.nouns import Json
from playground.person import Asked, Person
from playground.reading import is_ephemeral, is_loading, pictures_of, text_of
from playground.server import Playground

ROOT = Path(__file__).resolve().parents[2]
MINI = str(ROOT / "models" / "mini")
NOISE = "fake:noise"
"""Draws coloured noise at once, but for what is held: see `Bot.holding`."""
PATIENCE = 100.0
"""Seconds that anything may take on a machine that is slow, or busy with other things."""


class Bot:
    """`python -m bot` in a folder of its own, connected to a playground."""

    def __init__(self, playground: Playground, folder: Path, *, model: str, **variables: str) -> None:
        self.folder = folder
        self._playground = playground
        self._variables = {"MODEL": model, **variables}
        self._process: asyncio.subprocess.Process | None = None

    def configure(self, **variables: str) -> None:
        """Other settings, from the next start on."""
        self._variables |= variables

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "the bot was not started"
        return self._process

    @property
    def log(self) -> str:
        return (self.folder / "bot.log").read_text()

    @property
    def database(self) -> Path:
        return self.folder / "data" / "atelier.db"

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Until this is left, no picture with `held` in its prompt is done, and no download."""
        file = self.folder / HELD
        file.touch()
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    async def start(self) -> None:
        """Start it and wait until its commands can be used."""
        self._playground.forget_bot()
        environment = {
            key: value
            for key, value in os.environ.items()
            # The last one: several workers at once that each use all cores mostly wait for each other.
            if key in ("PATH", "HOME", "LANG", "SYSTEMROOT", "OMP_NUM_THREADS")
        }
        with (self.folder / "bot.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot"),
                cwd=self.folder,
                env={
                    **environment,
                    "PYTHONPATH": str(ROOT),
                    **self._playground.environment(),
                    **self._variables,
                },
                stdout=log,
                stderr=log,
            )
        registered = asyncio.ensure_future(self._playground.registered())
        ended = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait((registered, ended), return_when=asyncio.FIRST_COMPLETED)
            assert not ended.done(), f"the bot ended while starting: {self.log}"
            await registered
        finally:
            registered.cancel()
            ended.cancel()

    async def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; its exit status."""
        self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await self.process.wait()

    def workers(self) -> list[int]:
        """The process ids of its children."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A playground, the bot in it, and its people: Anna and Bruno, and Mina, who moderates."""

    playground: Playground
    bot: Bot
    anna: Person
    bruno: Person
    mina: Person


@asynccontextmanager
async def staged(
    folder: Path, *, model: str = NOISE, expected_error: str = "apologised", **variables: str
) -> AsyncIterator[Stage]:
    """A stage with a running bot, which must end well, keep Discord's rules, and log only expected errors."""
    async with AsyncExitStack() as stack:
        playground = await stack.enter_async_context(Playground())
        playground.interactions.patience = PATIENCE  # benchmarks/chat.py measures acknowledgements
        bot = Bot(playground, folder, model=model, **variables)
        stack.push_async_callback(bot.close)
        await bot.start()
        people = [
            await stack.enter_async_context(
                Person(api=playground.api, gateway=playground.gateway.url, token=user.token)
            )
            for user in playground.world.people
        ]
        anna, bruno, mina = people
        yield Stage(playground=playground, bot=bot, anna=anna, bruno=bruno, mina=mina)
        assert playground.violations == []
        assert await bot.stop() == 0, bot.log
        errors = [line for line in bot.log.splitlines() if " ERROR " in line and expected_error not in line]
        assert errors == []


async def asks(person: Person, prompt: str, *, channel_id: str | None = None, **options: Any) -> Asked:
    return await person.command("imagine", {"prompt": prompt, **options}, channel_id=channel_id)


async def result(person: Person, asked: Asked) -> Json:
    """The card of a request, once its pictures are there."""
    return await person.answer(asked, pictures_of)


async def draws(person: Person, prompt: str, **options: Any) -> Json:
    """Ask for pictures and wait for them."""
    return await result(person, await asks(person, prompt, **options))


async def running(person: Person, asked: Asked) -> Json:
    """The card of a request, once it shows that drawing goes on."""
    return await person.answer(asked, says("Drawing"))


def own_message(person: Person, prompt: str) -> Json | None:
    """The message of the bot's own that calls this person and shows this prompt."""
    for message in person.seen.values():
        called = any(user["id"] == person.id for user in message["mentions"])
        if called and f"> {prompt}" in text_of(message).splitlines():
            return message
    return None


async def told(person: Person, asked: Asked) -> str:
    """The sentence that the bot says to this person alone about what they asked or pressed."""

    def private(message: Json) -> bool:
        return is_ephemeral(message) and not is_loading(message)

    return text_of(await person.answer(asked, private))


def says(*words: str) -> Callable[[Json], bool]:
    return lambda message: not is_loading(message) and all(word in text_of(message) for word in words)
