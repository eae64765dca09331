"""python -m playground: a small Discord on this machine, and the bot in it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from playground.bot_process import BotProcess
from playground.errors import CannotStartError
from playground.server import Playground

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_PORT = 8123
USAGE_ERROR = 2
MOST_DEATHS = 3
"""After so many ends of the bot before it could be used, `--json` gives up."""
PATIENCE = 60.0
"""Seconds after which `--json` gives up on a bot that cannot be used yet."""


def main(arguments: list[str] | None = None) -> int:
    """Run until asked to end; 2 if it could not begin, or (`--json`) the bot could not."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        return asyncio.run(_run(options))
    except KeyboardInterrupt:
        return 0


async def _run(options: argparse.Namespace) -> int:
    ended = ending()
    async with AsyncExitStack() as stack:
        try:
            playground = await stack.enter_async_context(Playground(port=options.port, data=options.data))
        except CannotStartError as error:
            _say(str(error))
            return USAGE_ERROR
        if options.no_bot:
            _announce(playground, None, as_json=options.json)
            await ended.wait()
            return 0
        deaths = _Deaths()
        bot = await stack.enter_async_context(bot_in(playground, said=deaths.note))
        registered = asyncio.create_task(playground.registered())
        stopped = asyncio.create_task(ended.wait())
        hopeless = asyncio.create_task(deaths.too_many.wait())
        tasks = {registered, stopped, hopeless}
        # A program waits for one line and nothing else: it must not wait for ever. People may mend things.
        patience = PATIENCE if options.json else None
        try:
            waiting = tasks if options.json else {registered, stopped}
            await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if registered.done():
                _announce(playground, bot, as_json=options.json)
            elif not stopped.done():
                _say(_why_not(deaths))
                return USAGE_ERROR
            await stopped
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return 0


class _Deaths:
    """How often the bot has ended by itself; each is said, and `too_many` is set after some."""

    def __init__(self) -> None:
        self.number = 0
        self.too_many = asyncio.Event()

    def note(self, sentence: str) -> None:
        _say(sentence)
        self.number += 1
        if self.number >= MOST_DEATHS:
            self.too_many.set()


def _why_not(deaths: _Deaths) -> str:
    if deaths.too_many.is_set():
        return f"The bot ended {deaths.number} times before its commands could be used."
    return f"The bot did not register its commands within {PATIENCE:g} s."


def bot_in(playground: Playground, *, said: Callable[[str], None]) -> BotProcess:
    """The bot of this project, told to come to this playground.

    It runs in a folder of its own, where it finds no `.env` that is meant for the real Discord; what our
    environment says counts, and otherwise the embedded model.
    """
    folder = (playground.data / "bot").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**playground.environment(), "DATA_DIR": str(folder), "GUILD_ID": ""}
    model = Path(os.environ.get("MODEL") or ROOT / "models" / "mini")
    if model.exists():
        environment["MODEL"] = str(model.resolve())
    if models := os.environ.get("MODELS"):
        environment["MODELS"] = str(Path(models).resolve())
    # People who try it together see their pictures drawn together, whatever suits this machine best.
    environment["BATCH"] = os.environ.get("BATCH") or "4"
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    bot = BotProcess(environment, playground.data / "bot.log", folder=folder, said=said)
    playground.bot_control = bot.control
    return bot


def ending() -> asyncio.Event:
    """Set when the process is asked to end (Ctrl-C, SIGTERM)."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows: Ctrl-C raises KeyboardInterrupt instead
            break
    return ended


def port_number(text: str) -> int:
    """A port from the command line; argparse shows the sentence when it is none."""
    if text.isascii() and text.isdigit() and int(text[:6]) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r:.40}")


def _announce(playground: Playground, bot: BotProcess | None, *, as_json: bool) -> None:
    if as_json:
        line = {
            **playground.describe(),
            "bot_token": playground.bot_token,
            "bot_pid": bot.pid if bot else None,
        }
        print(json.dumps(line), flush=True)
        return
    names = ", ".join(user.name for user in playground.world.people)
    print(f"The playground is at {playground.url}", flush=True)
    print(f"Open it in a browser and be one of {names}. Type / to ask the bot. Ctrl-C ends it.", flush=True)
    if bot is None:
        for name, value in playground.environment().items():
            print(f"{name}={value}", flush=True)
    else:
        print(f"The bot's log: {playground.data / 'bot.log'}", flush=True)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m playground", description=__doc__)
    parser.add_argument(
        "--port",
        type=port_number,
        default=DEFAULT_PORT,
        help="where to listen on 127.0.0.1; 0 for any free port (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="a folder in which people, messages and the bot's data are kept (default: a temporary one)",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one line of JSON when the bot has registered its commands, and nothing else",
    )
    parser.add_argument("--no-bot", action="store_true", help="do not start the bot; start one yourself")
    return parser


if __name__ == "__main__":
    sys.exit(main())
