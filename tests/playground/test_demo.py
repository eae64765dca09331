"""`make demo`: a first picture, where it is, and where to go on."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from playground.__main__ import bot_in
from playground.demo import first_picture, png_text
from playground.person import Person
from playground.server import Playground
from tests.ports import free_port
from tests.posix import needs_signals

PATIENCE = 100.0


async def demo(data: Path, *arguments: str, model: str = "fake:noise") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "playground.demo", "--data", str(data), *arguments),
        env={**os.environ, "MODEL": model, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def settings_in(picture: Path) -> str:
    return png_text(picture.read_bytes())["parameters"]


@needs_signals
async def test_the_demo_asks_for_a_first_picture_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        process = await demo(tmp_path, "--port", str(port), "--prompt", "a blue house")
        assert process.stdout is not None
        said = ""
        while "Go on at" not in said:
            line = await asyncio.wait_for(process.stdout.readline(), PATIENCE)
            assert line, said
            said += line.decode()
        process.send_signal(signal.SIGINT)
        rest, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0
    assert (rest, errors) == (b"", b"")
    assert f"Port {port} is in use; trying {port + 1}." in said
    assert "Anna asks: /imagine a blue house" in said
    found = re.search(r"time +\d+\.\d s\n +seed +(\d+)\n +saved +(\S+)", said)
    assert found is not None, said
    text = settings_in(Path(found[2]))
    assert text.startswith("a blue house")
    assert f"Seed: {found[1]}" in text
    assert re.search(r"Go on at http://127\.0\.0\.1:\d+", said)


async def test_a_machine_that_is_slower_than_tests_are_patient_gets_its_first_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "fake:noise")
    usual = Person.answer.__kwdefaults__
    assert usual is not None
    monkeypatch.setitem(usual, "timeout", 0.001)
    async with Playground(data=tmp_path) as playground, bot_in(playground, said=print):
        await playground.registered()
        assert (await first_picture(playground, "a slow house")).is_file()


async def test_a_bot_that_cannot_start_is_said_with_its_reason(tmp_path: Path) -> None:
    process = await demo(tmp_path, "--port", "0", model=str(tmp_path / "no model"))
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 1
    assert "no model" in errors.decode()


def test_text_chunks_of_every_kind_are_read() -> None:
    about = PngInfo()
    about.add_text("plain", "Seed: 1")
    about.add_text("squeezed", "x" * 1000, zip=True)
    about.add_itxt("parameters", "schön, Seed: 2", lang="de", tkey="k")
    about.add_itxt("both", "ü" * 1000, zip=True)
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG", pnginfo=about)
    assert png_text(file.getvalue()) == {
        "plain": "Seed: 1",
        "squeezed": "x" * 1000,
        "parameters": "schön, Seed: 2",
        "both": "ü" * 1000,
    }
    assert png_text(b"no picture") == {}
