"""Descriptions of models as their owner writes them, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from generation.shelf import Shelf, UnreadableShelf, read_shelf
from tests.generation.toys import write_safetensors

ROOT = Path(__file__).parents[2]
TWO = """
[[model]]
name = "Plain"
source = "fake:noise"

[[model]]
name = "Fancy  One"
source = "fake:noise-two"
size = "192x128"
steps = 12
guidance = 3
clip_skip = 2
sampler = "euler A"
negative_prompt = " blurry "
memory = "Small"
default = true
"""
PAGE = (ROOT / "docs" / "models.md").read_text("utf-8")


def written(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text, encoding="utf-8")
    return path


def shelf_of(folder: Path, text: str) -> Shelf:
    return read_shelf(written(folder, text))


def problems(folder: Path, text: str) -> list[str]:
    """What is said about this file, without the folder that it is in."""
    with pytest.raises(UnreadableShelf) as caught:
        shelf_of(folder, text)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def problem(folder: Path, text: str) -> str:
    (only,) = problems(folder, text)
    return only


def a_vae(folder: Path, **config: object) -> Path:
    """The configuration and header of a VAE in diffusers' format."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL", **config}))
    shapes = {"decoder.conv_in.weight": [512, 4, 3, 3], "decoder.mid_block.resnets.0.conv1.weight": [1]}
    write_safetensors(folder / "diffusion_pytorch_model.safetensors", shapes)
    return folder
