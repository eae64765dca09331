"""What is shown of the settings in a file, whoever wrote it, and the command that comes of it."""

from __future__ import annotations

import asyncio
import io
import threading

import pytest
from PIL import Image

from bot.commands.inspect import jpeg_of
from bot.inspecting import as_text, command_for, inspected_card
from bot.messages import MAX_TEXT, layout
from generation.metadata import parse_infotext
from generation.metadata.settings import Settings, Tool
from generation.request import InvalidRequest, Seed
from generation.shelf import Shelf
from tests.bot.things import IN_ENGLISH
from tests.generation.toys import NOISE

A1111 = """a @everyone [castle](https://example.org), **bold**
Negative prompt: <@1234>, ugly
Steps: 24, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 99, Size: 512x768, \
Model hash: 0123456789, Model: dreamy_v1, Denoising strength: 0.4, Clip skip: 2, Hires upscale: 1.5, \
Hires upscaler: 4x-UltraSharp, Version: v1.10.1"""


def test_all_of_it_is_shown_and_nothing_of_it_formats_or_calls() -> None:
    said = "\n".join(inspected_card(parse_infotext(A1111)).text)
    assert "**Prompt** a \\@everyone \\[castle\\](https\\://example.org), \\*\\*bold\\*\\*" in said
    assert "**Negative prompt** \\<\\@1234\\>, ugly" in said
    for line in (
        "**Model** dreamy\\_v1 (0123456789)",
        "**Size** 512x768",
        "**Steps** 24",
        "**Guidance** 6.5",
        "**Sampler** DPM++ 2M Karras",
        "**Seed** 99",
        "**Clip skip** 2",
        "**Strength** 0.4",
        "**Second pass** by 4x-UltraSharp, 1.5 times",
    ):
        assert line in said.splitlines()
    assert "Written by **A1111**" in said


def test_a_zero_is_something_that_a_file_says() -> None:
    card = inspected_card(Settings(prompt="a sun", guidance=0.0, seed=Seed(0)))
    assert {"**Guidance** 0", "**Seed** 0"} <= set(map(str, card.text))


def test_a_command_is_made_of_what_can_be_drawn_here() -> None:
    shelf = Shelf.one(NOISE)
    line = command_for(parse_infotext(A1111), shelf)
    assert line.startswith(
        "/imagine prompt:a @everyone [castle](https://example.org), **bold** negative_prompt:"
    )
    assert " size:512x768 steps:24 guidance:6.5 sampler:DPM++ 2M Karras seed:99 clip_skip:2" in line
    huge = Settings(prompt="a sun", sampler="Sampler of tomorrow", seed=Seed(2**60), tool=Tool.NOVELAI)
    line = command_for(huge, shelf)
    assert "tomorrow" not in line
    assert str(2**60) not in line
    for settings, reason in (
        (Settings(prompt=""), "It says no prompt"),
        (Settings(prompt="a sun", steps=5000), "5000 steps are not possible"),
        (Settings(prompt="a sun", guidance=99.0), "A guidance of 99 is not possible"),
    ):
        with pytest.raises(InvalidRequest, match=reason):
            command_for(settings, shelf)


def test_what_is_too_long_for_a_card_comes_as_a_file() -> None:
    long = Settings(prompt="word " * 400, model="m", steps=3)
    card = inspected_card(long)
    assert len("\n".join(card.text)) < 1500
    text = as_text(long)
    assert text is not None
    assert "word " * 400 in text
    assert "Steps:\n3" in text
    assert as_text(Settings(prompt="a sun")) is None


def test_half_characters_of_a_strange_file_are_shown_as_something_else() -> None:
    told = Settings(prompt="a\ud800b", model="\udfff", tool=Tool.COMFYUI)
    said = "\n".join(inspected_card(told).text)
    assert "**Prompt** a?b" in said
    assert said.encode()


async def test_the_longest_settings_of_a_strange_file_fit_into_a_message() -> None:
    name = "_" * 200
    told = Settings(
        prompt="_" * 600,
        negative_prompt="_" * 600,
        model=name,
        model_hash=name,
        sampler=name,
        hires_upscaler=name,
        hires_upscale=1.5,
        upscaler=name,
        upscale_by=2.0,
        tool=Tool.A1111,
    )
    assert layout(inspected_card(told), IN_ENGLISH).content_length() <= MAX_TEXT


async def test_files_of_anybody_become_jpeg_one_at_a_time() -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, format="PNG")
    before = {thread.ident for thread in threading.enumerate()}
    made = await asyncio.gather(*(jpeg_of(file.getvalue()) for _ in range(3)))
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in made)
    new = [thread.name for thread in threading.enumerate() if thread.ident not in before]
    assert all(name.startswith("opening") for name in new), "one thread opens whatever somebody brings"
    with pytest.raises(InvalidRequest, match="too small"):
        Image.new("RGB", (4, 4)).save(file := io.BytesIO(), format="PNG")
        await jpeg_of(file.getvalue())
