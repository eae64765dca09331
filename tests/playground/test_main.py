"""`python -m playground` as a program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from playground import Person, Playground
from playground.bot_process import BotProcess
from playground.errors import CannotStartError
from playground.nouns import Json
from playground.reading import pictures_of
from tests.posix import needs_signals

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


@asynccontextmanager
async def program(
    *arguments: str, folder: Path | None = None, **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "playground",
        *arguments,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def first_line(process: asyncio.subprocess.Process) -> Json:
    assert process.stdout is not None
    line: Json = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
    return line


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    async with asyncio.timeout(PATIENCE):
        while alive(pid):  # noqa: ASYNC110 - nothing tells about the end of another's child
            await asyncio.sleep(0.02)


@needs_signals
async def test_without_a_bot_it_tells_when_it_listens(tmp_path: Path) -> None:
    async with program("--port", "0", "--no-bot", "--json", "--data", str(tmp_path)) as process:
        told = await first_line(process)
        assert set(told) == {
            "url",
            "api",
            "gateway",
            "application_id",
            "guild_id",
            "channel_id",
            "users",
            "bot_token",
            "bot_pid",
        }
        assert told["bot_pid"] is None
        async with Person(api=told["api"], gateway=told["gateway"], token=told["users"][0]["token"]) as anna:
            assert (anna.id, anna.name) == (told["users"][0]["id"], told["users"][0]["name"])
            assert anna.channel_id == told["channel_id"]
            await anna.say("hello")
        process.send_signal(signal.SIGTERM)
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert (process.returncode, output, errors) == (0, b"", b"")
    assert (tmp_path / "world.db").exists()


@needs_signals
async def test_with_a_bot_it_tells_when_its_commands_can_be_used_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DISCORD_TOKEN=a-real-one\nGUILD_ID=1\n")
    arguments = ("--port", "0", "--json", "--data", str(tmp_path / "data"))
    async with program(*arguments, folder=tmp_path, MODEL="fake:noise") as process:
        told = await first_line(process)
        assert alive(told["bot_pid"])
        token = told["users"][0]["token"]
        async with Person(api=told["api"], gateway=told["gateway"], token=token) as anna:
            asked = await anna.command("imagine", {"prompt": "a red circle"})
            message = await anna.answer(asked, pictures_of)
            assert (await anna.fetch(pictures_of(message)[0])).startswith(b"\x89PNG")
        process.send_signal(signal.SIGTERM)
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert (process.returncode, output, errors) == (0, b"", b"")
        await gone(told["bot_pid"])
    assert (tmp_path / "data" / "bot" / "atelier.db").exists()


async def test_the_bot_finds_the_models_that_are_described_where_we_are(tmp_path: Path) -> None:
    tables = [f'[[model]]\nname = "{name}"\nsource = "fake:{name}"\n' for name in ("one", "two")]
    (tmp_path / "ours.toml").write_text("".join(tables))
    arguments = ("--port", "0", "--json", "--data", str(tmp_path / "data"))
    async with program(*arguments, folder=tmp_path, MODEL="fake:noise", MODELS="ours.toml") as process:
        told = await first_line(process)
        token = told["users"][0]["token"]
        async with Person(api=told["api"], gateway=told["gateway"], token=token) as anna:
            choices = await anna.autocomplete("imagine", "model", "")
            assert [choice["value"] for choice in choices] == ["one", "two"]


@needs_signals
async def test_people_are_told_where_to_go() -> None:
    async with program("--port", "0", "--no-bot") as process:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode()
        assert line.startswith("The playground is at http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0
    assert b"Anna, Bruno, Mina" in rest
    assert b"DISCORD_TOKEN=" in rest


async def test_a_port_in_use_is_said_in_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with program("--port", str(port), "--json") as process:
            output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 2
    assert output == b""
    assert errors.decode() == (
        f"Port {port} is in use; choose another with --port, or --port 0 for any free one.\n"
    )


BOT = """
import asyncio, os, sys, discord, yarl
discord.http.Route.BASE = os.environ["DISCORD_API_URL"]
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY_URL"])
client = discord.Client(intents=discord.Intents.default())
tree = discord.app_commands.CommandTree(client)

@tree.command()
async def hello(interaction: discord.Interaction) -> None:
    await interaction.response.send_message(f"hello from {os.getpid()}")

async def setup_hook():
    await tree.sync()
client.setup_hook = setup_hook
client.run(os.environ["DISCORD_TOKEN"])
"""


def small_bot(playground: Playground, said: Callable[[str], None]) -> BotProcess:
    command = (sys.executable, "-W", "ignore", "-c", BOT)
    bot = BotProcess(playground.environment(), playground.data / "bot.log", command=command, said=said)
    playground.bot_control = bot.control
    return bot


async def test_the_bot_runs_is_restarted_and_killed_by_levers(playground: Playground, anna: Person) -> None:
    async def answer() -> int:
        message = await anna.answer(await anna.command("hello"))
        return int(message["content"].rsplit(" ", 1)[1])

    async def pull(action: str) -> int | None:
        playground.forget_bot()
        url = f"{playground.url}/playground/bot"
        async with aiohttp.ClientSession() as session, session.post(url, json={"do": action}) as response:
            assert response.status == 200
            pid: int | None = (await response.json())["bot_pid"]
            return pid

    said: list[str] = []
    async with small_bot(playground, lambda text: said.append(text.split(" Its last")[0])) as bot:
        await playground.registered()
        first = bot.pid
        assert await answer() == first
        second = await pull("restart")
        await playground.registered()
        assert second not in (first, None)
        assert await answer() == second
        await pull("kill")
        await playground.registered()
        assert said == ["The bot ended by itself (signal 9); it is started again in 1 s."]
        assert await answer() == bot.pid
        assert bot.pid not in (first, second)
        assert await pull("stop") is None
        assert not playground.gateway.online(playground.world.bot.id)
        last = await pull("start")
        await playground.registered()
    assert last is not None
    await gone(last)


async def test_a_bot_that_dies_is_said_to_with_its_last_words(playground: Playground) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    bot = BotProcess(
        {},
        playground.data / "bot.log",
        command=(sys.executable, "-c", "import sys; sys.exit('no token')"),
        said=said.put_nowait,
    )
    async with bot:
        sentence = await asyncio.wait_for(said.get(), PATIENCE)
        again = await asyncio.wait_for(said.get(), PATIENCE)
    assert "exit code 1); it is started again in 1 s" in sentence
    assert "no token" in sentence
    assert "in 2 s" in again
    assert "no token" in (playground.data / "bot.log").read_text()


@needs_signals
async def test_the_bot_does_not_outlive_a_playground_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from playground.bot_process import BotProcess\n"
        "async def main():\n"
        "    command = (sys.executable, '-c', 'import time; time.sleep(600)')\n"
        f"    async with BotProcess({{}}, Path({str(tmp_path / 'bot.log')!r}), command=command) as bot:\n"
        "        print(bot.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
    assert alive(pid)
    process.kill()
    await process.communicate()
    await gone(pid)


@pytest.mark.parametrize("port", ["99999", "-1", "x", "1" * 5000])
@pytest.mark.parametrize("module", ["playground", "playground.demo"])
async def test_a_port_that_is_none_is_said_in_a_sentence(port: str, module: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, f"--port={port}"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 2
    assert "a port is a number from 0 to 65535, not" in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_a_port_nobody_may_listen_on_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match="Port 70000 cannot be listened on"):
        async with Playground(port=70000, data=tmp_path):
            pass


async def test_a_program_is_not_left_waiting_for_a_bot_that_cannot_start(tmp_path: Path) -> None:
    async with program("--port", "0", "--json", LOG_LEVEL="nonsense") as process:
        output, errors = await asyncio.wait_for(process.communicate(), 2 * PATIENCE)
    assert (process.returncode, output) == (2, b"")
    assert errors.decode().endswith("The bot ended 3 times before its commands could be used.\n")
