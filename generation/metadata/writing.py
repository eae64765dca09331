"""Settings into a picture file: A1111's `parameters`, and our own exact `atelier` chunk."""

from __future__ import annotations

import io
import json
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping

from PIL import Image, PngImagePlugin

from generation.metadata.containers import texts_of, unpack
from generation.metadata.exif import DESCRIPTION, USER_COMMENT, Texts, exif_with
from generation.metadata.settings import Record
from generation.prompting.loras import tag
from generation.request import Enlarger, GenerationRequest
from generation.samplers import SAMPLERS

PARAMETERS_CHUNK = "parameters"
OWN_CHUNK = "atelier"
_PNG_LEVEL = 4  # 6 gives the same size in the same time, 1 a tenth more bytes in half the time


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
        more={
            **_controls(request, record),
            **_look(request, record),
            **_refiner(record),
            **_loras(record),
            **_learned(record),
        },
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
    more: Mapping[str, str] | None = None,
) -> str:
    """The settings as A1111 writes them, in a form that its readers cannot be fooled by.

    Line breaks in the prompts become spaces, and what looks like a setting loses its colon's place; the exact
    prompts are in our own chunk.

    Args:
        scheduler: the class that drew, for a request whose sampler is the model's own.
        more: what A1111 says of a refiner, and of what else the record knows.
    """
    if request.upscale is not None and request.upscale.brought:
        return _settings_line({**_enlarged(request), "Version": f"atelier {version}"})
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
        **(more or {}),
        **_enlarged(request),
        "Version": f"atelier {version}",
    }
    # Other tools know LoRAs by the prompt alone.
    lines = [_one_line(" ".join([request.prompt, *map(tag, request.adapters)]))]
    if request.negative_prompt.strip():
        lines.append(f"Negative prompt: {_one_line(request.negative_prompt)}")
    return "\n".join([*lines, _settings_line(settings)])


def _settings_line(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {_quoted(value)}" for key, value in settings.items())


_MODULES = {
    "edges": "canny",
    "lineart": "lineart_standard (from white bg & black line)",
    "depth": "depth",
    "pose": "openpose",
    None: "none",
}
"""A1111's names of preprocessors."""


def _controls(request: GenerationRequest, record: Record) -> dict[str, _Raw]:
    """What steered it, as A1111's extension for ControlNet says that (scripts/infotext.py there)."""
    hashes = [each["model_hash"] for each in record.get("controls", ())]
    told = {}
    for number, (control, digest) in enumerate(zip(request.controls, hashes, strict=False)):
        name = re.sub(r"[^\w .()+-]", " ", _MARKERS.sub(r"\1", _flat(control.model)))
        said = {
            "Module": _MODULES.get(control.preprocessor, control.preprocessor),
            "Model": f"{name} [{digest}]",
            "Weight": f"{control.weight:.15g}",
            "Resize Mode": "Crop and Resize",
            "Processor Res": str(min(request.size.width, request.size.height)),
            **({"Threshold A": "100", "Threshold B": "200"} if control.preprocessor == "edges" else {}),
            "Guidance Start": f"{control.start:.15g}",
            "Guidance End": f"{control.end:.15g}",
            "Pixel Perfect": "True",
            "Control Mode": "Balanced",
        }
        told[f"ControlNet {number}"] = _Raw(", ".join(f"{key}: {value}" for key, value in said.items()))
    return told


def _enlarged(request: GenerationRequest) -> dict[str, str]:
    """What A1111's extras say of a picture that was only made larger."""
    if (upscale := request.upscale) is None:
        return {}
    return {
        "Postprocess upscale by": f"{upscale.factor:.15g}",
        "Postprocess upscaler": upscale.upscaler,
    }


def _refiner(record: Record) -> dict[str, str]:
    if (source := record.get("refiner")) is None:
        return {}
    name = str(source).rpartition("/")[2].removesuffix(".safetensors")
    return {
        "Refiner": f"{name} [{record['refiner_hash']}]",
        "Refiner switch at": f"{record['refiner_start']:.15g}",
    }


def _learned(record: Record) -> dict[str, str]:
    """The words that were learned beside the model."""
    if not (words := record.get("embeddings")):
        return {}
    return {"TI hashes": ", ".join(f"{word}: {digest}" for word, digest in words.items())}


def _loras(record: Record) -> dict[str, str]:
    """The files of its LoRAs, as A1111 names them."""
    if not (loras := record.get("loras")):
        return {}
    return {"Lora hashes": ", ".join(f"{each['name']}: {each['autov3']}" for each in loras)}


_HIRES_UPSCALERS = {Enlarger.PIXELS: "Lanczos", Enlarger.LATENTS: "Latent"}


def _look(request: GenerationRequest, record: Record) -> dict[str, str]:
    if request.look is None or not (look := record.get("look")):
        return {}
    return {"IP-Adapter": f"{look['adapter']} [{look['hash']}], weight: {request.look.weight:.15g}"}


def _palette(request: GenerationRequest) -> dict[str, str]:
    """What a picture had besides words, under the names that A1111 gives it.

    It knows one variation; of several the last is no variation of the seed, so none is told here.
    """
    told = {}
    if len(request.variations) == 1:
        told["Variation seed"] = str(request.variations[0].seed)
        told["Variation seed strength"] = f"{request.variations[0].strength:.15g}"
    if request.start is not None:
        told["Denoising strength"] = f"{request.start.strength:.15g}"
    if (hires := request.hires) is not None:
        told["Denoising strength"] = f"{hires.strength:.15g}"
    if request.clip_skip > 1:
        told["Clip skip"] = str(request.clip_skip)
    if hires is not None:
        told["Hires upscale"] = f"{hires.size.width / request.size.width:.4g}"
        told["Hires steps"] = str(hires.steps)
        told["Hires upscaler"] = hires.upscaler or _HIRES_UPSCALERS[hires.enlarger]
    if request.start is not None and request.start.mask is not None:
        told["Mask blur"] = str(request.start.blur)
    return told


# Nothing that a person or an owner named can pass for a setting ------------------------------------------

_KEYS = (
    "negative prompt|negative template|steps|sampler|schedule type|cfg scale|image cfg scale"
    "|distilled cfg scale|seed resize from|seed|first pass size|size"
    "|variation seed strength|variation seed|version|denoising strength|mask blur|mask mode|masked content"
    "|inpaint area|face restoration|token merging ratio|lora hashes|ti hashes|hashes|hypernet"
    "|init image hash|model hash|model|vae hash|vae|clip skip|ensd|rng"
    "|hires (?:upscaler|upscale|steps|resize|prompt|negative prompt|sampler|checkpoint|cfg scale)"
    "|refiner switch at|refiner|civitai resources|controlnet(?: [0-9])?|tiling|ngms"
    "|postprocess (?:upscale by|upscaler)"
)
"""What A1111 writes (modules/processing.py: create_infotext), its extensions, and those that write as it."""
_KEY = _KEYS.replace(" ", "[ _-]*")
# Some readers look for "Seed: " even within a word; but <lora:supermodel:1> must stay what it is.
_MARKERS = re.compile(rf"(\b(?:{_KEY})|(?:{_KEY})(?=\s*:\s))(?:\s*:)+", re.IGNORECASE)
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_HALVES = re.compile("[\ud800-\udfff]")


def _flat(text: str) -> str:
    """On one line, whatever a reader takes for the end of one; names of files may hold half characters."""
    return _BREAKS.sub(" ", _HALVES.sub("\ufffd", text)).strip()


def _one_line(prompt: str) -> str:
    """A space takes the colon's place: so a weight such as (model:1.2) stays one."""
    return _MARKERS.sub(r"\1 :", _flat(prompt))


class _Raw(str):
    """Settings within a setting, in which nothing is left that anybody named."""


def _quoted(value: str) -> str:
    """In quotes where A1111 puts them; readers that do not know of quotes find no setting inside either."""
    if isinstance(value, _Raw):
        return json.dumps(value, ensure_ascii=False)
    value = _MARKERS.sub(r"\1", _flat(value))
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:"]', value) else value


# The same in EXIF ----------------------------------------------------------------------------------------

_MAX_SEGMENT = 60_000
"""Bytes; JPEG has room for 65,533 in all its EXIF, and the text for other tools needs some."""
_PACKED = "atelier+zlib:"


def exif_of(png: bytes) -> bytes:
    """What stands in the text chunks of a PNG file that we wrote, as EXIF for its WebP or JPEG file.

    A1111's text goes into UserComment, where other tools look for it, our own into ImageDescription.
    """
    texts = texts_of(png)
    own = texts.get(OWN_CHUNK)
    if own is not None and len(own) > _MAX_SEGMENT // 4:
        own = _PACKED + b64encode(zlib.compress(own.encode("ascii"), 9)).decode("ascii")
    return exif_with(comment=texts.get(PARAMETERS_CHUNK), description=own)


def png_names(texts: Texts) -> Texts:
    """Texts of any file under the names that PNG has for them."""
    named = {name: text for name, text in texts.items() if name not in (USER_COMMENT, DESCRIPTION)}
    if USER_COMMENT in texts:
        named.setdefault(PARAMETERS_CHUNK, texts[USER_COMMENT])
    if DESCRIPTION in texts:
        named.setdefault(OWN_CHUNK, _unpacked(texts[DESCRIPTION]))
    return named


def _unpacked(own: str) -> str:
    if not own.startswith(_PACKED):
        return own
    try:
        content = unpack(b64decode(own.removeprefix(_PACKED), validate=True), zlib.MAX_WBITS)
    except ValueError:
        content = None
    return "" if content is None else content.decode("utf-8", "replace")
