"""Draws held-out prompts with a finished pipeline and counts what the checker finds right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import diffusers
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTokenizer

from training.captions import FILLER, full_caption
from training.checker import judge
from training.models import SCHEDULER
from training.scenes import Position, Scene, Single, Size, held_out_scene

STEPS, GUIDANCE = 20, 2.5
BATCH = 25
SAMPLERS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "dpm++ 2m karras": ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {"use_karras_sigmas": False}),
    "euler a": ("EulerAncestralDiscreteScheduler", {}),
    "ddim": ("DDIMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {"use_karras_sigmas": False}),
}
GOALS: Mapping[str, float] = {
    "background": 0.99,
    "colour": 0.98,
    "shape": 0.95,
    "position": 0.92,
    "size": 0.92,
    "count": 0.9,
    "pair": 0.6,
}
PROMPTS_PER_KIND: Mapping[str, int] = {
    "one": 80,
    "odd words": 20,
    "place": 50,
    "size": 50,
    "count": 50,
    "pair": 50,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    kind: str
    text: str
    scene: Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    right: int
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total


Scores = Mapping[str, Mapping[str, Score]]
"""By sampler, by attribute."""


def held_out_prompts(seed: int, *, share: float = 1.0) -> list[Prompt]:
    """300 prompts (or a share of them) of combinations that were kept from every kind of training picture."""
    rng = Random(seed)
    return [
        _prompt(kind, rng) for kind, count in PROMPTS_PER_KIND.items() for _ in range(round(count * share))
    ]


def _prompt(kind: str, rng: Random) -> Prompt:
    scene = held_out_scene(rng, {"count": "group", "pair": "pair"}.get(kind, "single"))
    if isinstance(scene, Single):
        scene = replace(scene, size=Size.MEDIUM, position=Position.CENTER)
        if kind == "place":
            scene = replace(scene, position=rng.choice(tuple(Position)[1:]))
        elif kind == "size":
            scene = replace(scene, size=rng.choice((Size.SMALL, Size.BIG)))
    text = full_caption(scene)
    if kind == "odd words":
        odd = "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(4, 8)))
        words = text.split(" ")
        words.insert(rng.randint(0, len(words)), odd)
        text = f"{' '.join(words)}, {rng.choice(FILLER)}"
    return Prompt(kind=kind, text=text, scene=scene)


def pipeline_of(
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    autoencoder: AutoencoderKL,
    unet: UNet2DConditionModel,
) -> StableDiffusionPipeline:
    """The parts in memory as the pipeline that their folder would load as."""
    return StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=diffusers.DPMSolverMultistepScheduler.from_config(SCHEDULER),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def draw_prompts(
    pipeline: StableDiffusionPipeline,
    texts: Sequence[str],
    sampler: str,
    *,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    negative: str = "",
    first_seed: int = 0,
) -> Iterator[Image.Image]:
    """One picture a prompt, in order, drawn in batches; the n-th has seed `first_seed` + n."""
    name, options = SAMPLERS[sampler]
    pipeline.set_progress_bar_config(disable=True)
    for start in range(0, len(texts), BATCH):
        part = list(texts[start : start + BATCH])
        pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config, **options)
        seeds = [first_seed + start + index for index in range(len(part))]
        yield from pipeline(
            part,
            negative_prompt=[negative] * len(part),
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        ).images


def evaluate(
    pipeline: StableDiffusionPipeline,
    prompts: Sequence[Prompt],
    samplers: Sequence[str],
    *,
    first_seed: int = 0,
) -> Scores:
    """What is right by sampler and attribute; `count` is asked of groups, `alone` of single things."""
    scores = {}
    for sampler in samplers:
        right: Counter[str] = Counter()
        total: Counter[str] = Counter()
        texts = [prompt.text for prompt in prompts]
        pictures = draw_prompts(pipeline, texts, sampler, first_seed=first_seed)
        for prompt, picture in zip(prompts, pictures, strict=True):
            verdict = dict(judge(prompt.scene, picture))
            verdict[f"all: {prompt.kind}"] = verdict.pop("all")
            if isinstance(prompt.scene, Single):
                verdict["alone"] = verdict.pop("count")
            right.update(name for name, good in verdict.items() if good)
            total.update(verdict.keys())
        scores[sampler] = {name: Score(right=right[name], total=total[name]) for name in total}
    return scores


def over_samplers(scores: Scores) -> Mapping[str, Score]:
    """The scores of all samplers added up."""
    parts: defaultdict[str, list[Score]] = defaultdict(list)
    for by_name in scores.values():
        for name, score in by_name.items():
            parts[name].append(score)
    return {
        name: Score(right=sum(s.right for s in found), total=sum(s.total for s in found))
        for name, found in parts.items()
    }


def describe(scores: Scores) -> str:
    """One line with every share."""
    return ", ".join(f"{name} {score.share:.2f}" for name, score in over_samplers(scores).items())
