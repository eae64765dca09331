"""Settings out of a picture file, whichever of the tools that people use wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from generation.metadata.a1111 import parse_infotext
from generation.metadata.comfyui import comfyui
from generation.metadata.containers import texts_of
from generation.metadata.exif import Texts
from generation.metadata.others import invokeai, invokeai_2, novelai, swarmui
from generation.metadata.settings import (
    NO_SETTINGS,
    Record,
    Settings,
    Tool,
    UnreadablePicture,
    json_object,
)
from generation.metadata.stealth import hidden_text
from generation.metadata.writing import OWN_CHUNK, PARAMETERS_CHUNK, png_names
from generation.request import GenerationRequest
from generation.sentence import say

if TYPE_CHECKING:  # messages carry pictures, which carry settings
    from generation.messages import Calls


def read(data: bytes) -> Settings:
    """What a PNG, WebP or JPEG file says about how it was made: ours exactly, others' as far as they say.

    It takes bounded time and memory whatever the file holds; up to a second for a picture with an alpha
    channel, in which something may be hidden. Not for an event loop.

    Raises:
        UnreadablePicture: it is no such file, or says nothing that we can read.
    """
    texts = png_names(texts_of(data))
    reason = UnreadablePicture(NO_SETTINGS)
    try:
        if (found := _in_texts(texts)) is not None:
            return found
    except UnreadablePicture as error:
        reason = error
    if (hidden := hidden_text(data)) is not None:
        found = _in_texts({PARAMETERS_CHUNK: hidden})
        if found is not None:
            return found
    raise reason


def _in_texts(texts: Texts) -> Settings | None:
    """What the texts of a file say; None if nothing.

    Ours come first, as they are exact, and a text without settings last: it may be any text.
    """
    if (own := _own(texts.get(OWN_CHUNK))) is not None:
        return own
    text = texts.get(PARAMETERS_CHUNK, "")
    parameters = json_object(text)
    told = parse_infotext(text) if text.strip() and parameters is None else None
    if told is not None and told.tool is not None:
        return told
    found = _in_json(texts, parameters or {})
    if found is not None and (found.prompt or found.model or found.seed is not None):
        return found
    graph = json_object(texts.get("prompt")), json_object(texts.get("workflow"))
    if graph == (None, None):
        return told
    try:
        return comfyui(*graph)
    except UnreadablePicture:
        if told is None:
            raise
        return told


def _in_json(texts: Texts, parameters: Mapping[str, Any]) -> Settings | None:
    if "sui_image_params" in parameters:
        return swarmui(parameters)
    if (said := json_object(texts.get("invokeai_metadata"))) is not None:
        return invokeai(said)
    if (said := json_object(texts.get("sd-metadata"))) is not None:
        return invokeai_2(said)
    return novelai(parameters) or novelai(texts)


def calls_of(record: Record) -> Calls:
    """Where the picture stood in each call of the UNet: what `Task.replay` needs to draw it again exactly.

    Raises:
        UnreadablePicture: the record does not say.
    """
    try:
        if "unet_calls" in record:
            return tuple((int(rows), int(first), int(calls)) for rows, first, calls in record["unet_calls"])
        # Version 0.1 drew one picture at a time, so each had all the rows.
        return tuple((int(rows), 0, int(calls)) for rows, calls in record["unet_rows"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadablePicture(say("This picture does not say how its steps were computed.")) from error


def _own(text: str | None) -> Settings | None:
    """None for somebody else's chunk of that name, or a damaged one: what A1111 reads may still be good."""
    chunk = json_object(text)
    try:
        if chunk is None:
            return None
        record = dict(chunk["record"])
        request = GenerationRequest.from_plain(chunk["request"])
        name, digest = record["model"], record["model_hash"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if not (_is_a(request, GenerationRequest) and isinstance(name, str) and isinstance(digest, str)):
        return None
    if not all(re.fullmatch("[0-9a-f]{64}", file) for file in request.files):  # they are looked up by this
        return None
    start, hires = request.start, request.hires
    variation = request.variations[0] if len(request.variations) == 1 else None
    second, upscale = hires or start, request.upscale
    larger = Settings(
        prompt="",
        upscale_by=None if upscale is None else upscale.factor,
        upscaler=None if upscale is None else upscale.upscaler,
        tool=Tool.ATELIER,
        request=request,
        record=record,
    )
    if upscale is not None and upscale.brought:  # how it was drawn is not known
        return larger
    return replace(
        larger,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        steps=request.steps,
        guidance=request.guidance,
        sampler=request.sampler,
        seed=request.seed,
        size=request.size,
        model=name,
        model_hash=digest,
        clip_skip=request.clip_skip,
        strength=None if second is None else second.strength,
        mask_blur=None if start is None or start.mask is None else start.blur,
        hires_upscale=None if hires is None else hires.size.width / request.size.width,
        hires_upscaler=None if hires is None else hires.upscaler,
        variation_seed=None if variation is None else variation.seed,
        variation_strength=None if variation is None else variation.strength,
    )


def _is_a(value: Any, hint: Any) -> bool:
    """Whether it and each of its parts are what their annotations say: a stranger's JSON holds anything."""
    hint = getattr(hint, "__supertype__", hint)  # of a NewType
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_is_a(value, part) for part in parts)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_a(each, parts[0]) for each in value)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        known = isinstance(value, hint)  # type: ignore[arg-type]
        return known and all(_is_a(getattr(value, each.name), hints[each.name]) for each in fields(hint))
    if hint is None:
        return value is None
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float if hint is float else origin or hint)
