"""What each feature costs against the plain request, and whether the two still share their calls."""

from __future__ import annotations

import hashlib
import io
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.engine.beside import CONTROLNET, LORA, RANK, UPSCALER, WORD
from benchmarks.engine.companions import UPSCALED
from benchmarks.engine.sides import Ours
from benchmarks.engine.work import Work
from generation.request import (
    Adapter,
    Control,
    Digest,
    Enlarger,
    GenerationRequest,
    Hires,
    Look,
    Seed,
    Size,
    Start,
    Upscale,
    Variation,
)

TOGETHER = 4
"""Requests that are drawn at once."""
Change = Callable[[GenerationRequest], GenerationRequest]


@dataclass(frozen=True, slots=True)
class Feature:
    """What makes another request of a plain one."""

    change: Change
    checked: bool = False
    """The safety checker looks at the picture."""


def features(work: Work, inputs: dict[Digest, bytes]) -> Mapping[str, Feature]:
    """Each feature; the files that they need are put into `inputs`."""

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
    around = Image.new("L", (larger.width, larger.height), 255)
    around.paste(0, (larger.width // 6, larger.height // 6, larger.width * 5 // 6, larger.height * 5 // 6))
    grown, ring = keep(photo.resize((larger.width, larger.height))), keep(around)

    def with_(**changes: Any) -> Feature:
        return Feature(lambda request: replace(request, **changes))

    def said(pattern: str) -> Feature:
        return Feature(lambda request: replace(request, prompt=pattern.format(request.prompt)))

    def started(strength: float, mask: Digest | None = None) -> Feature:
        return with_(start=Start(picture=picture, strength=strength, mask=mask))

    def hires(enlarger: Enlarger, upscaler: str | None = None) -> Feature:
        second = Hires(size=larger, steps=work.steps, strength=0.5, enlarger=enlarger, upscaler=upscaler)
        return with_(hires=second)

    def steered(preprocessor: str | None, **part: float) -> Feature:
        control = Control(model=CONTROLNET, picture=outlined, preprocessor=preprocessor, **part)
        return with_(controls=(control,))

    return {
        "variation": with_(variations=(Variation(seed=Seed(9), strength=0.3),)),
        "negative prompt": with_(negative_prompt="a circle, blurry"),
        "weights": said("({}:1.2)"),
        "clip skip": with_(clip_skip=2),
        "prompt of 2 chunks": said("{} BREAK on paper"),
        "image, strength 1": started(1.0),
        "image, strength 0.5": started(0.5),
        "inpainting, strength 1": started(1.0, mask),
        "outpainting by half": with_(
            size=larger, start=Start(picture=grown, mask=ring, strength=1.0, blur=2)
        ),
        f"LoRA of rank {RANK}": with_(adapters=(Adapter(name=LORA),)),
        "learned word": said(f"{{}}, {WORD}"),
        "look": with_(look=Look(picture=picture)),
        "ControlNet, edges": steered("edges"),
        "ControlNet, depth": steered("depth"),
        "ControlNet, pose": steered("pose"),
        "ControlNet, half of the steps": steered(None, end=0.5),
        "hires 1.5, latents": hires(Enlarger.LATENTS),
        "hires 1.5, pixels": hires(Enlarger.PIXELS),
        "hires 1.5, upscaler": hires(Enlarger.UPSCALER, UPSCALER),
        "safety checker": Feature(lambda request: request, checked=True),
    }


def measure(ours: Ours, work: Work, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds for one image of TOGETHER that are drawn at once, plain and with each feature in turn."""
    every = features(work, ours.inputs)
    plain = work.equal(TOGETHER)
    asked = {name: [feature.change(request) for request in plain] for name, feature in every.items()}
    checked = {name: [feature.checked] * TOGETHER for name, feature in every.items()}
    larger = [_enlarged(request, ours.inputs) for request in plain]
    ours.serve(plain)
    for name, requests in asked.items():  # prompts encoded, kernels chosen, what stands beside the model read
        ours.serve(requests, checked=checked[name])
    ours.enlarge(larger)
    times: dict[str, list[float]] = {name: [] for name in [*asked, ENLARGED]}
    against: dict[str, list[float]] = {name: [] for name in times}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for name, requests in asked.items():
            against[name].append(ours.serve(plain).seconds / TOGETHER)
            times[name].append(ours.serve(requests, checked=checked[name]).seconds / TOGETHER)
        against[ENLARGED].append(ours.serve(plain).seconds / TOGETHER)
        times[ENLARGED].append(ours.enlarge(larger) / TOGETHER)
    of_plain = ours.serve(plain[:1]).most_rows
    told: dict[str, dict[str, Any]] = {
        name: {
            "steps": requests[0].steps_taken,
            "shares_calls": _rows(ours, plain[0], requests[1], checked[name]) > of_plain,
            "shares_with_its_like": _rows(ours, requests[0], requests[1], checked[name])
            > ours.serve(requests[:1]).most_rows,
        }
        for name, requests in asked.items()
    }
    told[ENLARGED] = {"steps": 0, "shares_calls": None, "shares_with_its_like": None}
    return {
        "together": TOGETHER,
        "plain_s": round(statistics.median(time for each in against.values() for time in each), 4),
        "features": {
            name: {
                "times_plain": round(_ratio(times[name], against[name]), 3),
                "extra_s": round(statistics.median(map(float.__sub__, times[name], against[name])), 4),
                **each,
            }
            for name, each in told.items()
        },
    }


ENLARGED = f"only made {UPSCALED} times larger"
"""What needs no UNet: another engine does that, and it has no call to share."""


def _enlarged(request: GenerationRequest, inputs: Mapping[Digest, bytes]) -> GenerationRequest:
    """The request to enlarge a picture of its size that was brought."""
    wide, high = request.size.width, request.size.height
    picture = next(each for each in inputs if _size_of(inputs[each]) == (wide, high))
    size = Size(width=wide * UPSCALED, height=high * UPSCALED)
    wanted = Upscale(picture=picture, upscaler=UPSCALER, factor=UPSCALED, size=size, brought=True)
    return replace(request, upscale=wanted)


def _size_of(file: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(file)) as image:
        return image.size


def _ratio(times: Sequence[float], against: Sequence[float]) -> float:
    """The median of what was measured one right after the other."""
    return statistics.median(one / other for one, other in zip(times, against, strict=True))


def _rows(ours: Ours, one: GenerationRequest, other: GenerationRequest, checked: Sequence[bool]) -> int:
    """Of the largest call when the two are drawn at once: more than of one alone if they are in one call."""
    return ours.serve([one, other], checked=[False, *checked[:1]]).most_rows


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


def _yes(truth: bool | None) -> str:
    return "no call" if truth is None else "yes" if truth else "no"


def plot(figures: Mapping[str, Any], path: Path) -> bool:
    """Save the plot as PNG; False if matplotlib is not installed."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return False
    names = list(figures["features"])
    figure, axes = pyplot.subplots(figsize=(8, 6), layout="constrained")
    axes.barh(names, [figures["features"][name]["times_plain"] for name in names], color="#4f46e5")
    axes.axvline(1, color="#9ca3af")
    axes.invert_yaxis()
    axes.set_xlabel("time for an image, plain = 1")
    axes.set_title(f"{figures['model']} on {figures['device']}, {figures['together']} at once")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return True
