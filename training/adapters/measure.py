"""`python -m training.adapters.measure`: counts in how many pictures the adapters do what they say."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from PIL import Image

from generation.engine.edges import edges
from training.adapters.judges import filled, is_neon, overlap, things
from training.adapters.word import GROUNDS, stoplight
from training.captions import full_caption
from training.checker import judge
from training.evaluation import BATCH, GUIDANCE, STEPS, draw_prompts
from training.pictures import draw
from training.scenes import Position, Scene, Single, Size, held_out_scene

SAMPLER = "dpm++ 2m karras"
OVERLAP = 0.6
"""From which a thing stands where the edges were."""


def measure_lora(pipeline: StableDiffusionPipeline, folder: Path, count: int) -> str:
    """Held-out single things, medium and big."""
    rng = Random(71)
    scenes = [replace(_single(rng), size=rng.choice((Size.MEDIUM, Size.BIG))) for _ in range(count)]
    texts = [full_caption(scene) for scene in scenes]
    without = [is_neon(picture) for picture in draw_prompts(pipeline, texts, SAMPLER)]
    pipeline.load_lora_weights(folder, weight_name="neon.safetensors")
    pictures = list(draw_prompts(pipeline, texts, SAMPLER))
    pipeline.unload_lora_weights()
    verdicts = [judge(scene, filled(picture)) for scene, picture in zip(scenes, pictures, strict=True)]
    told = {name: sum(verdict[name] for verdict in verdicts) for name in ("shape", "colour")}
    return (
        f"neon: of {count} pictures {sum(map(is_neon, pictures))} are tubes, without it {sum(without)}; "
        f"shape right in {told['shape']}, colour in {told['colour']}"
    )


def measure_word(pipeline: StableDiffusionPipeline, folder: Path, count: int) -> str:
    """The word alone on every background but its own colours."""
    scenes = [stoplight(GROUNDS[index % len(GROUNDS)]) for index in range(count)]
    texts = [f"a stoplight on a {scene.background} background" for scene in scenes]
    without = _right(scenes, list(draw_prompts(pipeline, texts, SAMPLER)))
    pipeline.load_textual_inversion(folder / "stoplight.safetensors", token="stoplight")
    learned = _right(scenes, list(draw_prompts(pipeline, texts, SAMPLER)))
    pipeline.unload_textual_inversion()
    said = _right(scenes, list(draw_prompts(pipeline, [full_caption(scene) for scene in scenes], SAMPLER)))
    return (
        f"stoplight: of {count} pictures {learned} are right, {without} without the file, "
        f"{said} with the sentence {full_caption(scenes[0])!r}"
    )


def _right(scenes: Sequence[Scene], pictures: Sequence[Image.Image]) -> int:
    return sum(judge(scene, picture)["all"] for scene, picture in zip(scenes, pictures, strict=True))


def measure_edges(pipeline: StableDiffusionPipeline, folder: Path, count: int) -> str:
    """Held-out single things of any size and place; the prompt tells neither."""
    rng = Random(72)
    scenes = [_single(rng) for _ in range(count)]
    shown = [draw(scene, rng) for scene in scenes]
    plain = [replace(scene, size=Size.MEDIUM, position=Position.CENTER) for scene in scenes]
    texts = [full_caption(scene) for scene in plain]
    without = list(draw_prompts(pipeline, texts, SAMPLER))
    steered = StableDiffusionControlNetPipeline.from_pipe(
        pipeline, controlnet=ControlNetModel.from_pretrained(folder / "mini-edges")
    )
    with_edges = _along(steered, texts, [edges(picture) for picture in shown])
    told = []
    for name, pictures in (("with", with_edges), ("without", without)):
        there = [overlap(things(one), things(other)) for one, other in zip(pictures, shown, strict=True)]
        good = sum(share >= OVERLAP for share in there)
        told.append(f"{name} it {good} overlap by {OVERLAP:.0%} or more (mean {sum(there) / count:.0%})")
    verdicts = [judge(scene, picture) for scene, picture in zip(scenes, with_edges, strict=True)]
    said = ", ".join(f"{name} {sum(v[name] for v in verdicts)}" for name in ("shape", "colour", "background"))
    return f"mini-edges: of {count} pictures {'; '.join(told)}; right with it: {said}"


def _along(
    pipeline: StableDiffusionControlNetPipeline, texts: Sequence[str], outlines: Sequence[Image.Image]
) -> list[Image.Image]:
    pipeline.set_progress_bar_config(disable=True)
    pictures: list[Image.Image] = []
    for start in range(0, len(texts), BATCH):
        part = slice(start, start + BATCH)
        pictures += pipeline(
            list(texts[part]),
            image=list(outlines[part]),
            negative_prompt=[""] * len(texts[part]),
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=[torch.Generator().manual_seed(start + index) for index in range(len(texts[part]))],
        ).images
    return pictures


def _single(rng: Random) -> Single:
    scene = held_out_scene(rng, "single")
    assert isinstance(scene, Single)
    return scene


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.adapters.measure", description=__doc__)
    parser.add_argument("what", choices=("lora", "word", "edges"), nargs="*", help="default: all three")
    parser.add_argument("--model", type=Path, default=Path("models/mini"))
    parser.add_argument(
        "--adapters", type=Path, default=Path("models"), help="the folder of loras, embeddings ..."
    )
    parser.add_argument("--count", type=int, default=45, help="pictures of each kind (default 45)")
    options = parser.parse_args()
    pipeline = StableDiffusionPipeline.from_pretrained(options.model)
    pipeline.set_progress_bar_config(disable=True)
    if not options.what or "lora" in options.what:
        print(measure_lora(pipeline, options.adapters / "loras", options.count), flush=True)
    if not options.what or "word" in options.what:
        print(measure_word(pipeline, options.adapters / "embeddings", options.count), flush=True)
    if not options.what or "edges" in options.what:
        print(measure_edges(pipeline, options.adapters / "controlnets", options.count), flush=True)


if __name__ == "__main__":
    main()
