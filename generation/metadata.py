"""Settings into a picture file and out again: A1111's `parameters` and our own exact `atelier` chunk."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from PIL import Image, PngImagePlugin

from generation.messages import Calls
from generation.request import Enlarger, GenerationRequest, InvalidRequest, Seed, Size
from generation.samplers import SAMPLERS, find_sampler

T = TypeVar("T")

PARAMETERS_CHUNK = "parameters"
OWN_CHUNK = "atelier"
_PNG_LEVEL = 4  # 6 gives the same size in the same time, 1 a tenth more bytes in half the time

Record = Mapping[str, Any]
"""What a picture's bits depend on besides its request: model, versions, device; plain JSON."""


class UnreadablePicture(ValueError):  # noqa: N818 - it is a sentence for a person
    """A file whose settings cannot be read; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a picture file says about how it was made; None where it does not say."""

    prompt: str
    negative_prompt: str = ""
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    """A name in SAMPLERS where ours goes by that name, else what the file says."""
    seed: Seed | None = None
    size: Size | None = None
    model: str | None = None
    model_hash: str | None = None
    clip_skip: int | None = None
    request: GenerationRequest | None = None
    """The exact request, if we drew it."""
    record: Record | None = None
    """The rest of what its bits depend on, if we drew it."""


# Writing -------------------------------------------------------------------------------------------------


def write_png(image: Image.Image, request: GenerationRequest, record: Record) -> bytes:
    """The picture as a PNG file with its settings inside; the same input gives the same bytes.

    `record` holds at least `model` (its name for people), `model_source`, `model_hash` and `version`.
    """
    chunks = PngImagePlugin.PngInfo()
    text = infotext(
        request,
        model=record["model"],
        model_hash=record["model_hash"],
        version=record["version"],
        scheduler=record.get("scheduler"),
        refiner=_refiner(record),
    )
    chunks.add_text(PARAMETERS_CHUNK, text)
    # The request's own name of the model may be a folder on the owner's disk, and pictures are shared.
    exact = request.plain() | {"model": record["model_source"]}
    chunks.add_text(OWN_CHUNK, json.dumps({"request": exact, "record": record}, separators=(",", ":")))
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=chunks, compress_level=_PNG_LEVEL)
    return file.getvalue()


def infotext(
    request: GenerationRequest,
    *,
    model: str,
    model_hash: str,
    version: str,
    scheduler: str | None = None,
    refiner: Mapping[str, str] | None = None,
) -> str:
    """The settings as A1111 writes them, in a form that its readers cannot be fooled by.

    Line breaks in the prompts become spaces, and what looks like a setting loses its colon's place; the exact
    prompts are in our own chunk.

    Args:
        scheduler: the class that drew, for a request whose sampler is the model's own.
        refiner: what A1111 says of one.
    """
    if (sampler := SAMPLERS.get(request.sampler)) is not None:
        drawn = {"Sampler": sampler.infotext, "Schedule type": sampler.schedule_types[0]}
    else:
        drawn = {"Sampler": scheduler or request.sampler}
    settings = {
        "Steps": str(request.steps),
        **drawn,
        "CFG scale": f"{request.guidance:.15g}",
        "Seed": str(request.seed),
        "Size": str(request.size),
        "Model hash": model_hash,
        "Model": model,
        **_palette(request),
        **(refiner or {}),
        "Version": f"atelier {version}",
    }
    lines = [_one_line(request.prompt)]
    if request.negative_prompt.strip():
        lines.append(f"Negative prompt: {_one_line(request.negative_prompt)}")
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in settings.items()))
    return "\n".join(lines)


def _refiner(record: Record) -> dict[str, str]:
    if (source := record.get("refiner")) is None:
        return {}
    name = str(source).rpartition("/")[2].removesuffix(".safetensors")
    return {
        "Refiner": f"{name} [{record['refiner_hash']}]",
        "Refiner switch at": f"{record['refiner_start']:.15g}",
    }


def _palette(request: GenerationRequest) -> dict[str, str]:
    """What a picture had besides words, under the names that A1111 gives it.

    It knows one variation; of several the last is no variation of the seed, so none is told here.
    """
    told = {}
    if request.clip_skip > 1:
        told["Clip skip"] = str(request.clip_skip)
    if len(request.variations) == 1:
        told["Variation seed"] = str(request.variations[0].seed)
        told["Variation seed strength"] = f"{request.variations[0].strength:.15g}"
    if (hires := request.hires) is not None:
        told["Denoising strength"] = f"{hires.strength:.15g}"
        told["Hires upscale"] = f"{hires.size.width / request.size.width:.4g}"
        told["Hires steps"] = str(hires.steps)
        told["Hires upscaler"] = "Latent" if hires.enlarger is Enlarger.LATENTS else "Lanczos"
    if request.start is not None:
        told["Denoising strength"] = f"{request.start.strength:.15g}"
        if request.start.mask is not None:
            told["Mask blur"] = str(request.start.blur)
    return told


_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_MARKERS = re.compile(
    r"\b(negative\s+prompt|steps|sampler|schedule\s+type|cfg\s+scale|seed|size|model\s+hash|model|version"
    r"|denoising\s+strength|mask\s+blur|clip\s+skip|variation\s+seed(?:\s+strength)?|lora\s+hashes|hires\s+upscale"
    r"|refiner(?:\s+switch\s+at)?)\s*:",
    re.IGNORECASE,
)


def _one_line(prompt: str) -> str:
    return _MARKERS.sub(r"\1 :", _BREAKS.sub(" ", prompt).strip())


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


# Reading -------------------------------------------------------------------------------------------------


def read(png: bytes) -> Settings:
    """What a PNG file says about how it was made: ours exactly, A1111's as far as it says.

    Raises:
        UnreadablePicture: it is no PNG, or says nothing that we can read.
    """
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            image.load()  # chunks may follow the pixels
            texts = {key: str(value) for key, value in getattr(image, "text", {}).items()}
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadablePicture("This is not a PNG file that I can read.") from error
    if OWN_CHUNK in texts:
        try:
            return _own(json.loads(texts[OWN_CHUNK]))
        except (ValueError, KeyError, TypeError):
            pass  # somebody else's chunk of that name, or a damaged one: what A1111 reads may still be good
    if PARAMETERS_CHUNK in texts:
        return parse_infotext(texts[PARAMETERS_CHUNK])
    raise UnreadablePicture("This picture holds no settings.")


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
        raise UnreadablePicture("This picture does not say how its steps were computed.") from error


def _own(chunk: Mapping[str, Any]) -> Settings:
    record = dict(chunk["record"])
    request = GenerationRequest.from_plain(chunk["request"])
    return Settings(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        steps=request.steps,
        guidance=request.guidance,
        sampler=request.sampler,
        seed=request.seed,
        size=request.size,
        model=record["model"],
        model_hash=record["model_hash"],
        clip_skip=request.clip_skip,
        request=request,
        record=record,
    )


_SETTING = re.compile(r'\s*(\w[\w /-]*?):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')


def parse_infotext(text: str) -> Settings:
    """What A1111's text says: the prompt, `Negative prompt: ...`, and one line of settings at the end.

    Raises:
        UnreadablePicture: it holds nothing.
    """
    lines = text.strip().split("\n")
    found = {key: _unquoted(value) for key, value in _SETTING.findall(lines[-1])}
    if len(found) >= 3:
        lines.pop()
    else:
        found = {}
    positive, _, negative = "\n".join(lines).partition("Negative prompt:")
    if not positive.strip() and not found:
        raise UnreadablePicture("This picture holds no settings.")
    return Settings(
        prompt=positive.strip(),
        negative_prompt=negative.strip(),
        steps=_number(found.get("Steps"), int),
        guidance=_number(found.get("CFG scale"), float),
        sampler=_sampler(found.get("Sampler"), found.get("Schedule type")),
        seed=_number(found.get("Seed"), lambda seed: Seed(int(seed))),
        size=_number(found.get("Size"), Size.parse),
        model=found.get("Model"),
        model_hash=found.get("Model hash"),
        clip_skip=_number(found.get("Clip skip"), int),
    )


def _unquoted(value: str) -> str:
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value.strip()


def _number(text: str | None, parse: Callable[[str], T]) -> T | None:
    try:
        return None if text is None else parse(text)
    except (ValueError, InvalidRequest):
        return None


def _sampler(name: str | None, schedule: str | None) -> str | None:
    if name is None:
        return None
    if not schedule:  # A1111 before 1.9, which had the schedule in the sampler's name
        found = find_sampler(name)
        return name if found is None else found.name
    for spec in SAMPLERS.values():
        types = {known.casefold() for known in spec.schedule_types}
        if spec.infotext.casefold() == name.casefold() and schedule.casefold() in types:
            return spec.name
    return name if schedule == "Automatic" else f"{name} {schedule}"
