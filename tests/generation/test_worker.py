"""The worker process speaks frames on its pipes and nothing else."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from generation.catalogue import describe
from generation.engine.reading import Finish, Reading, Tell
from generation.messages import Draw, Drawn, Entered, Leave, Loading, Phase, Ready, Report, Unavailable
from generation.safety import DEFAULT_CHECKER
from generation.sentence import Sentence
from generation.wire import encode, read_command
from generation.worker import UNREADABLE, _read
from tests.generation.toys import NOISE, a_task

ROOT = Path(__file__).parents[2]


def a_worker(model: str = NOISE) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "generation.worker", "--model", model, "--log-level", "WARNING"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def next_report(worker: subprocess.Popen[bytes]) -> Report | None:
    return cast("Report | None", read_command(cast(BinaryIO, worker.stdout)))  # both ways are framed alike


def test_a_worker_loads_waits_draws_and_leaves() -> None:
    with a_worker() as worker:
        assert worker.stdin is not None
        assert next_report(worker) == Entered(phase=Phase.LOADING)
        assert next_report(worker) == Loading(model=NOISE)
        assert next_report(worker) == Ready(model=NOISE, images=1, info=describe(NOISE))
        assert next_report(worker) == Entered(phase=Phase.IDLE)
        task = a_task()
        worker.stdin.write(encode(Draw(task=task)))
        worker.stdin.flush()
        said = [next_report(worker) for _ in range(3 + task.request.steps)]
        assert said[0] == Entered(phase=Phase.DRAWING, task=task.id)
        assert isinstance(said[-1], Drawn)
        assert next_report(worker) == Entered(phase=Phase.IDLE)
        worker.stdin.write(encode(Leave()))
        worker.stdin.flush()
        assert next_report(worker) is None
    assert worker.returncode == 0


def test_a_worker_ends_with_the_pipe_it_reads() -> None:
    with a_worker() as worker:
        next_report(worker)
        assert worker.stdin is not None
        worker.stdin.close()
    assert worker.returncode == 0


def test_a_worker_without_a_model_says_why_and_ends() -> None:
    with a_worker("weights.ckpt") as worker:
        assert next_report(worker) == Entered(phase=Phase.LOADING)
        told = next_report(worker)
        assert isinstance(told, Unavailable)
        assert "is a pickle" in told.reason
        assert isinstance(told.reason, Sentence), "it can be said in other languages"
        assert told.reason.plain()["with"] == {"source": "weights.ckpt"}
        assert next_report(worker) is None
    assert worker.returncode == UNREADABLE


def test_what_libraries_print_goes_to_the_log() -> None:
    code = (
        "from generation.worker import _own_stdout; pipe = _own_stdout(); "
        "print('chatter', flush=True); pipe.write(b'frame')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"frame"
    assert done.stderr.strip() == b"chatter"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a pipe stands for a file that cannot be read")
def test_a_model_counts_as_read_when_its_hash_is_known(
    toy_sd: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the thread that draws would wait for a disk that hangs, and everybody's pictures with it."""
    caplog.set_level(logging.INFO)
    folder = tmp_path / "model"
    shutil.copytree(toy_sd, folder)
    hanging = folder / "tokenizer" / "more.json"  # only the hash looks at it
    os.mkfifo(hanging)
    options = argparse.Namespace(
        device="cpu",
        dtype="auto",
        batch=2,
        calibration=None,
        compile=None,
        embeddings=None,
        loras=None,
        controlnets=None,
        depth=None,
        pose=None,
        people=None,
        safety_checker=DEFAULT_CHECKER,
        safety_fetch=False,
    )

    def read(tell: Tell) -> Finish:
        return _read(describe(str(folder)), options, lambda report: None, tell)

    loaded = threading.Event()

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if f"loaded {folder}" in record.getMessage():
                loaded.set()

    monkeypatch.setattr(logging.getLogger(), "handlers", [*logging.getLogger().handlers, Listening()])
    reading = Reading(str(folder), read, lambda fetched, total: None)
    assert loaded.wait(60)
    reading.wait(0.3)
    was_over = reading.is_over
    hanging.write_text("{}")
    assert not was_over
    reading.wait(60)
    assert reading.result()().info.name == "model"
