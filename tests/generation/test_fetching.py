"""A model comes from the hub, and that is told: the real worker, at a small hub on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO, cast

from generation.messages import Draw, Drawn, Entered, Loading, Phase, Ready, Report, TaskFailed
from generation.request import Size
from generation.wire import encode, read_command
from tests.generation.hub import Hub
from tests.generation.toys import a_request, a_task

ROOT = Path(__file__).parents[2]
GONE = "runwayml/stable-diffusion-v1-5"
REPO = "stable-diffusion-v1-5/stable-diffusion-v1-5"
TELLING_ALL = """
from generation import worker
from generation.engine import downloads
downloads.TOLD_S = 0.0
worker.main()
"""
FETCHED = ("scheduler", "text_encoder", "tokenizer", "unet", "vae")


def test_a_model_is_fetched_and_told_and_is_what_its_files_say(toy_sd: Path, tmp_path: Path) -> None:
    seen = threading.Event()

    def before(name: str) -> None:
        if name == "unet/diffusion_pytorch_model.safetensors":
            assert seen.wait(30)

    hub = Hub(REPO, toy_sd, before)
    (log := tmp_path / "log").touch()
    with hub.open() as address, log.open("wb") as stderr:
        environment = os.environ | {"HF_ENDPOINT": address, "HF_HUB_CACHE": str(tmp_path / "hub")}
        environment.pop("HF_HUB_OFFLINE", None)
        with subprocess.Popen(
            [sys.executable, "-c", TELLING_ALL, "--model", GONE, "--device", "cpu", "--batch", "2"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
        ) as worker:
            assert worker.stdin is not None
            said: list[Report] = []

            def next_report() -> Report:
                report = cast("Report | None", read_command(cast(BinaryIO, worker.stdout)))
                assert report is not None, log.read_text()
                said.append(report)
                return report

            while not isinstance(report := next_report(), Ready):
                if isinstance(report, Loading) and 0 < report.fetched < report.total:
                    seen.set()
            wrong, right = Size(width=512, height=512), Size(width=64, height=64)
            for job, size in (("as it was judged", wrong), ("as it is", right)):
                task = a_task(a_request(REPO, size=size, steps=1), job=job)
                worker.stdin.write(encode(Draw(task=task)))
            worker.stdin.flush()
            while not isinstance(next_report(), Drawn):
                pass
            worker.stdin.close()

    told = [report for report in said if isinstance(report, Loading)]
    total = sum(path.stat().st_size for part in FETCHED for path in (toy_sd / part).iterdir())
    assert {report.model for report in told} == {REPO}
    assert {report.total for report in told} == {0, total}
    assert (told[0].total, told[-1].total) == (0, 0), "before it is known, and when it has come"
    coming = [report.fetched for report in told[1:-1]]
    assert coming == sorted(coming)
    assert coming[0] == 0
    held_back = (toy_sd / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size
    assert 0 < coming[1] <= total - held_back
    assert coming[-1] <= total

    (ready,) = [report for report in said if isinstance(report, Ready)]
    assert (ready.info.native, ready.info.multiple, ready.info.max_edge) == (64, 16, 128)
    (failed,) = [report for report in said if isinstance(report, TaskFailed)]
    assert failed.task.job == "as it was judged"
    assert "each edge must be 64 to 128 pixels" in failed.reason
    assert "I knew this model only by its name" in failed.reason
    assert Entered(phase=Phase.LOADING) in said

    lines = log.read_text()
    assert f"{GONE} is gone from Hugging Face; {REPO} is its successor and is used." in lines
    assert f"fetching {REPO}" in lines
    assert f"downloading stable-diffusion-v1-5: 0.0 of {total / 1e6:.1f} MB" in lines
    assert "downloaded stable-diffusion-v1-5 in" in lines
    assert "HTTP Request" not in lines
