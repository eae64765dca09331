"""Models leave when they are told to, or when nobody asks, and what they drew is drawn again."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation.backends.process import ProcessBackend
from generation.engine.noise import HELD
from generation.messages import Drawn, Entered, Phase, PutAway, Report, Stepped
from generation.request import Size
from tests.generation.backends.ears import Ear, is_about, needs_proc, pid_of
from tests.generation.toys import MINI, NOISE, Bench, a_request, a_task


def memory_of(pid: int) -> int:
    """Bytes that a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def is_put_away(report: Report) -> bool:
    return isinstance(report, PutAway)


@needs_proc
@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")  # diffusers with numpy 2
async def test_another_process_draws_the_same_bytes_also_when_its_model_was_away(mini_bench: Bench) -> None:
    settings = {"size": Size(width=128, height=128), "steps": 2, "sampler": "Euler a"}
    tasks = [a_task(a_request(MINI, **settings), job=job) for job in ("before", "after")]
    async with ProcessBackend(model=MINI, device="cpu", batch=1) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(tasks[0])
        first = await ear.until(is_about(tasks[0], Drawn))
        needed = memory_of(pid_of(backend))
        backend.free()
        assert await ear.until(is_put_away) == PutAway(model=MINI)
        assert memory_of(pid_of(backend)) < needed - 20 * 2**20, "the weights alone are 38 MB"
        await backend.submit(tasks[1])
        second = await ear.until(is_about(tasks[1], Drawn))
    assert isinstance(first, Drawn)
    assert isinstance(second, Drawn)
    assert first.png == second.png == mini_bench.draw(**settings)


async def test_models_leave_when_there_is_nothing_to_do_for_a_while() -> None:
    task = a_task()
    async with ProcessBackend(model=NOISE, unload_after=0.1) as backend:
        ear = Ear(backend)
        await ear.until(is_put_away)
        await backend.submit(task)
        await ear.until(is_about(task, Drawn))
        await ear.until(is_put_away)


async def test_models_are_freed_after_what_is_in_hand_unless_more_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (a_task(a_request(prompt="held"), job=job) for job in ("first", "second"))
    monkeypatch.chdir(tmp_path)  # where the worker looks whether it is to hold them
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(first)
        backend.free()
        await ear.until(is_put_away)
        assert any(isinstance(report, Drawn) for report in ear.heard)
        (tmp_path / HELD).touch()
        await backend.submit(second)
        await ear.until(is_about(second, Stepped))
        backend.free()
        await backend.submit(first)
        (tmp_path / HELD).unlink()
        await ear.until(is_about(first, Drawn))
        await ear.until(lambda report: isinstance(report, Entered) and report.phase is Phase.IDLE)
        await backend.submit(second)
        await ear.until(is_about(second, Drawn))
        assert sum(map(is_put_away, ear.heard)) == 1
