"""What each feature costs against the plain request, and whether the two still share their calls."""

from __future__ import annotations

import hashlib
import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.engine.beside import CONTROLNET, LORA, RANK, WORD
from benchmarks.engine.sides import Ours
from benchmarks.engine.work import Work
from generation.request import (
    Adapter,
    Control,
    Digest,
    Enlarger,
    GenerationRequest,
    Hires,
    Seed,
    Size,
    Start,
    Variation,
)

TOGETHER = 4
"""Requests that are drawn at once."""
Change = Callable[[GenerationRequest], GenerationRequest]


def features(work: Work, inputs: dict[Digest, bytes]) -> Mapping[str, Change]:
    """Each feature as a change of a plain request; the files that they need are put into `inputs`."""

    def keep(image: Image.Image) -> Digest:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        digest = Digest(hashlib.sha256(buffer.getvalue()).hexdigest())
        inputs[digest] = buffer.getvalue()
        return digest

    across, down = work.size.width, work.size.height
    photo = Image.linear_gradient("L").resize((across, down)).convert("RGB")
    marked = Image.new("L", (across, down))
    ImageDraw.Draw(marked).rectangle((across // 4, down // 4, across * 3 // 4, down * 3 // 4), fill=255)
    picture, mask, outlined = keep(photo), keep(marked), keep(marked.convert("RGB"))
    larger = Size(width=across * 3 // 2 // 16 * 16, height=down * 3 // 2 // 16 * 16)

    def hires(enlarger: Enlarger) -> Change:
        second = Hires(size=larger, steps=work.steps, strength=0.5, enlarger=enlarger)
        return lambda request: replace(request, hires=second)

    return {
        "variation": lambda request: replace(request, variations=(Variation(seed=Seed(9), strength=0.3),)),
        "negative prompt": lambda request: replace(request, negative_prompt="a circle, blurry"),
        "weights": lambda request: replace(request, prompt=f"({request.prompt}:1.2)"),
        "prompt of 2 chunks": lambda request: replace(request, prompt=f"{request.prompt} BREAK on paper"),
        "image, strength 1": lambda request: replace(request, start=Start(picture=picture, strength=1.0)),
        "image, strength 0.5": lambda request: replace(request, start=Start(picture=picture, strength=0.5)),
        "mask, strength 1": lambda request: replace(
            request, start=Start(picture=picture, mask=mask, strength=1.0)
        ),
        f"LoRA of rank {RANK}": lambda request: replace(request, adapters=(Adapter(name=LORA),)),
        "learned word": lambda request: replace(request, prompt=f"{request.prompt}, {WORD}"),
        "ControlNet, edges": lambda request: replace(
            request, controls=(Control(model=CONTROLNET, picture=outlined, preprocessor="edges"),)
        ),
        "ControlNet, half of the steps": lambda request: replace(
            request, controls=(Control(model=CONTROLNET, picture=outlined, end=0.5),)
        ),
        "hires 1.5, latents": hires(Enlarger.LATENTS),
        "hires 1.5, pixels": hires(Enlarger.PIXELS),
    }


def measure(ours: Ours, work: Work, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds for one image of TOGETHER that are drawn at once, plain and with each feature in turn."""
    every = features(work, ours.inputs)
    plain = work.equal(TOGETHER)
    asked = {name: [change(request) for request in plain] for name, change in every.items()}
    for requests in (plain, *asked.values()):  # prompts encoded, kernels chosen
        ours.serve(requests)
    times: dict[str, list[float]] = {name: [] for name in asked}
    against: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for name, requests in asked.items():
            against[name].append(ours.serve(plain).seconds / TOGETHER)
            times[name].append(ours.serve(requests).seconds / TOGETHER)
    return {
        "together": TOGETHER,
        "plain_s": round(statistics.median(time for each in against.values() for time in each), 4),
        "features": {
            name: {
                "times_plain": round(_ratio(times[name], against[name]), 3),
                "extra_s": round(statistics.median(map(float.__sub__, times[name], against[name])), 4),
                "steps": requests[0].steps_taken,
                "shares_calls": _shares(ours, plain, requests),
                "shares_with_its_like": _shares(ours, requests, requests),
            }
            for name, requests in asked.items()
        },
    }


def _ratio(times: Sequence[float], against: Sequence[float]) -> float:
    """The median of what was measured one right after the other."""
    return statistics.median(one / other for one, other in zip(times, against, strict=True))


def _shares(ours: Ours, plain: Sequence[GenerationRequest], others: Sequence[GenerationRequest]) -> bool:
    """Whether two requests and two others, drawn at once, are in one call."""
    alone = ours.serve(plain[:2]).most_rows
    return ours.serve([*plain[:2], *others[2:]]).most_rows > alone


def table(figures: Mapping[str, Any]) -> str:
    rows = [("", "times plain", "extra s", "steps", "in one call with plain ones", "with its like")]
    rows += [
        (
            name,
            str(each["times_plain"]),
            str(each["extra_s"]),
            str(each["steps"]),
            _yes(each["shares_calls"]),
            _yes(each["shares_with_its_like"]),
        )
        for name, each in figures["features"].items()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([f"plain: {figures['plain_s']} s an image, {figures['together']} at once", *lines])


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def plot(figures: Mapping[str, Any], path: Path) -> bool:
    """Save the plot as PNG; False if matplotlib is not installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return False
    names = list(figures["features"])
    figure, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    axes.barh(names, [figures["features"][name]["times_plain"] for name in names], color="#4f46e5")
    axes.axvline(1, color="#9ca3af")
    axes.invert_yaxis()
    axes.set_xlabel("time for an image, plain = 1")
    axes.set_title(f"{figures['model']} on {figures['device']}, {figures['together']} at once")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return True
