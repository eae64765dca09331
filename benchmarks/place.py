"""The playground with the bot in it, run as the program that people run."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_LIBRARIES = ("torch", "diffusers", "transformers", "discord.py", "aiosqlite")


@asynccontextmanager
async def playground(data: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[dict[str, Any]]:
    """`python -m playground --json` on a free port; yields what it says when the bot is there."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "playground", "--json", "--port", "0", "--data", str(data)),
        cwd=ROOT,
        env=os.environ | dict(settings or {}),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 120)
        if not line:
            raise RuntimeError("the playground ended before it said where it is")
        yield json.loads(line)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def circumstances() -> dict[str, Any]:
    """What a figure depends on: the machine, the versions, the commit."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in _LIBRARIES},
        "commit": _commit(),
    }


def percentile(took: Sequence[float], share: float) -> float:
    """The time that this share of all stay below, or are at."""
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def tell(rows: Sequence[tuple[str, str]], figures: Mapping[str, Any], plot: Path, *, is_drawn: bool) -> None:
    """Print a table, where the plot is and, as the last line, the figures as JSON."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    print(f"plot: {plot}" if is_drawn else "plot: none, matplotlib is not installed")
    print(json.dumps(figures))


def peak_resident(pid: int) -> float | None:
    """The most memory (MB, resident) that a process ever had; None where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(match[1]) / 1000 if match else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:  # a machine that only measures the engine needs no discord.py
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    if shutil.which("git") is None:
        return "unknown"
    asked = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
