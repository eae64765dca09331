"""`python -m benchmarks.engine`: measure, print a table, save a plot, and say it all in one line of JSON."""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.engine import __doc__ as about
from benchmarks.engine import palette, profiling
from benchmarks.engine.companions import REAL, TOY
from benchmarks.engine.compare import (
    DifferentWork,
    Extent,
    check_in_float32,
    first_step,
    latencies,
    lone,
    same_work,
    throughput,
)
from benchmarks.engine.memory import peak_mb
from benchmarks.engine.report import plot, table
from benchmarks.engine.sides import Ours, Stock
from benchmarks.engine.weights import ARCHITECTURES, folder
from benchmarks.engine.work import GUIDANCE, SAMPLER, Work
from benchmarks.place import ROOT, circumstances
from generation.catalogue import UnreadableModel, describe
from generation.request import InvalidRequest

OUT = ROOT / "benchmarks" / "out"


def positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=about)
    parser.add_argument(
        "--model", default="mini", help="mini, sd15, sdxl (random weights) or a folder in diffusers' format"
    )
    parser.add_argument(
        "--all", action="store_true", help="mini, sd15 and sdxl, each in a process of its own"
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", help="auto is float16 on a GPU, float32 on the CPU")
    parser.add_argument("--requests", type=positive, help="how many are asked for at once (16; quick: 4)")
    parser.add_argument("--steps", type=positive, default=20, help="mixed ones have 0.4 to 1.5 times as many")
    parser.add_argument("--edge", type=positive, help="pixels; the model's own if not given")
    parser.add_argument("--rounds", type=positive, help="how often all is measured in turn (3; quick: 1)")
    parser.add_argument("--seconds", type=float, help="how long people arrive at each load (60; quick: 10)")
    parser.add_argument(
        "--cap", type=positive, help="the most images in a UNet call, if not what the engine finds"
    )
    parser.add_argument(
        "--palette", action="store_true", help="what each feature costs against the plain request, instead"
    )
    parser.add_argument(
        "--profile", action="store_true", help="what a tick is spent on and who waits for the device, instead"
    )
    parser.add_argument("--quick", action="store_true", help="a look at it, not a measurement")
    parser.add_argument("--out", type=Path, default=OUT, help="where the JSON, the plot and the models go")
    return parser


def measure(given: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures, and the latencies of every request, for the plot."""
    extent = Extent(
        requests=given.requests or (4 if given.quick else 16),
        rounds=given.rounds or (1 if given.quick else 3),
        seconds=given.seconds or (10.0 if given.quick else 60.0),
    )
    say("making ready")
    source = folder(given.model, given.out / "models")
    edge = given.edge or describe(str(source)).native
    work = Work.square(source, edge, given.steps)
    work.longest()  # refused now, not after minutes
    ours = Ours.load(source, given.device, given.dtype, given.cap)
    device, dtype = ours.model.device, ours.model.dtype
    stock = Stock(source, device, dtype)
    say("comparing what the two draw")
    if dtype is torch.float32 and device.type == "cpu":
        same = same_work(stock, ours, work, count=2)
    else:
        same = check_in_float32(source, given.device, work)
    ips = throughput(stock, ours, work, extent, say)
    batch = ips.pop("batch")
    alone = lone(stock, ours, work, times=2 * extent.rounds + 1)
    say("a short one among long ones")
    entered = first_step(ours, work, batch, times=2 * extent.rounds + 1)
    waits = latencies(stock, ours, work, extent, say)
    raw = waits.pop("raw")
    threads, native_cap = torch.get_num_threads(), ours.engine.batch
    del ours, stock
    gc.collect()
    say("measuring memory")
    # Calibration is done once on a machine and would draw more at once than it then chooses.
    cap = batch if given.cap is None else given.cap
    memory = {
        side: peak_mb(
            side, source, work, device=given.device, dtype=given.dtype, batch=extent.requests, cap=cap
        )
        for side in ("engine", "stock")
    }
    figures = {
        "model": given.model if given.model in ("mini", *ARCHITECTURES) else source.resolve().name,
        "device": device.type,
        "serial_ips": ips["serial_ips"],
        "offline_batch_ips": ips["offline_batch_ips"],
        "engine_ips": ips["engine_ips"],
        "p95_ratio_080": waits["p95_ratio_080"],
        "p95_ratio_130": waits["p95_ratio_130"],
        "first_step_ticks": entered["first_step_ticks"],
        "lone_s": alone["lone_s"],
        "peak_mb": round(memory["engine"], 1),
        "roofline": ips["roofline"],
        **ips,
        **waits,
        **entered,
        **alone,
        "serial_peak_mb": round(memory["stock"], 1),
        "peak_of": "the GPU's memory" if device.type == "cuda" else "the process",
        "same_work": same,
        "offline_batch": batch,
        "cap": native_cap,
        "cap_from": "calibration" if given.cap is None else "the command line",
        "dtype": str(dtype).removeprefix("torch."),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cuda": torch.version.cuda,
        "threads": threads,
        "settings": {
            "size": str(work.size),
            "steps": work.steps,
            "sampler": SAMPLER,
            "guidance": GUIDANCE,
            "mixed_steps": [work.fewest, work.most],
            "requests": extent.requests,
            "rounds": extent.rounds,
            "seconds": extent.seconds,
        },
        **circumstances(),
    }
    return figures, raw


def measure_palette(given: argparse.Namespace) -> dict[str, Any]:
    """The figures of :mod:`benchmarks.engine.palette`, printed as a table and kept as JSON and as a plot."""
    source = folder(given.model, given.out / "models")
    work = Work.square(source, given.edge or describe(str(source)).native, given.steps)
    besides = given.out / "beside", TOY if given.quick else REAL
    ours = Ours.load(source, given.device, given.dtype, given.cap or palette.TOGETHER, besides)
    rounds = given.rounds or (1 if given.quick else 5)
    figures = {
        "model": given.model,
        "device": ours.model.device.type,
        "dtype": str(ours.model.dtype).removeprefix("torch."),
        **palette.measure(ours, work, rounds, say),
        "settings": {"size": str(work.size), "steps": work.steps, "rounds": rounds},
        **circumstances(),
    }
    name = f"palette-{Path(figures['model']).name}-{figures['device']}"
    (given.out / f"{name}.json").write_text(json.dumps(figures, indent=1))
    print(palette.table(figures))
    if palette.plot(figures, given.out / f"{name}.png"):
        print(f"plot: {given.out / name}.png")
    return figures


def measure_profile(given: argparse.Namespace) -> dict[str, Any]:
    """The figures of :mod:`benchmarks.engine.profiling`, printed as a table and kept as JSON with a trace."""
    source = folder(given.model, given.out / "models")
    work = Work.square(source, given.edge or describe(str(source)).native, given.steps)
    count = given.requests or 10
    # With equal steps they are in flight together, and nothing is decoded in most ticks.
    requests = [replace(request, steps=given.steps) for request in work.mixed(count)]
    ours = Ours.load(source, given.device, given.dtype, given.cap or count)
    name = f"profile-{Path(given.model).name}-{ours.model.device.type}"
    figures = {
        "model": given.model,
        "device": ours.model.device.type,
        "dtype": str(ours.model.dtype).removeprefix("torch."),
        **profiling.measure(ours, requests, given.out / f"{name}.json.gz"),
        "settings": {"size": str(work.size), "steps": work.steps, "cap": given.cap or count},
        **circumstances(),
    }
    (given.out / f"{name}.json").write_text(json.dumps(figures, indent=1))
    print(profiling.table(figures))
    print(f"trace: {given.out / name}.json.gz")
    return figures


def say(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", file=sys.stderr, flush=True)


def run_all(arguments: Sequence[str], out: Path) -> dict[str, Any]:
    """Each model in a process of its own, so that none pays for another's memory."""
    every = {}
    for model in ("mini", *ARCHITECTURES):
        asked = [sys.executable, "-m", "benchmarks.engine", *arguments, "--model", model]
        with subprocess.Popen(asked, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            last = ""
            for last in process.stdout:
                print(last, end="", flush=True)
        if process.returncode:
            raise SystemExit(f"{model} ended with {process.returncode}")
        every[model] = json.loads(last)
    return every


def main(arguments: Sequence[str] | None = None) -> None:
    arguments = sys.argv[1:] if arguments is None else arguments
    given = options().parse_args(arguments)
    if given.all:
        rest = [argument for argument in arguments if argument != "--all"]
        print(json.dumps(run_all(rest, given.out)))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    if given.palette:
        print(json.dumps(measure_palette(given)))
        return
    if given.profile:
        print(json.dumps(measure_profile(given)))
        return
    try:
        figures, raw = measure(given)
    except (UnreadableModel, InvalidRequest, FileNotFoundError, DifferentWork) as error:
        raise SystemExit(str(error)) from error
    name = f"engine-{figures['model']}-{figures['device']}"
    (given.out / f"{name}.json").write_text(json.dumps(figures | {"latencies_s": raw}, indent=1))
    print(table(figures))
    if plot(figures, raw, given.out / f"{name}.png"):
        print(f"plot: {given.out / name}.png")
    else:
        print("no plot: matplotlib is not installed")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
