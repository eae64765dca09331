"""The worker process is fed, and ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from generation.backends.process import SPARE, ProcessBackend
from generation.messages import Drawn, Entered, Phase, Stepped, Stopped, Task, TaskFailed
from generation.request import Digest, Start
from generation.sentence import Sentence
from tests.generation.backends.ears import Ear, is_about, is_gone, needs_proc
from tests.generation.toys import NOISE, a_request, a_task
from tests.posix import needs_signals

HOLD = 1 + SPARE  # the noise engine draws one at a time
ROOT = Path(__file__).parents[3]


async def test_a_task_goes_in_and_a_picture_comes_out() -> None:
    task = a_task()
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        assert backend.reject_reason(task) is not None, "nothing is taken before the worker is ready"
        await ear.ready()
        assert [report.phase for report in ear.heard if isinstance(report, Entered)] == [
            Phase.STARTING,
            Phase.LOADING,
            Phase.IDLE,
        ]
        assert backend.reject_reason(task) is None
        await backend.submit(task)
        drawn = await ear.until(is_about(task, Drawn))
        assert isinstance(drawn, Drawn)
        assert drawn.png.startswith(b"\x89PNG")
        assert sum(isinstance(report, Stepped) for report in ear.heard) == task.request.steps


async def test_the_next_task_is_in_hand_before_the_first_is_done() -> None:
    tasks = [a_task(a_request(prompt="slow"), index=index) for index in range(HOLD + 1)]
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        await ear.ready()
        for task in tasks[:HOLD]:
            assert backend.reject_reason(task) is None
            await backend.submit(task)
        assert backend.reject_reason(tasks[HOLD]) is not None
        await ear.until(is_about(tasks[0], Drawn))
        assert backend.reject_reason(tasks[HOLD]) is None
        await ear.until(is_about(tasks[1], Drawn))


async def test_a_running_and_a_waiting_task_are_cancelled() -> None:
    running, waiting = (a_task(a_request(prompt="slow", steps=150), index=index) for index in range(2))
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(running)
        await backend.submit(waiting)
        await ear.until(is_about(running, Stepped))
        await backend.cancel(waiting.id)
        await ear.until(is_about(waiting, Stopped))
        await backend.cancel(running.id)
        await ear.until(is_about(running, Stopped))
        await backend.cancel(running.id)  # it has ended: nothing happens
        await ear.ready()
        assert not any(isinstance(report, Drawn) for report in ear.heard)


@pytest.mark.parametrize("prompt", ["a red circle", "hang", "slow"])
@needs_proc
async def test_closing_leaves_nothing_behind_even_in_mid_step(prompt: str) -> None:
    def open_files() -> set[str]:
        return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only

    async def one_round() -> int:
        task = a_task(a_request(prompt=prompt, steps=100))
        async with ProcessBackend(model=NOISE) as backend:
            ear = Ear(backend)
            await ear.ready()
            await backend.submit(task)
            await ear.until(is_about(task, Stepped))
            pid = backend.pid
            assert pid is not None
        return pid

    await one_round()  # whatever asyncio opens once and keeps
    before = open_files()
    pid = await one_round()
    assert is_gone(pid, reaped=True)
    assert open_files() <= before


async def test_closing_is_possible_at_any_moment() -> None:
    for model in (NOISE, "fake:unreadable", "fake:crash", "fake:hang"):
        async with ProcessBackend(model=model):
            pass
        async with ProcessBackend(model=model) as backend:
            await Ear(backend).until(lambda report: report == Entered(phase=Phase.LOADING))


@needs_signals
@pytest.mark.parametrize("prompt", ["a red circle", "hang"])
def test_a_worker_never_outlives_the_process_that_started_it(prompt: str) -> None:
    code = f"""
import asyncio
from generation.backends.process import ProcessBackend
from generation.messages import Phase
from tests.generation.toys import NOISE, a_request, a_task
async def main():
    async with ProcessBackend(model=NOISE) as backend:
        async for report in backend.reports():
            if getattr(report, "phase", None) is Phase.IDLE:
                print(backend.pid, flush=True)
                await backend.submit(a_task(a_request(prompt={prompt!r}, steps=100)))
asyncio.run(main())
"""
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert not is_gone(worker)
        parent.kill()
        parent.communicate(timeout=100)  # the worker writes into the same pipe as long as it lives


@needs_signals
async def test_ctrl_c_is_the_bots_matter() -> None:
    task = a_task(a_request(prompt="slow"))
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(task)
        await ear.until(is_about(task, Stepped))
        assert backend.pid is not None
        os.kill(backend.pid, signal.SIGINT)
        await ear.until(is_about(task, Drawn))


async def test_a_task_that_cannot_be_drawn_fails_and_the_worker_goes_on() -> None:
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        await ear.ready()
        bad, good = a_task(a_request(prompt="fail")), a_task(index=1)
        await backend.submit(bad)
        await backend.submit(good)
        failed = await ear.until(is_about(bad, TaskFailed))
        assert isinstance(failed, TaskFailed)
        assert isinstance(failed.reason, Sentence), "it can be said in other languages"
        assert failed.reason.endswith(".")
        await ear.until(is_about(good, Drawn))


async def test_who_overtakes_is_judged_by_the_steps_that_are_drawn() -> None:
    def steps(number: int, share: float, job: str) -> Task:
        start = Start(picture=Digest("0" * 64), strength=share)
        return a_task(a_request(prompt="slow", steps=number, start=start), job=job)

    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        await ear.ready()
        for number in range(HOLD):
            await backend.submit(steps(100, 0.1, f"job{number}"))
        assert backend.reject_reason(steps(8, 1.0, "no shorter")) is not None
        assert backend.reject_reason(steps(100, 0.01, "much shorter")) is None
