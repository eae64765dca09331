"""Files that are damaged, or made to do harm, are told in a sentence, soon and in little memory."""

from __future__ import annotations

import contextlib
import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.image import as_jpeg, fitted
from generation.metadata import Settings, UnreadablePicture, parse_infotext, read, stealth, write_png
from generation.metadata.exif import exif_texts, user_comment
from tests.generation import foreign
from tests.generation.toys import a_request

RECORD = {"model": "mini", "model_source": "fake:noise", "model_hash": "0123456789", "version": "1"}
SECONDS = 5.0
"""Of processor time; each takes a small part of it on a quiet machine."""
MEBIBYTE = 2**20


@pytest.fixture(autouse=True)
def within_bounds() -> Iterator[None]:
    start = time.process_time()
    yield
    assert time.process_time() - start < SECONDS


def ours() -> bytes:
    return write_png(Image.new("RGB", (64, 64), "navy"), a_request(), RECORD)


PACKED = zlib.compress(b"a" * (16 * MEBIBYTE))


def bomb(kind: bytes, name: bytes = b"parameters") -> bytes:
    head = name + (b"\0\0" if kind == b"zTXt" else b"\0\1\0\0\0")
    return foreign.chunk(kind, head + PACKED)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_text_that_unpacks_to_megabytes_is_no_text(kind: bytes) -> None:
    chunk = bomb(kind)
    file = foreign.png_with(*[chunk] * 1000)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadablePicture, match="no settings"):
            read(file)
        assert tracemalloc.get_traced_memory()[1] < 32 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_a_bomb_does_not_hide_what_stands_beside_it() -> None:
    good = foreign.chunk(b"tEXt", b"parameters\0a cat\nSteps: 9, Sampler: Euler, Seed: 7")
    assert read(foreign.png_with(bomb(b"zTXt", b"junk"), good)).steps == 9


def test_a_hidden_text_that_unpacks_to_megabytes_is_none() -> None:
    image = foreign.stealthy("a" * (16 * MEBIBYTE), size=(400, 400))
    with pytest.raises(UnreadablePicture, match="no settings"):
        read(foreign.png(image=image))


def test_a_hidden_length_that_is_a_lie() -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 255))
    for number, bit in enumerate(f"{int.from_bytes(b'stealth_pngcomp' + bytes([255] * 4), 'big'):0152b}"):
        image.putpixel(divmod(number, 16), (0, 0, 0, 254 | int(bit)))
    with pytest.raises(UnreadablePicture, match="no settings"):
        read(foreign.png(image=image))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a cat\n" + ", ".join(f"Key{n}: {n}" for n in range(120_000)), id="settings"),
        pytest.param("a cat\n" + "a" * 1_900_000, id="one-word"),
        pytest.param("a cat\n" + "x " * 900_000, id="words"),
        pytest.param("a cat\nSteps: 1," + " " * 1_900_000, id="spaces"),
        pytest.param("a cat\n" + 'a:"\\",' * 300_000, id="quotes"),
        pytest.param("\n" * 1_900_000 + "a: 1, b: 2, c: 3", id="lines"),
        pytest.param("Negative prompt:" * 100_000 + "\nSteps: 1, Seed: 1, Size: 8x8", id="markers"),
        pytest.param("a cat\n" + "Steps: 1, " * 100_000, id="again"),
    ],
)
def test_a_million_settings(text: str) -> None:
    try:
        told = read(foreign.png({"parameters": text}))
    except UnreadablePicture:
        return
    assert len(told.prompt) <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 500_000, id="deep"),
        pytest.param('{"a":' * 300_000 + "1" + "}" * 300_000, id="deep-objects"),
        pytest.param('{"seed": ' + "9" * 100_000 + "}", id="digits"),
        pytest.param('{"a": "' + "b" * 3_000_000 + '"}', id="large"),
        pytest.param("[" + "[],".join([""] * 100_000) + "1]", id="many"),
        pytest.param("7", id="number"),
        pytest.param("{", id="cut"),
        pytest.param('{"seed": 1e999, "steps": -1, "cfg_scale": NaN, "width": {}, "model": 7}', id="wrong"),
        pytest.param(
            '{"uc": 7, "prompt": ["a"], "v4_prompt": {"caption": {"char_captions": 5}}}', id="lists"
        ),
        pytest.param('{"sui_image_params": {"prompt": {"a": 1}, "sampler": [1], "seed": true}}', id="swarm"),
        pytest.param('{"image": {"prompt": [[["a"]]], "steps": "many"}}', id="invoke"),
        pytest.param('{"1": {"class_type": "KSampler", "inputs": {"steps": [[]], "seed": {}}}}', id="comfy"),
        pytest.param(
            '{"nodes": [{"id": [], "inputs": [[]]}], "links": [[1], [1, 2, 3, 4, []]]}', id="editor"
        ),
    ],
)
@pytest.mark.parametrize(
    "name", ["parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Comment", "atelier"]
)
def test_json_of_any_kind(name: str, text: str) -> None:
    try:
        told = read(foreign.png({name: text}))
    except UnreadablePicture:
        return
    assert told.seed is None
    assert told.steps is None
    assert isinstance(told.prompt, str)


def changed(**changes: Any) -> dict[str, Any]:
    return {"request": {**a_request().plain(), **changes}, "record": RECORD}


@pytest.mark.parametrize(
    "own",
    [
        changed(prompt=["a", "b"]),
        changed(seed=1.5),
        changed(seed=True),
        changed(steps="4"),
        changed(model={"a": 1}),
        changed(size={"width": 64.0, "height": 64}),
        changed(size={"width": 64}),
        changed(start={"picture": ["../../secret"]}),
        changed(start={"picture": "../../secret"}),
        changed(start={"picture": "a" * 64, "mask": "../mask"}),
        changed(chosen=[{"prompt": ["x"], "negative_prompt": ""}]),
        changed(variations=[{"seed": 1.0, "strength": 0.5}]),
        changed(variations=7),
        changed(unknown=1),
        {"request": a_request().plain(), "record": {**RECORD, "model": 7}},
        {"request": a_request().plain(), "record": []},
        {"request": [], "record": RECORD},
    ],
)
def test_a_forged_chunk_of_ours_is_none(own: Any) -> None:
    file = foreign.png({"atelier": json.dumps(own), "parameters": "b\nSteps: 9, Sampler: Heun, Seed: 7"})
    told = read(file)
    assert (told.request, told.steps, told.prompt) == (None, 9, "b")


def test_a_true_chunk_of_ours_is_one() -> None:
    digest = "0f" * 32
    own = changed(start={"picture": digest, "mask": digest, "strength": 1, "blur": 4})
    told = read(foreign.png({"atelier": json.dumps(own)}))
    assert told.request is not None
    assert told.request.files == (digest,), "one file that is both"


def test_a_file_cut_anywhere_is_read_or_told_in_a_sentence() -> None:
    webp = fitted(ours(), 10**6)
    assert webp is not None
    for whole in (ours(), webp.data, as_jpeg(ours())):
        assert read(whole).request == a_request(model="fake:noise")
        for end in range(0, len(whole), max(1, len(whole) // 300)):
            with contextlib.suppress(UnreadablePicture):
                assert read(whole[:end]).steps == 4


@settings(max_examples=60)
@given(st.data())
def test_a_file_with_any_byte_changed_raises_nothing_else(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from(DAMAGED)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadablePicture):
        assert isinstance(read(bytes(whole)), Settings)


A_TEXT = "a cat\nSteps: 9, Sampler: Heun, Seed: 7"
DAMAGED = [
    ours(),
    as_jpeg(ours()),
    foreign.webp(foreign.exif(comment=foreign.unicode_comment(A_TEXT))),
    foreign.png_with(foreign.chunk(b"zTXt", b"parameters\0\0" + zlib.compress(A_TEXT.encode()))),
    foreign.png(image=foreign.stealthy(A_TEXT, size=(30, 40))),
]


@settings(max_examples=50)
@given(st.binary(max_size=300), st.sampled_from(["<", ">"]))
def test_any_bytes_as_exif(content: bytes, order: str) -> None:
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HI", 42, 8)
    assert all(isinstance(text, str) for text in exif_texts(head + content).values())
    assert isinstance(user_comment(content, order), str)


def test_a_folder_of_exif_that_names_one_text_many_times() -> None:
    blob = b"x" * MEBIBYTE
    entry = struct.pack(">HHII", 0x010E, 2, len(blob), 8 + 2 + 12 * 65_535)
    tiff = b"MM" + struct.pack(">HI", 42, 8) + struct.pack(">H", 65_535) + entry * 65_535 + blob
    assert exif_texts(tiff) == {"ImageDescription": blob.decode()}


def test_an_exif_folder_that_is_its_own() -> None:
    tiff = b"II" + struct.pack("<HIH", 42, 8, 1) + struct.pack("<HHII", 0x8769, 4, 1, 8)
    assert exif_texts(tiff) == {}


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    try:
        assert isinstance(parse_infotext(text).prompt, str)
    except UnreadablePicture:
        assert not text.strip() or text.strip().startswith("Negative prompt:")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "This is not a PNG, JPEG or WebP file that I can read."),
        (b"GIF89a", "This is not a PNG, JPEG or WebP file that I can read."),
        (b"RIFF\0\0\0\0WAVE", "This is not a PNG, JPEG or WebP file that I can read."),
        (foreign.png(), "This picture holds no settings."),
        (foreign.jpeg(foreign.exif()), "This picture holds no settings."),
        (foreign.webp(foreign.exif()), "This picture holds no settings."),
    ],
)
def test_the_sentences(data: bytes, sentence: str) -> None:
    with pytest.raises(UnreadablePicture) as told:
        read(data)
    assert str(told.value) == sentence


def test_nothing_is_looked_for_in_a_picture_that_takes_long_to_decode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = foreign.png(image=foreign.stealthy(A_TEXT, size=(30, 40)))
    assert read(file).steps == 9
    monkeypatch.setattr(stealth, "MAX_PIXELS", 30 * 40 - 1)
    with pytest.raises(UnreadablePicture, match="no settings"):
        read(file)


def test_a_picture_of_a_billion_pixels_is_not_decoded() -> None:
    header = struct.pack(">IIBBBBB", 32_000, 32_000, 8, 6, 0, 0, 0)
    pixels = zlib.compress(bytes(MEBIBYTE))
    file = b"\x89PNG\r\n\x1a\n" + foreign.chunk(b"IHDR", header) + foreign.chunk(b"IDAT", pixels)
    text = foreign.chunk(b"tEXt", b"parameters\0a cat\nSteps: 9, Sampler: Euler, Seed: 7")
    with pytest.raises(UnreadablePicture, match="no settings"):
        read(file + foreign.chunk(b"IEND", b""))
    assert read(file + text + foreign.chunk(b"IEND", b"")).steps == 9
