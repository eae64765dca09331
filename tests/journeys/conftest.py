"""One bot for all journeys of a module that do not need one of their own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

from tests.journeys.kept import rows
from tests.journeys.stage import Stage, staged, told

HAS_FAILED = pytest.StashKey[bool]()


@pytest.fixture(scope="session", autouse=True)
def signals() -> None:
    """Journeys end their bot as Ctrl-C does, look at its processes in /proc, and kill them."""
    if sys.platform == "win32":
        pytest.skip("Windows has no signals to end a bot with")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A bot that draws noise at once."""
    async with staged(tmp_path_factory.mktemp("bot")) as stage:
        yield stage


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[HAS_FAILED] = report.failed
    return report


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def tidy(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """What a test leaves on the stage when it fails is not what the next one fails of."""
    yield
    stage: Stage | None = request.node.funcargs.get("stage")
    if stage is None:
        return
    stage.playground.faults.clear()
    stage.playground.world.closed_to_messages.clear()
    if request.node.stash.get(HAS_FAILED, False):
        if stage.bot.process.returncode is not None:
            await stage.bot.start()
        await told(stage.mina, await stage.mina.command("admin resume"))
        if rows(stage, "SELECT 1 FROM jobs WHERE state = 'queued'"):
            await told(stage.mina, await stage.mina.command("admin cancel", {"everything": True}))
