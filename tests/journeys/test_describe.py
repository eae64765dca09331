"""What is to be seen in a picture, where the owner has a captioner."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from tests.generation.engine.toydescriber import make_describer
from tests.journeys.stage import draws, staged, told

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


def a_file() -> tuple[str, bytes]:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, format="PNG")
    return "photo.png", buffer.getvalue()


async def test_a_picture_is_described_beside_the_drawing(tmp_path: Path) -> None:
    folder = make_describer(tmp_path / "blip")
    async with staged(tmp_path, DESCRIBER=str(folder)) as stage:
        asked = await stage.anna.command("describe", {"image": a_file()})
        await draws(stage.bruno, "a red circle")
        said = await told(stage.anna, asked)
        assert "**I see** " in said
        assert "/imagine prompt:" in said
        refused = await stage.anna.command("describe", {"image": ("notes.txt", b"words")})
        assert "that I can read" in await told(stage.anna, refused)


async def test_without_a_captioner_there_is_no_such_command(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        assert "describe" not in {command["name"] for command in await stage.anna.commands()}
