"""The whole path, from a command sent in chat to its picture fetched, against the bare diffusers pipeline."""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch

from benchmarks.engine.report import OURS, THEIRS
from benchmarks.place import ROOT, circumstances, peak_resident, percentile, playground, tell
from generation.samplers import SAMPLERS
from playground.person import Person
from playground.reading import pictures_of, text_of

MODEL = ROOT / "models" / "mini"
SETTINGS = {"size": "128x128", "steps": 20, "guidance": 2.5, "sampler": "DPM++ 2M Karras"}
WARM_UP = 3
PACE = 0.05
"""Seconds between two commands: faster than people ask, slower than where Discord stops one of them."""
ACK_TARGET = 500
"""Milliseconds."""
OWN_START = re.compile(r"saved", re.IGNORECASE)


class BarePipeline:
    """diffusers alone, as somebody would call it in a script: no queue, no chat, no PNG file."""

    def __init__(self) -> None:
        self._pipe = diffusers.StableDiffusionPipeline.from_pretrained(MODEL, dtype=torch.float32)
        spec = SAMPLERS[str(SETTINGS["sampler"])]
        scheduler = getattr(diffusers, spec.scheduler)
        self._pipe.scheduler = scheduler.from_config(self._pipe.scheduler.config, **spec.overrides)
        self._pipe.set_progress_bar_config(disable=True)

    def seconds(self, prompt: str, seed: int) -> float:
        start = time.perf_counter()
        self._pipe(
            prompt,
            width=128,
            height=128,
            num_inference_steps=SETTINGS["steps"],
            guidance_scale=SETTINGS["guidance"],
            generator=torch.Generator("cpu").manual_seed(seed),
        )
        return time.perf_counter() - start


async def whole_path(person: Person, prompt: str, seed: int) -> float:
    """Seconds from sending the command to having the bytes of its picture."""
    start = time.perf_counter()
    asked = await person.command("imagine", {"prompt": prompt, "seed": seed} | SETTINGS)
    message = await person.answer(asked, pictures_of)
    await person.fetch(pictures_of(message)[0])
    return time.perf_counter() - start


async def compare(person: Person, runs: int) -> list[tuple[float, float]]:
    """(whole path, bare pipeline) in turn, the same prompt and seed for both, a new prompt for each pair."""
    bare = BarePipeline()
    colours = ["red", "blue", "green", "yellow", "purple", "orange", "pink", "white"]
    pairs = []
    for run in range(WARM_UP + runs):
        ground = colours[(run + 3) % len(colours)]
        prompt = f"a {colours[run % len(colours)]} circle on a {ground} background, number {run}"
        pair = (await whole_path(person, prompt, seed=run), bare.seconds(prompt, seed=run))
        if run >= WARM_UP:
            pairs.append(pair)
    return pairs


async def acknowledgements(person: Person, count: int) -> list[float]:
    """Milliseconds until a command is acknowledged while the worker computes on all cores."""
    busy = {"prompt": "a house", "count": 4, "steps": 150}
    drawing = [await person.command("imagine", busy) for _ in range(4)]
    await person.answer(drawing[0], lambda message: "Drawing" in text_of(message), timeout=60)
    took = []
    for _ in range(count):
        asked = await person.command("imagine", {"prompt": "a red circle", **SETTINGS})
        took.append(asked.seconds * 1000)
        await asyncio.sleep(PACE)
    last = await person.answer(drawing[-1], lambda message: True)
    if pictures_of(last):
        raise RuntimeError("the worker had nothing left to draw before the last acknowledgement")
    return took


async def peak_memory(person: Person, bot_pid: int) -> float | None:
    """The most memory (MB, resident) that the bot's process ever had, four pictures delivered last."""
    asked = await person.command("imagine", {"prompt": "a sun over green hills", "count": 4})
    await person.answer(asked, lambda message: len(pictures_of(message)) == 4, timeout=120)
    return peak_resident(bot_pid)


async def first_picture(data: Path) -> float:
    """Seconds from `make demo` in an installed clone to the line that says where the first picture is."""
    # What is not installed yet is no part of it, nor is what the last line printed must be.
    setup = await asyncio.create_subprocess_exec("make", "setup", cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    if await setup.wait():
        raise RuntimeError("make setup failed")
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *("make", "--no-print-directory", "demo"),
        cwd=ROOT,
        env=os.environ | {"PLAYGROUND_DATA": str(data), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(180):
            async for line in process.stdout:
                if OWN_START.search(line.decode()):
                    return time.perf_counter() - start
        raise RuntimeError("make demo ended without a picture")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        await process.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run of the benchmark saw."""

    pairs: list[tuple[float, float]]
    """Seconds of the whole path and of the bare pipeline."""
    acknowledged: list[float]
    """Milliseconds."""
    bot_rss_mb: float | None
    first_picture_s: float


async def measure(runs: int, acks: int) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        first = await first_picture(data / "demo")
        room = {"MAX_WAITING": "1000", "MAX_WAITING_PER_PERSON": "1000", "LOG_LEVEL": "WARNING"}
        async with playground(data / "path", room) as place, _somebody(place) as person:
            pairs = await compare(person, runs)
            memory = await peak_memory(person, place["bot_pid"])
        async with playground(data / "acks", room) as place, _somebody(place) as person:
            took = await acknowledgements(person, acks)
    return Measured(pairs=pairs, acknowledged=took, bot_rss_mb=memory, first_picture_s=first)


def figures_of(measured: Measured) -> dict[str, Any]:
    """The figures, with where and with what they were taken."""
    pairs, took, memory = measured.pairs, measured.acknowledged, measured.bot_rss_mb
    path, bare = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "overhead_ratio": round(statistics.median(whole / alone for whole, alone in pairs), 4),
        "ack_p99_ms": round(percentile(took, 0.99), 1),
        "bot_rss_mb": None if memory is None else round(memory, 1),
        "first_picture_s": round(measured.first_picture_s, 1),
        "path_ms": round(path * 1000, 1),
        "bare_ms": round(bare * 1000, 1),
        "overhead_ms": round(statistics.median((whole - alone) * 1000 for whole, alone in pairs), 1),
        "ratio_range": [round(f(whole / alone for whole, alone in pairs), 3) for f in (min, max)],
        "ack_p50_ms": round(percentile(took, 0.5), 1),
        "runs": len(pairs),
        "acks": len(took),
        "threads": torch.get_num_threads(),
        **circumstances(),
    }


def plot(measured: Measured, figures: Mapping[str, Any], path: Path) -> bool:
    """Save the plot as PNG; False if matplotlib is not installed."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return False
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    runs = range(1, len(measured.pairs) + 1)
    for side, colour, label in ((1, THEIRS, "bare pipeline"), (0, OURS, "whole path")):
        left.plot(runs, [pair[side] * 1000 for pair in measured.pairs], "o-", color=colour, label=label)
    left.set(xlabel="pair", ylabel="ms", ylim=(0, None))
    left.xaxis.get_major_locator().set_params(integer=True)
    left.set_title(f"From the command to the picture: {figures['overhead_ratio']:g} times the bare pipeline")
    took = sorted(measured.acknowledged)
    shares = [(index + 1) / len(took) * 100 for index in range(len(took))]
    right.step(took, shares, where="post", color=OURS, label="acknowledged", linewidth=2)
    right.axvline(ACK_TARGET, color="black", linewidth=0.6, linestyle=":", label="target for the p99")
    right.set(xlabel="ms", ylabel="% of the commands", xlim=(0, None), ylim=(0, 101))
    right.set_title(f"Acknowledged while the worker draws: p99 {figures['ack_p99_ms']:g} ms")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def _somebody(place: Mapping[str, Any]) -> Person:
    return Person(
        api=place["api"],
        gateway=place["gateway"],
        token=place["users"][0]["token"],
        channel_id=place["channel_id"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.path", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="pairs of whole path and bare pipeline")
    parser.add_argument("--acks", type=int, default=200, help="acknowledgements while the worker is busy")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "out", help="folder for the plot")
    options = parser.parse_args()
    report(asyncio.run(measure(options.runs, options.acks)), options.out)


def report(measured: Measured, out: Path) -> None:
    """Print a table and, as the last line, the figures as JSON; save the plot in `out`."""
    figures = figures_of(measured)
    rows = [
        ("whole path, median", f"{figures['path_ms']} ms"),
        ("bare pipeline, median", f"{figures['bare_ms']} ms"),
        ("overhead, median of pairs", f"{figures['overhead_ms']} ms, ratio {figures['overhead_ratio']}"),
        ("acknowledged, p50 and p99", f"{figures['ack_p50_ms']} and {figures['ack_p99_ms']} ms"),
        ("bot's peak memory", f"{figures['bot_rss_mb']} MB"),
        ("make demo to first picture", f"{figures['first_picture_s']} s"),
    ]
    out.mkdir(parents=True, exist_ok=True)
    place = out / "path.png"
    tell(rows, figures, place, is_drawn=plot(measured, figures, place))


if __name__ == "__main__":
    main()
