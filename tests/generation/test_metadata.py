"""Settings go into a picture and come out again, and a prompt cannot pass for settings."""

from __future__ import annotations

import io
import json
import re
import tomllib
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from generation import __version__
from generation.metadata import UnreadablePicture, infotext, parse_infotext, read, write_png
from generation.request import GenerationRequest, Seed, Size, Wording
from tests.generation.toys import a_request

RECORD = {
    "model": "mini",
    "model_source": "fake:noise",
    "model_hash": "0123456789",
    "version": __version__,
    "device": "cpu",
}


def text_of(request: GenerationRequest, model: str = "mini") -> str:
    return infotext(request, model=model, model_hash="0123456789", version="1.2")


def png(request: GenerationRequest) -> bytes:
    return write_png(Image.new("RGB", (64, 64), "navy"), request, RECORD)


def chunks(data: bytes) -> dict[str, str]:
    image = Image.open(io.BytesIO(data))
    assert isinstance(image, PngImagePlugin.PngImageFile)
    return {key: str(value) for key, value in image.text.items()}


def foreign_png(**texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for key, value in texts.items():
        info.add_text(key, value)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="PNG", pnginfo=info)
    return file.getvalue()


def test_the_infotext_is_what_a1111_writes() -> None:
    request = a_request(
        negative_prompt="blue", sampler="DPM++ 2M Karras", guidance=7.5, size=Size(width=512, height=768)
    )
    assert text_of(request) == (
        "a red circle\n"
        "Negative prompt: blue\n"
        "Steps: 4, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 7, Size: 512x768, "
        "Model hash: 0123456789, Model: mini, Version: atelier 1.2"
    )
    assert "Negative prompt" not in text_of(a_request())


def test_a_value_with_a_comma_or_a_colon_is_quoted_and_comes_back() -> None:
    text = text_of(a_request(), model='my "best": one, v2')
    assert r'Model: "my \"best\": one, v2"' in text
    assert parse_infotext(text).model == 'my "best": one, v2'


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat\nNegative prompt: dogs\nSteps: 1, Sampler: Heun, Seed: 1, Size: 8x8",
        "a cat\r\nSteps: 1, Sampler: Heun, CFG scale: 1, Seed: 1, Size: 8x8",
        "a cat\u2028Steps: 1, Sampler: Heun, Seed: 1\x85Size: 8x8\x0bModel: evil",
        "Negative prompt: everything",
        "STEPS : 1, seed:1, negative   prompt: all",
        "a cat\x00\x1b[31m Seed: 1",
        "Steps: 1, Sampler: Heun, Seed: 1",
    ],
)
@pytest.mark.parametrize("place", ["prompt", "negative_prompt"])
def test_a_prompt_cannot_pass_for_settings(prompt: str, place: str) -> None:
    request = a_request(**{place: prompt})
    text = text_of(request)
    lines = text.splitlines()
    assert len(lines) == (2 if place == "prompt" else 3)
    assert re.findall(r"Seed: (\d+)", text) == ["7"]
    assert re.findall(r"Steps: (\d+)", text) == ["4"]
    assert text.lower().count("negative prompt:") == (place == "negative_prompt")
    told = parse_infotext(text)
    assert (told.seed, told.steps, told.sampler, told.size) == (7, 4, "Euler", Size(width=64, height=64))
    exact = read(png(request))
    assert exact.request == request, "our own chunk keeps the prompt to the letter"


@pytest.mark.parametrize(
    "prompt", ["a röd circle", "赤い丸 🎈", "ligne\nà ligne", 'quotes " and \\ slashes', "x" * 2000]
)
def test_a_request_comes_back_exactly(prompt: str) -> None:
    request = a_request(prompt=prompt, negative_prompt=prompt, guidance=6.25, seed=Seed(2**32 - 1), count=3)
    settings = read(png(request))
    assert settings.request == request
    assert settings.record == RECORD
    assert (settings.prompt, settings.seed, settings.sampler) == (prompt, 2**32 - 1, "Euler")
    assert set(chunks(png(request))) == {"parameters", "atelier"}, "other readers know no chunk but theirs"


def test_clip_skip_stands_under_its_usual_name_where_a_layer_is_skipped() -> None:
    assert "Clip skip: 2, Version" in text_of(a_request(clip_skip=2))
    assert "Clip skip" not in text_of(a_request())
    assert parse_infotext(text_of(a_request(clip_skip=2))).clip_skip == 2
    assert read(png(a_request(clip_skip=2))).clip_skip == 2


def test_a_picture_says_what_was_chosen_and_what_from() -> None:
    words = Wording(prompt="a (red:1.2) sun", negative_prompt="grey")
    request = a_request(
        prompt="a {(red:1.2)|blue} sun", negative_prompt="{grey|dull}", chosen=(words,)
    ).image(0)
    file = png(request)
    assert read(file).request == request
    assert read(file).prompt == "a (red:1.2) sun"
    assert chunks(file)["parameters"].startswith("a (red:1.2) sun\nNegative prompt: grey\nSteps")


def test_pictures_carry_the_version_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert __version__ == project["version"]


def test_the_same_settings_give_the_same_file() -> None:
    assert png(a_request()) == png(a_request())


def test_what_a1111_wrote_is_read() -> None:
    text = (
        "a cat, (masterpiece:1.2)\nwith a hat\nNegative prompt: dog,\nugly\n"
        "Steps: 20, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768, "
        'Model hash: abcdef1234, Model: dream, Lora hashes: "one: 12, two: 34", Version: v1.10'
    )
    told = read(foreign_png(parameters=text))
    assert (told.prompt, told.negative_prompt) == ("a cat, (masterpiece:1.2)\nwith a hat", "dog,\nugly")
    assert (told.steps, told.guidance, told.seed, told.size) == (20, 7.0, 42, Size(width=512, height=768))
    assert (told.sampler, told.model, told.model_hash) == ("DPM++ 2M SDE Karras", "dream", "abcdef1234")
    assert told.request is None


def test_what_is_wrong_in_foreign_settings_is_left_out() -> None:
    told = parse_infotext("a cat\nSteps: many, Sampler: Magic, Seed: -, Size: 7x7, CFG scale: x")
    assert told.prompt == "a cat"
    assert (told.steps, told.seed, told.size, told.guidance) == (None, None, None, None)
    assert told.sampler == "Magic"
    assert parse_infotext("only a prompt").prompt == "only a prompt"


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", foreign_png(), foreign_png(parameters=""), foreign_png(atelier="{")],
    ids=["empty", "text", "bare", "blank", "damaged"],
)
def test_a_file_without_settings_is_told_in_a_sentence(data: bytes) -> None:
    with pytest.raises(UnreadablePicture):
        read(data)


def test_a_damaged_chunk_of_ours_falls_back_to_the_text() -> None:
    broken = json.dumps({"request": {"prompt": "x"}, "record": {}})
    assert read(foreign_png(atelier=broken, parameters=text_of(a_request()))).seed == 7


def test_where_the_model_lies_on_the_owners_disk_is_not_in_the_file() -> None:
    private = a_request(model="/home/somebody/models/mini")
    data = write_png(Image.new("RGB", (64, 64)), private, RECORD | {"model_source": "mini"})
    assert b"somebody" not in data
    assert read(data).request == a_request(model="mini")
