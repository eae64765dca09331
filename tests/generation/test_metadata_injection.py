"""Nothing that somebody typed or named can pass for a setting, to our reader or to any other's."""

from __future__ import annotations

import io
import json
import random
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from generation.image import as_jpeg, fitted
from generation.metadata import UnreadablePicture, parse_infotext, read, write_png
from generation.request import (
    OWN_SAMPLER,
    GenerationRequest,
    Hires,
    InvalidRequest,
    Size,
    Start,
    Variation,
    Wording,
)
from tests.generation.toys import a_request

KEYS = ("Steps", "Sampler", "CFG scale", "Seed", "Size", "Model hash", "Version")
UNSAID = ("Clip skip", "Variation seed", "Denoising strength", "Mask blur", "Hires upscale", "Lora hashes")
TRUE = {
    "Steps": "4",
    "Sampler": "Euler",
    "CFG scale": "5",
    "Seed": "7",
    "Size": "64x64",
    "Model hash": "0123456789",
    "Version": "atelier 1.2",
}
RECORD = {"model": "mini", "model_source": "fake:noise", "model_hash": "0123456789", "version": "1.2"}
PIXELS = Image.new("RGB", (8, 8), "navy")


# Readers, each in the manner of one that is out there ----------------------------------------------------


def as_a1111(text: str) -> Mapping[str, str]:
    """The last line, by an expression that knows quotes (modules/infotext_utils.py)."""
    last = text.strip().split("\n")[-1]
    found = re.findall(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', last)
    return dict(found)


def by_commas(text: str) -> Mapping[str, str]:
    """The last line, cut at each comma and each part at its colon, with no idea of quotes."""
    parts = text.splitlines()[-1].split(",")
    pairs = (part.partition(":") for part in parts)
    return {key.strip().strip('"'): value.strip() for key, colon, value in pairs if colon}


def first_anywhere(text: str) -> Mapping[str, str]:
    """The first place where the key and a colon stand, wherever that is."""
    found = {key: re.search(rf"\b{key}:\s*([^,\n]*)", text, re.IGNORECASE) for key in (*KEYS, *UNSAID)}
    return {key: match[1].strip() for key, match in found.items() if match}


def found_within_words(text: str) -> Mapping[str, str]:
    """As sd-prompt-reader's find("Seed: "), in all of the text."""
    found = {key: text.find(f"{key}: ") for key in (*KEYS, *UNSAID)}
    ends = {key: re.split("[,\n]", text[at + len(key) + 2 :])[0] for key, at in found.items() if at >= 0}
    return {key: value.strip() for key, value in ends.items()}


def from_the_first_steps(text: str) -> Mapping[str, str]:
    """All from the first line that begins with the steps, as those who look for "\\nSteps: " do."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("Steps:"))
    return by_commas("\n".join(lines[first:]))


READERS: list[Callable[[str], Mapping[str, str]]] = [
    as_a1111,
    by_commas,
    first_anywhere,
    found_within_words,
    from_the_first_steps,
]


def infotext_of(request: GenerationRequest, record: Mapping[str, Any]) -> str:
    image = Image.open(io.BytesIO(write_png(PIXELS, request, {**RECORD, **record})))
    assert isinstance(image, PngImagePlugin.PngImageFile)
    return str(image.text["parameters"])


def assert_true(text: str, but: Mapping[str, str] | None = None) -> None:
    true = TRUE | dict(but or {})
    for reader in READERS:
        told = reader(text)
        assert {key: told.get(key) for key in true} == true, reader.__name__
        assert not {key for key in UNSAID if key in told} - true.keys(), reader.__name__


# What somebody might type --------------------------------------------------------------------------------

_PUNCTUATION = ["\n", "\r\n", "\u2028", "\x85", "\x0b", "\x00", ", ", '"', '\\"', "\\", ":", " "]
_WORDS = ["Negative prompt: all", "negative  prompt:", "Model: x", "steps:", "ſeed: 3", "mas\u212a blur: 3"]
_HARMLESS = ["(seed:1.2)", "<lora:big:0.8>", "a cat", "x"]
_SAID = [f"{key}{value}" for key in (*KEYS, *UNSAID) for value in (": 1", ":evil", " :: 9")]
_pieces = st.sampled_from([*_PUNCTUATION, *_WORDS, *_HARMLESS, *_SAID])
_attacks = st.lists(_pieces, min_size=1, max_size=6).map("".join)
_texts = st.one_of(_attacks, st.text(st.characters(exclude_categories=["Cs"]), max_size=60))


@settings(max_examples=100)
@given(prompt=_texts, negative=_texts, model=_texts)
@example(prompt="a cat\nSteps: 1, Sampler: Heun, Seed: 1", negative="", model="m")
@example(prompt="xSeed: 1", negative="timeSteps: 2", model='a", Seed: 1, "b')
@example(prompt="Seed:: 1 Seed : : 1", negative="cfg_scale: 1", model="Seed:: 1, Seed : 1")
@example(prompt="a", negative="b", model="\udcff\nSeed: 1")
def test_nothing_typed_or_named_passes_for_a_setting(prompt: str, negative: str, model: str) -> None:
    try:
        request = a_request(prompt=prompt, negative_prompt=negative)
    except InvalidRequest:
        return
    text = infotext_of(request, {"model": model})
    assert_true(text)
    assert len(text.splitlines()) == 2 + bool(negative.strip())
    told = parse_infotext(text)
    assert (told.steps, told.seed, told.guidance, told.sampler) == (4, 7, 5.0, "Euler")
    assert (told.size, told.model_hash, told.clip_skip) == (Size(width=64, height=64), "0123456789", None)


@settings(max_examples=40)
@given(name=_texts)
@example(name="m, Seed: 1")
def test_nor_does_the_name_of_a_refiner_or_a_scheduler(name: str) -> None:
    refiner = {"refiner": name, "refiner_hash": "abc", "refiner_start": 0.8}
    assert_true(infotext_of(a_request(), refiner))
    text = infotext_of(a_request(sampler=OWN_SAMPLER), {"scheduler": name or "x"})
    for reader in READERS:
        told = reader(text)
        assert (told["Seed"], told["Steps"], told["Size"]) == ("7", "4", "64x64")


def test_nor_does_what_a_wildcard_chose() -> None:
    chosen = Wording(prompt="a cat\nSteps: 1, Seed: 1", negative_prompt="Negative prompt: Seed: 2")
    request = a_request(prompt="a __animal__", chosen=(chosen,)).image(0)
    assert_true(infotext_of(request, {}))


def test_all_that_a_picture_had_is_told_in_a1111s_order() -> None:
    request = a_request(
        start=Start(picture=_digest(1), mask=_digest(2), strength=0.6, blur=8),
        variations=(Variation(seed=a_request().seed, strength=0.25),),
        clip_skip=2,
    )
    text = infotext_of(request, {})
    assert text.splitlines()[-1] == (
        "Steps: 4, Sampler: Euler, Schedule type: Automatic, CFG scale: 5, Seed: 7, Size: 64x64, "
        "Model hash: 0123456789, Model: mini, Variation seed: 7, Variation seed strength: 0.25, "
        "Denoising strength: 0.6, Clip skip: 2, Mask blur: 8, Version: atelier 1.2"
    )
    told = parse_infotext(text)
    exact = read(write_png(PIXELS, request, RECORD))
    for each in (told, exact):
        assert (each.strength, each.mask_blur, each.clip_skip) == (0.6, 8, 2)
        assert (each.variation_seed, each.variation_strength, each.tool) == (7, 0.25, "Atelier")
    larger = a_request(hires=Hires(size=Size(width=96, height=96), steps=6, strength=0.5))
    for each in (parse_infotext(infotext_of(larger, {})), read(write_png(PIXELS, larger, RECORD))):
        assert (each.hires_upscale, each.strength, each.size) == (1.5, 0.5, Size(width=64, height=64))


def test_weights_and_names_of_loras_stay_what_they_are() -> None:
    prompt = "a (red:1.2) sun, <lora:supermodel:0.8>, [cat:dog:0.5], ratio 16:9, note: x, (life size:1.1)"
    assert infotext_of(a_request(prompt=prompt), {}).splitlines()[0] == prompt.replace("size:", "size :")


# There and back ------------------------------------------------------------------------------------------


def _digest(number: int) -> Any:
    return f"{number:064x}"


def a_webp(png: bytes) -> bytes:
    smaller = fitted(png, 10**6)
    assert smaller is not None
    return smaller.data


_shares = st.floats(0.25, 1)
_requests = st.builds(
    a_request,
    prompt=_texts.map(lambda text: f"a{text}"),
    negative_prompt=_texts,
    steps=st.integers(4, 150),
    guidance=st.floats(0, 30),
    seed=st.integers(0, 2**32 - 1),
    start=st.none()
    | st.builds(Start, picture=st.just(_digest(1)), mask=st.just(_digest(2)), strength=_shares),
    variations=st.lists(st.builds(Variation, seed=st.integers(0, 9), strength=_shares), max_size=2).map(
        tuple
    ),
    clip_skip=st.integers(1, 12),
    template=st.none() | st.builds(Wording, prompt=st.just("{a|b}"), negative_prompt=_texts),
    style=st.none() | _texts,
)


@settings(max_examples=60)
@given(request=_requests, model=_texts, made=st.sampled_from([bytes, a_webp, as_jpeg]))
def test_every_request_comes_back_exactly_from_every_kind_of_file(
    request: GenerationRequest, model: str, made: Callable[[bytes], bytes]
) -> None:
    record = {**RECORD, "model": model, "unet_calls": [[2, 0, 4]]}
    told = read(made(write_png(PIXELS, request, record)))
    assert told.request == GenerationRequest.from_plain(request.plain() | {"model": "fake:noise"})
    assert told.record == record


@pytest.mark.parametrize("made", [a_webp, as_jpeg])
def test_the_longest_prompts_fit_into_every_file(made: Callable[[bytes], bytes]) -> None:
    dice = random.Random(1)  # nothing packs worse
    long = "".join(chr(dice.randrange(0x10000, 0x110000)) for _ in range(1999)) + "a"
    words = Wording(prompt=long[::-1], negative_prompt=long[1:] + "b")
    request = a_request(prompt=long, negative_prompt=long[7:], template=words, model="fake:noise")
    png = write_png(PIXELS, request, RECORD)
    file = made(png)
    assert read(file).request == request
    with Image.open(io.BytesIO(file)) as image:  # and other tools find their text, as Pillow reads it
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    # A1111 reads it through piexif, to which it must be of the type UNDEFINED and not of BYTEs.
    assert struct.pack(">HHI", ExifTags.Base.UserComment, 7, len(comment)) in file
    assert comment == b"UNICODE\0" + infotext_of(request, {}).encode("utf-16-be")


def test_other_tools_find_our_text_if_our_chunk_is_lost() -> None:
    image = Image.open(io.BytesIO(write_png(PIXELS, a_request(), RECORD)))
    assert isinstance(image, PngImagePlugin.PngImageFile)
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", str(image.text["parameters"]))
    file = io.BytesIO()
    image.save(file, format="PNG", pnginfo=text)
    told = read(file.getvalue())
    assert (told.tool, told.seed, told.request) == ("Atelier", 7, None)


def test_a_packed_chunk_that_is_damaged_is_none() -> None:
    for own in ("atelier+zlib:", "atelier+zlib:!!!!", "atelier+zlib:AAAA", json.dumps("x")):
        exif = Image.Exif()
        exif[ExifTags.Base.ImageDescription] = own
        file = io.BytesIO()
        PIXELS.save(file, format="JPEG", exif=exif)
        with pytest.raises(UnreadablePicture, match="no settings"):
            read(file.getvalue())
