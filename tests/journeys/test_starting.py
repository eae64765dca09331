"""How the bot starts, serves while it still loads, and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from playground.reading import text_of
from playground.server import Playground
from tests.journeys.stage import NOISE, PATIENCE, ROOT, Bot, asks, draws, says, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def refusal(folder: Path, playground: Playground, **variables: str) -> str:
    """Start a bot that must give up with exit code 1; the one line it says."""
    usual = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MODEL": NOISE}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"),
        cwd=folder,
        env={**usual, **playground.environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert out == b""
    logged = (" INFO ", " WARNING ")
    (line,) = [line for line in err.decode().splitlines() if not any(word in line for word in logged)]
    return line


async def test_a_wrong_token_is_a_sentence(tmp_path: Path) -> None:
    async with Playground() as playground:
        said = await refusal(tmp_path, playground, DISCORD_TOKEN="not.the.token")
    assert said.startswith("Discord does not accept DISCORD_TOKEN; copy the bot's token again")
    assert "not.the.token" not in said


async def test_a_gateway_out_of_reach_is_a_sentence(tmp_path: Path) -> None:
    async with Playground() as playground:
        said = await refusal(tmp_path, playground, DISCORD_GATEWAY_URL="ws://127.0.0.1:9/")
    assert said == "Discord's gateway cannot be reached; check the network, and try again."


async def test_a_second_bot_on_the_same_data_is_a_sentence(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        assert "Another bot is running on" in await refusal(tmp_path, stage.playground)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_cleanly_and_its_worker_with_it(tmp_path: Path, number: int) -> None:
    async with Playground() as playground:
        bot = Bot(playground, tmp_path, model=NOISE)
        await bot.start()
        workers = bot.workers()
        assert workers
        bot.process.send_signal(number)
        assert await asyncio.wait_for(bot.process.wait(), PATIENCE) == 0
        assert not any(is_alive(pid) for pid in workers)
        assert " ERROR " not in bot.log


async def test_it_answers_while_the_model_still_loads_and_says_so(tmp_path: Path) -> None:
    async with staged(tmp_path, model="fake:hang") as stage:
        asked = await asks(stage.anna, "patience")
        card = await stage.anna.answer(asked, says("Loading hang", "Your picture is next"))
        await stage.anna.press(card, "Cancel")
        await stage.anna.answer(asked, says("Cancelled"))


async def test_a_model_that_turns_out_unreadable_is_said_on_the_card_and_the_request_is_kept(
    tmp_path: Path,
) -> None:
    said = "The model fake:unreadable cannot be read"
    async with staged(tmp_path, model="fake:unreadable in the end", expected_error=said) as stage:
        asked = await asks(stage.anna, "patience")
        card = await stage.anna.answer(asked, says("I cannot draw at the moment"))
        assert "Your request is kept." in text_of(card)
        assert said in stage.bot.log
        await stage.anna.press(card, "Cancel")
        await stage.anna.answer(asked, says("Cancelled"))


async def test_commands_can_be_registered_in_one_server_only(tmp_path: Path) -> None:
    async with Playground() as playground:
        guild = str(playground.world.guild.id)
        bot = Bot(playground, tmp_path, model=NOISE, GUILD_ID=guild)
        await bot.start()
        commands = playground.world.commands.values()
        assert {str(command.guild) for command in commands} == {guild}
        assert "imagine" in {command.name for command in commands}
        assert await bot.stop() == 0


async def test_four_large_pictures_are_delivered_in_little_memory(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        message = await draws(stage.anna, "fine noise", count=4, size="1024x1024")
        assert all(picture["size"] > 2_000_000 for picture in message["attachments"])
        assert peak_memory(stage.bot.process.pid) < 150 * 2**20


async def test_nothing_personal_is_logged(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await draws(stage.anna, "a very private wish")
        await stage.anna.command("imagine", {"prompt": "private too", "steps": 0})
        for secret in ("private", stage.anna.id, "anna", "Anna", stage.playground.bot_token):
            assert secret not in stage.bot.log


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def peak_memory(pid: int) -> int:
    """The most bytes of memory that a process has had at once."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
