"""The most memory that one side needs, measured in a process that holds nothing else."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.engine.sides import Ours, Stock
from benchmarks.engine.work import Work
from benchmarks.place import ROOT, peak_resident
from generation.engine.models import choose_device, choose_dtype

_STEPS = 2
"""The peak does not depend on how many there are."""


def peak_mb(
    side: str, source: Path, work: Work, *, device: str, dtype: str, batch: int, cap: int | None
) -> float:
    """MB that a fresh process needs at the most to draw `batch` pictures: resident, on CUDA of the GPU.

    Args:
        side: "engine" draws them side by side as it likes, "stock" one after another.
    """
    asked = [sys.executable, "-m", "benchmarks.engine.memory", side, str(source), str(work.size.width)]
    asked += [device, dtype, str(batch), *([] if cap is None else ["--cap", str(cap)])]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the process that measures memory ended with {done.returncode}:\n{done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mb"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.memory")
    parser.add_argument("side", choices=["engine", "stock"])
    parser.add_argument("source", type=Path)
    parser.add_argument("edge", type=int)
    parser.add_argument("device")
    parser.add_argument("dtype")
    parser.add_argument("batch", type=int)
    parser.add_argument("--cap", type=int)
    given = parser.parse_args()
    work = Work.square(given.source, given.edge, _STEPS)
    device = choose_device(given.device)
    if given.side == "engine":
        Ours.load(given.source, given.device, given.dtype, given.cap).serve(work.equal(given.batch))
    else:
        Stock(given.source, device, choose_dtype(given.dtype, device)).batched(work.equal(given.batch), 1)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 1e6
    else:
        peak = peak_resident(os.getpid()) or float("nan")
    print(json.dumps({"peak_mb": peak}))


if __name__ == "__main__":
    main()
