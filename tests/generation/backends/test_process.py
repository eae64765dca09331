"""The worker process is fed, watched and replaced; every task it held is accounted for."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from generation.backends.process import FAILED_STARTS, SPARE, Backoff, ProcessBackend
from generation.messages import (
    Drawn,
    Entered,
    Loading,
    Lost,
    Phase,
    PutAway,
    Report,
    Stepped,
    Stopped,
    Task,
    TaskFailed,
    Unavailable,
)
from generation.request import Digest, Seed, Size, Start
from generation.sentence import Sentence
from tests.generation.toys import MINI, NOISE, Bench, a_request, a_task
from tests.posix import needs_signals

HOLD = 1 + SPARE  # the noise engine draws one at a time
AT_ONCE = Backoff(first=0.01, most=0.01)
ROOT = Path(__file__).parents[3]

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


@needs_signals
async def test_a_killed_worker_is_reported_and_replaced() -> None:
    suspect, bystander = (a_task(a_request(prompt="slow", steps=150), index=index) for index in range(2))
    async with ProcessBackend(model=NOISE, restart=AT_ONCE) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(suspect)
        await backend.submit(bystander)
        await ear.until(is_about(suspect, Stepped))
        first = backend.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        lost = await ear.until(lambda report: isinstance(report, Lost))
        assert isinstance(lost, Lost)
        assert (lost.suspects, lost.bystanders) == ((suspect.id,), (bystander.id,))
        assert "SIGKILL" in lost.reason
        await ear.ready()
        assert backend.pid != first
        again = a_task(attempt=2)
        await backend.submit(again)
        await ear.until(is_about(again, Drawn))


@needs_signals
async def test_a_task_that_comes_between_two_workers_is_given_back_at_once() -> None:
    task = a_task()
    async with ProcessBackend(model=NOISE, restart=AT_ONCE) as backend:
        ear = Ear(backend)
        await ear.ready()
        assert backend.reject_reason(task) is None
        os.kill(pid_of(backend), signal.SIGKILL)
        await ear.until(lambda report: isinstance(report, Entered) and report.phase is Phase.STARTING)
        assert backend.pid is None
        await backend.submit(task)  # what it starts from was read meanwhile
        lost = await ear.until(lambda report: isinstance(report, Lost) and task.id in report.bystanders)
        assert isinstance(lost, Lost)
        assert not lost.suspects
        await ear.ready()
        await backend.submit(task)
        await ear.until(is_about(task, Drawn))


async def test_a_picture_that_ends_the_process_is_lost_and_drawn_at_the_next_attempt() -> None:
    request = a_request(prompt="crash-once")
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        for attempt in (1, 2):
            await ear.ready()
            task = a_task(request, attempt=attempt)
            await backend.submit(task)
        await ear.until(is_about(task, Drawn))
        lost = [report for report in ear.heard if isinstance(report, Lost)]
        assert [one.suspects for one in lost] == [(a_task(request, attempt=1).id,)]
        assert "status 3" in lost[0].reason


async def test_a_worker_that_hangs_in_a_step_is_replaced() -> None:
    task = a_task(a_request(prompt="hang"))
    async with ProcessBackend(model=NOISE, patience={Phase.DRAWING: 1.0}) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(task)
        lost = await ear.until(lambda report: isinstance(report, Lost))
        assert isinstance(lost, Lost)
        assert lost.suspects == (task.id,)
        assert "hung (drawing: no sign of life for 1 s)" in lost.reason
        await ear.ready()


@needs_signals
async def test_a_worker_that_stands_still_while_idle_is_noticed_at_the_next_task() -> None:
    task = a_task()
    async with ProcessBackend(model=NOISE, patience={Phase.DRAWING: 1.0}) as backend:
        ear = Ear(backend)
        await ear.ready()
        assert backend.pid is not None
        os.kill(backend.pid, signal.SIGSTOP)
        await backend.submit(task)
        lost = await ear.until(lambda report: isinstance(report, Lost))
        assert isinstance(lost, Lost)
        assert lost.bystanders == (task.id,)
        await ear.ready()


async def test_a_worker_that_hangs_while_loading_is_told_and_tried_again() -> None:
    async with ProcessBackend(model="fake:hang", patience={Phase.LOADING: 0.2}, restart=AT_ONCE) as backend:
        ear = Ear(backend)
        told = await ear.until(lambda report: isinstance(report, Unavailable))
        assert isinstance(told, Unavailable)
        assert f"ended {FAILED_STARTS} times in a row" in told.reason
        assert "hung (loading" in told.reason
        starts = [report for report in ear.heard if report == Entered(phase=Phase.STARTING)]
        assert len(starts) == FAILED_STARTS
        await ear.until(lambda report: report == Entered(phase=Phase.STARTING))


async def test_a_worker_that_always_crashes_while_loading_is_told_once() -> None:
    async with ProcessBackend(model="fake:crash", restart=AT_ONCE) as backend:
        ear = Ear(backend)
        await ear.until(lambda report: isinstance(report, Unavailable))
        for _ in range(3):
            await ear.until(lambda report: report == Entered(phase=Phase.LOADING))
        assert sum(isinstance(report, Unavailable) for report in ear.heard) == 1
        assert not any(isinstance(report, Lost) for report in ear.heard), "nothing was lost"


async def test_a_model_that_cannot_be_read_is_told_at_once_and_taken_when_it_is_mended(
    tmp_path: Path,
) -> None:
    model = tmp_path / "model.safetensors"
    async with ProcessBackend(model=str(model), reread=AT_ONCE) as backend:
        ear = Ear(backend)
        told = await ear.until(lambda report: isinstance(report, Unavailable))
        assert isinstance(told, Unavailable)
        assert f"There is no model at {model}" in told.reason
        assert backend.reject_reason(a_task()) is not None
        model.write_bytes(b"still not a model")
        told = await ear.until(lambda report: isinstance(report, Unavailable))
        assert isinstance(told, Unavailable)
        assert "not a whole safetensors file" in told.reason


async def test_a_task_that_comes_to_a_worker_without_a_model_is_given_back(tmp_path: Path) -> None:
    task = a_task()
    async with ProcessBackend(model=str(tmp_path / "gone.safetensors"), reread=AT_ONCE) as backend:
        ear = Ear(backend)
        await ear.until(lambda report: report == Entered(phase=Phase.LOADING))
        await backend.submit(task)  # a worker had a model; what it starts from was read meanwhile
        lost = await ear.until(lambda report: isinstance(report, Lost))
        assert isinstance(lost, Lost)
        assert (lost.suspects, lost.bystanders) == ((), (task.id,))


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
            closing = time.monotonic()
        assert time.monotonic() - closing < 3
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
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert not is_gone(worker)
        parent.kill()
    deadline = time.monotonic() + 10
    while not is_gone(worker):
        assert time.monotonic() < deadline, "the worker lives on alone"
        time.sleep(0.01)


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


async def test_another_task_buys_no_time_for_a_worker_that_hangs() -> None:
    hanging, second = a_task(a_request(prompt="hang", seed=Seed(1))), a_task(a_request(seed=Seed(2)))
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(hanging)
        await ear.until(is_about(hanging, Stepped))
        assert backend._watch is not None  # the deadline itself, since waiting for it takes minutes
        deadline = backend._watch.when()
        await backend.submit(second)
        assert backend._watch.when() == deadline


def several(folder: Path, *sources: str) -> Path:
    """A file that describes models of these sources."""
    file = folder / "models.toml"
    file.write_text("".join(f'[[model]]\nname = "{each}"\nsource = "{each}"\n' for each in sources))
    return file


async def test_a_model_whose_reading_hangs_is_given_up_and_the_others_lose_nothing(tmp_path: Path) -> None:
    drawn, again = (a_task(a_request(prompt="slow", steps=50), index=index) for index in range(2))
    waits = a_task(a_request("fake:hang"), job="waits")
    models = several(tmp_path, NOISE, "fake:hang")
    async with ProcessBackend(models=models, patience={Phase.LOADING: 1.5}) as backend:
        ear = Ear(backend)
        await ear.ready()
        pid = backend.pid
        await backend.submit(waits)
        await backend.submit(drawn)
        failed = await ear.until(is_about(waits, TaskFailed))
        assert isinstance(failed, TaskFailed)
        assert "Reading the model fake:hang stood still for 1.35 seconds" in failed.reason
        await ear.until(is_about(drawn, Drawn))
        await backend.submit(again)
        await ear.until(is_about(again, Stepped))
        assert backend.pid == pid
        assert not any(isinstance(report, Lost) for report in ear.heard)


async def test_a_download_buys_no_time_for_a_worker_that_hangs_in_a_step(tmp_path: Path) -> None:
    hanging, waits = a_task(a_request(prompt="hang")), a_task(a_request("fake:fetched"), job="waits")

    def is_coming(report: Report) -> bool:
        return isinstance(report, Loading) and report.model == "fake:fetched"

    async with ProcessBackend(models=several(tmp_path, NOISE, "fake:fetched")) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(waits)
        await ear.until(is_coming)
        await backend.submit(hanging)
        await ear.until(is_about(hanging, Stepped))
        await ear.until(is_coming)
        deadline = backend._due
        for _ in range(3):
            await ear.until(is_coming)
        assert backend._due == deadline is not None


# Freeing --------------------------------------------------------------------------------------------------


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


async def test_models_are_freed_after_what_is_in_hand_unless_more_comes_first() -> None:
    first, second = (a_task(a_request(prompt="slow", steps=4), job=job) for job in ("first", "second"))
    async with ProcessBackend(model=NOISE) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(first)
        backend.free()
        await ear.until(is_put_away)
        assert any(isinstance(report, Drawn) for report in ear.heard)
        await backend.submit(second)
        await ear.until(is_about(second, Stepped))
        backend.free()
        await backend.submit(first)
        await ear.until(is_about(first, Drawn))
        await ear.until(lambda report: isinstance(report, Entered) and report.phase is Phase.IDLE)
        await backend.submit(second)
        await ear.until(is_about(second, Drawn))
        assert sum(map(is_put_away, ear.heard)) == 1
