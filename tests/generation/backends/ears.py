"""Hears what a worker's backend reports."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from generation.backends.process import Backoff, ProcessBackend
from generation.messages import Drawn, Entered, Phase, Report, Stepped, Stopped, Task, TaskFailed

AT_ONCE = Backoff(first=0.01, most=0.01)
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")


class Ear:
    """Hears a backend's reports and remembers them."""

    def __init__(self, backend: ProcessBackend) -> None:
        self.heard: list[Report] = []
        self._reports: AsyncIterator[Report] = backend.reports()

    async def until(self, wanted: Callable[[Report], bool]) -> Report:
        """The next report for which this holds."""
        async with asyncio.timeout(60):
            async for report in self._reports:
                self.heard.append(report)
                if wanted(report):
                    return report
        raise AssertionError(f"the backend closed after {self.heard}")

    async def ready(self) -> None:
        await self.until(lambda report: isinstance(report, Entered) and report.phase is Phase.IDLE)


def is_gone(pid: int, *, reaped: bool = False) -> bool:
    """Whether a process has ended; `reaped`: and is no zombie either."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return not reaped and status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def pid_of(backend: ProcessBackend) -> int:
    assert backend.pid is not None
    return backend.pid


def is_about(
    task: Task, kind: type[Drawn] | type[Stopped] | type[Stepped] | type[TaskFailed]
) -> Callable[[Report], bool]:
    return lambda report: isinstance(report, kind) and report.task == task.id
