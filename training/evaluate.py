"""`python -m training.evaluate`: what of 300 held-out prompts a model gets right, and a sheet of pictures."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from training.checker import look
from training.evaluation import (
    GOALS,
    GUIDANCE,
    SAMPLERS,
    STEPS,
    Prompt,
    Score,
    Scores,
    describe,
    draw_prompts,
    evaluate,
    held_out_prompts,
    over_samplers,
)
from training.sheet import PROMPTS, contact_sheet

SEED = 300
SEEDS = 1000
"""Of pictures, which lie between those of one series of prompts and those of the next."""
FIRST = "dpm++ 2m karras"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/mini"))
    parser.add_argument("--out", type=Path, default=Path(".training/evaluation"), help="where the results go")
    parser.add_argument("--share", type=float, default=1.0, help="of the 300 prompts, for a quick look")
    parser.add_argument(
        "--series", type=int, default=0, help="other than 0: 300 other prompts with other seeds"
    )
    parser.add_argument("--samplers", nargs="+", choices=tuple(SAMPLERS), default=list(SAMPLERS))
    parser.add_argument("--sheet-only", action="store_true")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    pipeline = StableDiffusionPipeline.from_pretrained(options.model)
    if torch.cuda.is_available():
        pipeline.to("cuda")
    sheet = contact_sheet(draw_prompts(pipeline, PROMPTS, FIRST), PROMPTS)
    sheet.quantize(256, dither=Image.Dither.NONE).save(options.out / "contact-sheet.png", optimize=True)
    if options.sheet_only:
        return
    prompts = held_out_prompts(SEED + options.series, share=options.share)
    scores: dict[str, Mapping[str, Score]] = {}
    for sampler in options.samplers:
        began = time.monotonic()
        scores |= evaluate(pipeline, prompts, [sampler], first_seed=SEEDS * options.series)
        print(
            f"{sampler}: {describe({sampler: scores[sampler]})} ({time.monotonic() - began:.0f} s)",
            flush=True,
        )
    behaviour = _behaviour(pipeline, prompts)
    result: dict[str, Any] = {
        "series": options.series,
        "prompts": len(prompts),
        "steps": STEPS,
        "guidance": GUIDANCE,
        "goals": GOALS,
        "samplers": {
            sampler: {name: [score.right, score.total] for name, score in by_name.items()}
            for sampler, by_name in scores.items()
        },
        "behaviour": behaviour,
    }
    (options.out / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    text = table(scores) + "\n\n" + "\n".join(f"- {name}: {value}" for name, value in behaviour.items())
    (options.out / "evaluation.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def table(scores: Scores) -> str:
    """Markdown: attributes down, samplers across, then all samplers together and the goal."""
    together = over_samplers(scores)
    names = sorted(together, key=lambda name: (list(GOALS).index(name) if name in GOALS else 99, name))
    lines = [
        f"| right, in % | {' | '.join(scores)} | all | goal |",
        f"|---|{'---|' * (len(scores) + 2)}",
    ]
    for name in names:
        cells = [f"{100 * by_name[name].share:.0f}" for by_name in scores.values()]
        whole = together[name]
        goal = f"{100 * GOALS[name]:.0f}" if name in GOALS else ""
        cells.append(f"{100 * whole.share:.1f} ({whole.right}/{whole.total})")
        lines.append(f"| {name} | {' | '.join(cells)} | {goal} |")
    return "\n".join(lines)


def _behaviour(pipeline: StableDiffusionPipeline, prompts: list[Prompt]) -> dict[str, Any]:
    """Whether guidance, steps, negative prompt and seed do what they should, and how long a picture takes."""
    ones = [prompt for prompt in prompts if prompt.kind == "one"][:25]
    texts = [prompt.text for prompt in ones]

    def share(**settings: Any) -> float:
        pictures = draw_prompts(pipeline, texts, FIRST, **settings)
        seen = [look(picture) for picture in pictures]
        good = [
            sight.background == one.scene.background
            and len(sight.things) == 1
            and sight.things[0].is_like(one.scene.thing)  # type: ignore[union-attr]
            for sight, one in zip(seen, ones, strict=True)
        ]
        return sum(good) / len(good)

    circles = ["a circle on a white background"] * 24

    def colours(negative: str) -> Counter[str]:
        sights = (look(picture) for picture in draw_prompts(pipeline, circles, FIRST, negative=negative))
        return Counter(sight.things[0].colour.value for sight in sights if sight.things)

    usual, often = colours("").most_common(1)[0]
    first, again = (next(iter(draw_prompts(pipeline, texts[:1], FIRST, first_seed=5))) for _ in range(2))
    other = next(iter(draw_prompts(pipeline, texts[:1], FIRST, first_seed=6)))
    durations = []
    for _ in range(5):
        began = time.monotonic()
        list(draw_prompts(pipeline, texts[:1], FIRST))
        durations.append(time.monotonic() - began)
    return {
        "right by guidance": {
            str(guidance): share(guidance=guidance) for guidance in (1.0, 2.0, 3.5, 5.0, 7.5)
        },
        "right by steps": {str(steps): share(steps=steps) for steps in (5, 10, 20)},
        "negative prompt": {"word": usual, "of 24 without it": often, "with it": colours(usual)[usual]},
        "same seed same bytes": first.tobytes() == again.tobytes(),
        "other seed other bytes": first.tobytes() != other.tobytes(),
        "seconds for one picture": round(min(durations), 2),
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    main()
