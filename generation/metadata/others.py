"""What InvokeAI, SwarmUI and NovelAI write about their pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from generation.metadata.names import our_sampler
from generation.metadata.settings import (
    Settings,
    Tool,
    as_clip_skip,
    as_guidance,
    as_int,
    as_name,
    as_seed,
    as_share,
    as_size,
    as_stem,
    as_steps,
    as_text,
    json_object,
)

Json = Mapping[str, Any]


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def swarmui(parameters: Json) -> Settings:
    """SwarmUI's `parameters`, which hold JSON (its docs/Image Metadata Format.md); numbers may be strings."""
    said = _object(parameters.get("sui_image_params"))
    sampler = said.get("sampler") or said.get("comfyuisampler") or said.get("autowebuisampler")
    return Settings(
        prompt=as_text(said.get("prompt")) or "",
        negative_prompt=as_text(said.get("negativeprompt")) or "",
        steps=as_steps(said.get("steps")),
        guidance=as_guidance(said.get("cfgscale")),
        sampler=our_sampler(sampler, said.get("scheduler") or said.get("comfyuischeduler")),
        seed=as_seed(said.get("seed")),
        size=as_size(said.get("width"), said.get("height")),
        model=as_stem(said.get("model")),
        clip_skip=as_clip_skip(said.get("clipstopatlayer")),
        strength=as_share(said.get("initimagecreativity")) if "initimage" in said else None,
        variation_seed=as_seed(said.get("variationseed")),
        variation_strength=as_share(said.get("variationseedstrength")),
        tool=Tool.SWARMUI,
    )


def invokeai(said: Json) -> Settings:
    """InvokeAI 3 and later: `invokeai_metadata` (invokeai/app/invocations/metadata.py, CoreMetadata)."""
    model = _object(said.get("model"))
    skipped = as_int(said.get("clip_skip"), 0, 100)
    return Settings(
        prompt=as_text(said.get("positive_prompt")) or "",
        negative_prompt=as_text(said.get("negative_prompt")) or "",
        steps=as_steps(said.get("steps")),
        guidance=as_guidance(said.get("cfg_scale")),
        sampler=our_sampler(said.get("scheduler")),
        seed=as_seed(said.get("seed")),
        size=as_size(said.get("width"), said.get("height")),
        model=as_name(model.get("name")) or as_name(model.get("model_name")),
        clip_skip=None if skipped is None else skipped + 1,  # it counts the layers that are left out
        strength=as_share(said.get("strength")),
        tool=Tool.INVOKEAI,
    )


def invokeai_2(said: Json) -> Settings:
    """InvokeAI before 3: `sd-metadata`, with the negative prompt in [brackets] within the prompt."""
    image = _object(said.get("image"))
    prompts = image.get("prompt")
    first = prompts[0] if isinstance(prompts, list) and prompts else prompts
    prompt, negative = _without_brackets(as_text(_object(first).get("prompt")) or as_text(first) or "")
    return Settings(
        prompt=prompt,
        negative_prompt=negative,
        steps=as_steps(image.get("steps")),
        guidance=as_guidance(image.get("cfg_scale")),
        sampler=our_sampler(image.get("sampler")),
        seed=as_seed(image.get("seed")),
        size=as_size(image.get("width"), image.get("height")),
        model=as_name(said.get("model_weights")),
        strength=as_share(image.get("strength")),
        tool=Tool.INVOKEAI,
    )


def _without_brackets(prompt: str) -> tuple[str, str]:
    """What stands outside of [brackets], and inside of them."""
    inside = re.findall(r"\[([^\[\]]*)\]", prompt)
    outside = re.sub(r"\[[^\[\]]*\]", "", prompt)
    return outside.strip(), " ".join(inside).strip()


def novelai(texts: Json) -> Settings | None:
    """NovelAI's texts: the prompt in `Description`, all else as JSON in `Comment`.

    It has the same in text chunks, in WebP's user comment and, hidden, in the alpha channel (for which see
    its novelai-image-metadata/nai_meta.py).
    """
    comment = texts.get("Comment")
    said = comment if isinstance(comment, dict) else json_object(comment)
    if said is None or not ("uc" in said or str(texts.get("Software", "")).startswith("NovelAI")):
        return None
    prompt = as_text(said.get("prompt")) or as_text(texts.get("Description")) or ""
    return Settings(
        prompt=_with_characters(prompt, said.get("v4_prompt")),
        negative_prompt=_with_characters(as_text(said.get("uc")) or "", said.get("v4_negative_prompt")),
        steps=as_steps(said.get("steps")),
        guidance=as_guidance(said.get("scale")),
        sampler=our_sampler(said.get("sampler"), said.get("noise_schedule")),
        seed=as_seed(said.get("seed")),
        size=as_size(said.get("width"), said.get("height")),
        model=as_name(texts.get("Source")),
        strength=as_share(said.get("strength")),
        tool=Tool.NOVELAI,
    )


_MAX_CHARACTERS = 16


def _with_characters(prompt: str, structure: Any) -> str:
    """The prompt, and on lines of their own what its fourth model is told of each person in the picture."""
    captions = _object(_object(structure).get("caption")).get("char_captions")
    people = captions[:_MAX_CHARACTERS] if isinstance(captions, list) else []
    told = [as_text(_object(person).get("char_caption")) for person in people]
    return "\n".join([prompt, *(text for text in told if text)])
