"""The bot as a process of its own: started, watched, started again when it dies, and ended with us."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

log = logging.getLogger(__name__)

LONGEST_BACK_OFF = 30.0
HEALTHY_SECONDS = 60.0
KEPT_LINES = 15


class BotProcess:
    """`async with BotProcess(environment, log_file)`: the bot runs inside, whatever happens to it.

    `environment` comes on top of our own, and `folder` is where it runs (by default where we do). What the
    bot logs goes to `log_file`; when it dies, `said` is told in sentences. Commands other than
    `python -m bot` are for tests.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log_file: Path,
        *,
        command: Sequence[str] = (sys.executable, "-m", "bot"),
        folder: Path | None = None,
        said: Callable[[str], None] = log.warning,
    ) -> None:
        self._environment = {**os.environ, **environment}
        self._log_file = log_file
        self._command = command
        self._folder = folder
        self._said = said
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process: asyncio.subprocess.Process | None = None
        self._told_to_end: asyncio.subprocess.Process | None = None
        self._ended = asyncio.Event()
        self._again = asyncio.Event()
        self.pid: int | None = None

    async def __aenter__(self) -> Self:
        await self._start()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def control(self, action: str) -> int | None:
        """`start`, `stop`, `restart` (as the owner would) or `kill`; the process id then, if it runs."""
        match action:
            case "kill":
                if self.pid is not None:
                    os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
                    await self._ended.wait()
            case "start":
                if self._told_to_end is not None and self._told_to_end is self._process:
                    await self._start()
            case "stop":
                await self._end()
            case "restart":
                await self._end()
                await self._start()
            case other:
                raise ValueError(f"The bot can start, stop, restart and be killed, not {other!r}.")
        return self.pid

    async def _start(self) -> None:
        self._ended.clear()
        leash = [sys.executable, "-I", str(Path(__file__).with_name("leash.py")), *self._command]
        self._process = await asyncio.create_subprocess_exec(
            *leash,
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=2**20,
        )
        assert self._process.stdout is not None
        first = await self._process.stdout.readline()
        self.pid = int(first) if first.strip() else None
        self._again.set()

    async def _end(self) -> None:
        process = self._told_to_end = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()
        self.pid = None

    async def _watch(self) -> None:
        back_off = 1.0
        loop = asyncio.get_running_loop()
        while True:
            self._again.clear()
            started = loop.time()
            process = self._process
            assert process is not None
            follower = asyncio.create_task(self._follow(process))
            try:
                code = await process.wait()
                # A process the bot left behind may hold its log open; that is no reason to wait for it.
                await asyncio.wait({follower}, timeout=1.0)
            finally:
                follower.cancel()
            if process is self._process:
                self.pid = None
                self._ended.set()
            if process is self._told_to_end:
                await self._again.wait()
                continue
            if loop.time() - started > HEALTHY_SECONDS:
                back_off = 1.0
            how = f"exit code {code}" if code < 128 else f"signal {code - 128}"
            self._said(
                f"The bot ended by itself ({how}); it is started again in {back_off:g} s. Its last words:\n"
                + "\n".join(f"  {line}" for line in self._lines)
            )
            await asyncio.sleep(back_off)
            back_off = min(back_off * 2, LONGEST_BACK_OFF)
            if process is not self._told_to_end and process is self._process:
                await self._start()

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Write what the bot logs to its file until it has nothing more to say."""
        assert process.stderr is not None
        self._lines.clear()
        with self._log_file.open("ab") as file:
            async for line in process.stderr:
                file.write(line)
                file.flush()
                self._lines.append(line.decode(errors="replace").rstrip())
