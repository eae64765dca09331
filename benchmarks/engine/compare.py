"""The measurements: both sides in one run, in turn, on the same machine with the same settings."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageChops, ImageStat

from benchmarks.engine.roofline import arithmetic, known_peak, matmul_flops
from benchmarks.engine.sides import Ours, Served, Stock, rows_through
from benchmarks.engine.work import Work, first_come_first_served, poisson
from generation.engine.pacing import finish
from generation.request import MAX_STEPS, GenerationRequest

LOADS = (0.8, 1.3)
"""Of what the stock pipeline can draw one after another."""

_RATES = ("serial", "offline_batch", "engine", "serial_mixed", "engine_mixed")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured."""

    requests: int
    """How many are asked for at once."""
    rounds: int
    """How often everything is measured in turn; figures are medians of the rounds."""
    seconds: float
    """How long people arrive at each load."""


class DifferentWork(Exception):  # noqa: N818 - it is a sentence for whoever measures
    """The two sides do not draw the same pictures, so comparing their times means nothing."""


def same_work(stock: Stock, ours: Ours, work: Work, count: int) -> dict[str, Any]:
    """Draw the same with both sides, and compare the pictures and the rows of all UNet calls.

    Both are in float32: in half precision they round at different places.

    Raises:
        DifferentWork: a picture differs by more than 1/255 somewhere, or our UNet computed fewer rows.
    """
    requests = work.equal(count)
    with rows_through(stock.pipe.unet) as stock_rows:
        expected = stock.batched(requests, 1)
    with rows_through(ours.model.unet) as our_rows:
        pngs = ours.serve(requests).pngs
    differences = [ImageChops.difference(a, _picture(b)) for a, b in zip(expected, pngs, strict=True)]
    largest = max(level for difference in differences for level in _levels(difference))
    if largest > 1:
        raise DifferentWork(f"the two sides' pictures differ by {largest}/255; there is nothing to compare")
    if sum(our_rows) < sum(stock_rows):
        raise DifferentWork(f"our UNet computed {sum(our_rows)} rows, diffusers' {sum(stock_rows)}")
    return {
        "pictures_compared": count,
        "largest_difference": largest,
        "picture_spread": round(min(_spread(picture) for picture in expected), 1),
        "unet_rows": {"stock": sum(stock_rows), "engine": sum(our_rows)},
    }


def _picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def _levels(picture: Image.Image) -> tuple[int, ...]:
    """The highest level of each channel."""
    return tuple(int(channel.getextrema()[1]) for channel in picture.split())  # type: ignore[arg-type]


def _spread(picture: Image.Image) -> float:
    """Standard deviation of the levels: nothing differs between two grey pictures."""
    return float(max(ImageStat.Stat(picture).stddev))


def throughput(stock: Stock, ours: Ours, work: Work, extent: Extent, say: Say) -> dict[str, Any]:
    """Images a second of all who ask at once: (a) one after another, (b) an offline batch, (c) our engine."""
    device, dtype, count = ours.model.device, ours.model.dtype, extent.requests
    say("warming up")
    warm = ours.serve(work.equal(count))
    batch = max(1, warm.most_rows // 2)
    ours.serve(work.mixed(count))
    stock.batched(work.equal(batch), batch)
    say(f"our engine draws {batch} at once")

    def timed(draw: Callable[..., object], *what: object) -> float:
        finish(device)
        start = time.perf_counter()
        draw(*what)
        finish(device)
        return count / (time.perf_counter() - start)

    rounds: list[dict[str, float]] = []
    for number in range(extent.rounds):
        equal = work.equal(count, first=(number + 1) * count)
        mixed = work.mixed(count, first=(number + 1) * count)
        parts: dict[str, Callable[[], float]] = {
            "serial": partial(timed, stock.batched, equal, 1),
            "offline_batch": partial(timed, stock.batched, equal, batch),
            "engine": partial(timed, ours.serve, equal),
            "engine_mixed": partial(timed, ours.serve, mixed),
            "serial_mixed": partial(timed, stock.batched, mixed, 1),
            "matmul": partial(matmul_flops, device, dtype),
        }
        order = list(parts) if number % 2 == 0 else list(reversed(parts))
        rounds.append({name: parts[name]() for name in order})
        shown = ", ".join(f"{name} {rounds[-1][name]:.3g}" for name in _RATES)
        say(f"round {number + 1} of {extent.rounds}, images/s: {shown}")
    return _summary(ours, work, rounds) | {"batch": batch}


def _summary(ours: Ours, work: Work, rounds: list[dict[str, float]]) -> dict[str, Any]:
    model = ours.model
    per_picture = arithmetic(model, work.size.width, work.size.height).of(work.equal(1)[0])
    known = known_peak(model.device, model.dtype)

    for each in rounds:
        each["peak"] = known or each["matmul"]

    def median(name: str, over: str | None = None, factor: float = 1.0) -> float:
        values = [each[name] / (1.0 if over is None else each[over]) for each in rounds]
        return _short(factor * statistics.median(values))

    return {
        **{f"{name}_ips": median(name) for name in _RATES},
        "engine_over_serial": median("engine", "serial"),
        "engine_over_offline_batch": median("engine", "offline_batch"),
        "mixed_over_serial": median("engine_mixed", "serial_mixed"),
        "roofline": median("engine", "peak", per_picture),
        "tflop_per_image": _short(per_picture / 1e12),
        "matmul_tflops": median("matmul", factor=1e-12),
        "peak_tflops": median("peak", factor=1e-12),
        "peak_from": "a table" if known else "the matrix product measured in this run",
        "rounds": [{name: _short(each[name]) for name in _RATES} for each in rounds],
    }


def _short(value: float) -> float:
    """Four digits that count: more would pretend."""
    return float(f"{value:.4g}")


def latencies(stock: Stock, ours: Ours, work: Work, extent: Extent, say: Say) -> dict[str, Any]:
    """(d) People arrive by chance; from asking to having, ours against one after another in order of arrival.

    Ours runs in real time. The other side is a queue computed from how long the stock pipeline took for each
    of the same requests alone, which is what a real one would do; a third of these times are taken before,
    between and after our two runs.
    """
    ends = [stock.seconds(request) for request in (work.shortest(), work.longest())]
    rough = statistics.mean(ends)
    counts = [max(4, round(extent.seconds * load / rough)) for load in LOADS]
    requests = work.varied(max(counts))
    third = -(-len(requests) // 3)
    services = [stock.seconds(request) for request in requests[:third]]
    mean = _mean_service(work, [request.steps for request in requests[:third]], services)
    results: dict[str, Any] = {"raw": {}}
    for number, (load, count) in enumerate(zip(LOADS, counts, strict=True), start=1):
        say(f"{count} people arrive at {load} of what one after another can draw")
        arrivals = poisson(count, load / mean)
        served = ours.serve(requests[:count], arrivals)
        services += [stock.seconds(request) for request in requests[number * third : (number + 1) * third]]
        results["raw"][load] = (arrivals, served)
    raw, results["raw"] = results["raw"], {}
    for load, (arrivals, served) in raw.items():
        fifo = first_come_first_served(arrivals, services[: len(arrivals)])
        name = f"{round(load * 100):03}"
        results[f"load_{name}"] = _latency(arrivals, served, fifo, services)
        results[f"p95_ratio_{name}"] = _short(_p(served.latencies, 95) / _p(fifo, 95))
        results["raw"][name] = {"engine": served.latencies, "first_come_first_served": fifo}
    return results


def _latency(
    arrivals: list[float], served: Served, fifo: list[float], services: list[float]
) -> dict[str, Any]:
    def described(values: list[float]) -> dict[str, float]:
        return {
            "mean_s": _short(statistics.mean(values)),
            "p50_s": _short(_p(values, 50)),
            "p95_s": _short(_p(values, 95)),
        }

    return {
        "requests": len(arrivals),
        "seconds": round(arrivals[-1], 1),
        "load": _short(sum(services[: len(arrivals)]) / arrivals[-1]),
        "engine": described(served.latencies),
        "first_come_first_served": described(fifo),
    }


def _p(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent))


def _mean_service(work: Work, steps: list[int], seconds: list[float]) -> float:
    """Seconds for a picture of the mean number of steps, by a line through those that were taken."""
    if len(set(steps)) < 2:
        return statistics.mean(seconds)
    slope, base = np.polyfit(steps, seconds, 1)
    return float(base + slope * (work.fewest + work.most) / 2)


def lone(stock: Stock, ours: Ours, work: Work, times: int) -> dict[str, Any]:
    """Seconds for one request when nobody else asks, both sides in turn."""
    engine, alone = [], []
    for number in range(times):
        request = work.equal(1, first=number)[0]
        engine.append(ours.serve([request]).seconds)
        alone.append(stock.seconds(request))
    return {
        "lone_s": _short(statistics.median(engine)),
        "serial_lone_s": _short(statistics.median(alone)),
        "lone_over_serial": _short(statistics.median(a / b for a, b in zip(engine, alone, strict=True))),
    }


def first_step(ours: Ours, work: Work, batch: int, times: int) -> dict[str, Any]:
    """(e) A short request comes while long ones run: ticks and seconds until its first step is done.

    With one place free (if the engine draws more than one at once), and with twice as many long ones in hand
    as it draws at once.
    """
    long = _many(work, max(1, batch - 1))
    short = work.shortest()
    tries = [ours.first_step(short, long, after=1 + number) for number in range(times)]
    full = ours.first_step(short, _many(work, 2 * batch), after=1)
    return {
        "first_step_ticks": max(each.ticks for each in tries),
        "first_step_s": _short(statistics.median(each.seconds for each in tries)),
        "first_step_among": len(long),
        "first_step_ticks_full": full.ticks,
        "first_step_s_full": _short(full.seconds),
        "long_steps": long[0].steps,
    }


def _many(work: Work, count: int) -> list[GenerationRequest]:
    return replace(work, steps=min(MAX_STEPS, work.steps * 5 // 2)).equal(count)


def check_in_float32(source: Path, device: str, work: Work, cap: int = 2) -> dict[str, Any]:
    """:func:`same_work` with both sides loaded for it, and left again."""
    ours = Ours.load(source, device, "float32", cap)
    where = ours.model.device
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False  # it has ten bits where float32 has 23
    try:
        return same_work(Stock(source, where, torch.float32), ours, work, count=2)
    finally:
        torch.backends.cudnn.allow_tf32 = before
        del ours
        if where.type == "cuda":
            torch.cuda.empty_cache()
