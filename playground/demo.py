"""make demo: the playground and the bot, a first picture, and the address at which to go on."""

from __future__ import annotations

import argparse
import asyncio
import os
import struct
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

from playground.__main__ import DEFAULT_PORT, USAGE_ERROR, bot_in, ending, port_number
from playground.bodies import PersonError
from playground.errors import CannotStartError, PortInUseError
from playground.person import Person
from playground.reading import button_labels, is_loading, pictures_of, text_of
from playground.server import Playground

T = TypeVar("T")
PROMPT = "a boat with a white sail on the sea"
PATIENCE = 180.0
"""Seconds in which the bot must have started, and in which the first picture must come."""
PORTS_TO_TRY = 20


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Run until Ctrl-C: 0. If there was no first picture, or no place to begin: a sentence, and 1 or 2."""
    parser = argparse.ArgumentParser(prog="python -m playground.demo", description=__doc__)
    parser.add_argument("--port", type=port_number, default=DEFAULT_PORT, help="(default: %(default)s)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("PLAYGROUND_DATA") or "data/demo"),
        help="the folder in which everything is kept (default: PLAYGROUND_DATA, or data/demo)",
    )
    parser.add_argument("--prompt", default=PROMPT, help="what to ask for (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(options.port, options.data, options.prompt))
    except KeyboardInterrupt:
        return 0


async def _run(port: int, data: Path, prompt: str) -> int:
    ended = ending()
    async with AsyncExitStack() as stack:
        try:
            playground = await _open(stack, port, data)
            print(
                "A small Discord runs on this machine; now the bot starts and loads its model ...", flush=True
            )
            died: asyncio.Queue[str] = asyncio.Queue()
            await stack.enter_async_context(bot_in(playground, said=died.put_nowait))
            try:
                async with asyncio.timeout(PATIENCE):
                    await _unless(ended, died, playground.registered)
                    await _unless(ended, died, lambda: first_picture(playground, prompt))
            except TimeoutError:
                raise DemoError(f"No picture came; the bot's log is {data / 'bot.log'}.") from None
        except EndedError:
            return 0
        except CannotStartError as error:
            print(error, file=sys.stderr)
            return USAGE_ERROR
        except (DemoError, PersonError) as error:
            print(error, file=sys.stderr)
            return 1
        print(
            f"\nGo on at {playground.url} - open it in a browser and type / (Ctrl-C ends it all)", flush=True
        )
        await _watch(ended, died)
    return 0


class EndedError(Exception):
    """Somebody pressed Ctrl-C."""


async def first_picture(playground: Playground, prompt: str) -> Path:
    """Let the first person ask for a picture, save it, and say how it went."""
    somebody = playground.world.people[0]
    async with Person(api=playground.api, gateway=playground.gateway.url, token=somebody.token) as person:
        print(f"{person.name} asks: /imagine {prompt}", flush=True)
        start = time.perf_counter()
        asked = await person.command("imagine", {"prompt": prompt})
        message = await person.answer(
            asked,
            lambda message: not is_loading(message) and button_labels(message) != ["Cancel"],
            timeout=PATIENCE,  # a slow or busy machine takes longer than a test would wait
        )
        if not pictures_of(message):
            raise DemoError(f"The bot answered without a picture: {text_of(message)}")
        picture = pictures_of(message)[0]
        content = await person.fetch(picture)
        seconds = time.perf_counter() - start
    path = playground.data / str(picture["filename"])
    path.write_bytes(content)
    settings = png_text(content).get("parameters", "")
    seed = settings.partition("Seed: ")[2].partition(",")[0] or "unknown"
    print(f"  prompt  {prompt}\n  time    {seconds:.1f} s\n  seed    {seed}\n  saved   {path}", flush=True)
    return path


def png_text(content: bytes) -> dict[str, str]:
    """The text chunks (tEXt, zTXt and iTXt) of a PNG by their keyword; nothing of what is no PNG."""
    found: dict[str, str] = {}
    at = 8
    while content.startswith(b"\x89PNG") and at + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        keyword, _, body = content[at + 8 : at + 8 + length].partition(b"\x00")
        name = keyword.decode("latin-1")
        if kind == b"tEXt":
            found[name] = body.decode("latin-1")
        elif kind == b"zTXt":
            found[name] = zlib.decompress(body[1:]).decode("latin-1")
        elif kind == b"iTXt":
            _language, _, rest = body[2:].partition(b"\x00")
            _translated, _, text = rest.partition(b"\x00")
            found[name] = (zlib.decompress(text) if body[0] else text).decode()
        at += 12 + length
    return found


async def _open(stack: AsyncExitStack, port: int, data: Path) -> Playground:
    """A playground on the wanted port, or on the next that is free."""
    last = min(port + PORTS_TO_TRY - 1, 65535)
    for candidate in range(port, last + 1):
        try:
            playground = await stack.enter_async_context(Playground(port=candidate, data=data))
        except PortInUseError:
            print(f"Port {candidate} is in use; trying {candidate + 1}.", flush=True)
        else:
            return playground
    raise DemoError(f"The ports {port} to {last} are all in use; choose one with --port.")


async def _unless(ended: asyncio.Event, died: asyncio.Queue[str], do: Callable[[], Awaitable[T]]) -> T:
    """Do something, unless Ctrl-C is pressed or the bot dies first."""
    deed = asyncio.ensure_future(do())
    end = asyncio.create_task(ended.wait())
    death = asyncio.create_task(died.get())
    try:
        await asyncio.wait({deed, end, death}, return_when=asyncio.FIRST_COMPLETED)
        if end.done():
            raise EndedError
        if death.done():
            raise DemoError(death.result())
        return deed.result()
    finally:
        for task in (deed, end, death):
            task.cancel()
        await asyncio.gather(deed, end, death, return_exceptions=True)


async def _watch(ended: asyncio.Event, died: asyncio.Queue[str]) -> None:
    """Say it when the bot dies, until Ctrl-C."""
    end = asyncio.create_task(ended.wait())
    while not end.done():
        death = asyncio.create_task(died.get())
        await asyncio.wait({end, death}, return_when=asyncio.FIRST_COMPLETED)
        if death.done():
            print(death.result(), file=sys.stderr, flush=True)
        death.cancel()


if __name__ == "__main__":
    sys.exit(main())
