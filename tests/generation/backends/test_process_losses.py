"""A worker that dies, hangs or has no model is replaced; whoever it held is told of."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from generation.backends.process import FAILED_STARTS, ProcessBackend
from generation.messages import Drawn, Entered, Loading, Lost, Phase, Report, Stepped, TaskFailed, Unavailable
from generation.request import Seed
from tests.generation.backends.ears import AT_ONCE, Ear, is_about, pid_of
from tests.generation.toys import NOISE, a_request, a_task
from tests.posix import needs_signals


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


async def test_a_worker_that_tells_of_a_picture_it_does_not_have_is_replaced() -> None:
    twice, waits = a_task(a_request(prompt="twice")), a_task(a_request(prompt="slow", steps=150), index=1)
    async with ProcessBackend(model=NOISE, restart=AT_ONCE) as backend:
        ear = Ear(backend)
        await ear.ready()
        first = pid_of(backend)
        await backend.submit(twice)
        await backend.submit(waits)
        await ear.until(is_about(twice, Drawn))
        lost = await ear.until(lambda report: isinstance(report, Lost))
        assert isinstance(lost, Lost)
        assert waits.id in lost.suspects + lost.bystanders
        assert twice.id not in lost.suspects + lost.bystanders
        assert lost.reason == "the drawing process told of a picture that it does not have"
        await ear.ready()
        assert backend.pid != first


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
    async with ProcessBackend(model=NOISE, patience={Phase.DRAWING: 3.0}) as backend:
        ear = Ear(backend)
        await ear.ready()
        await backend.submit(task)
        lost = await ear.until(lambda report: isinstance(report, Lost))
        assert isinstance(lost, Lost)
        assert lost.suspects == (task.id,)
        assert "hung (drawing: no sign of life for 3 s)" in lost.reason
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
