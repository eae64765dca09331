"""ControlNets at toy size, and tasks that they steer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from generation.controlnets import ControlNets
from generation.engine.annotators import Annotators
from generation.engine.loop import DiffusionEngine
from generation.job import JobId
from generation.messages import Drawn, Task, TaskId
from generation.request import Control, Size
from tests.generation import checkpoints
from tests.generation.engine.test_inputs import a_photo, file_of
from tests.generation.toys import Bench, a_request

SIZE = Size(width=64, height=64)


def build_controlnet(folder: Path, model: Path, seed: int = 0) -> Path:
    """A ControlNet for this model whose every weight is random."""
    torch.manual_seed(seed)
    unet = diffusers.UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    net = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if "controlnet_" in name:  # those that are zero until they are trained
                weight.normal_(0, 0.3)
    net.save_pretrained(folder)
    return folder


def steered(bench: Bench, folder: Path, *, cap: int = 4, **weights: Path) -> Bench:
    """An engine with the same model, and the ControlNets of this folder."""
    other = bench.again(cap=cap)
    known = ControlNets.found([folder])
    other.engine = DiffusionEngine(
        other.model,
        other.said.append,
        cap=cap,
        padded=False,
        controlnets=known,
        annotators=Annotators(**weights),
    )
    return other


def a_scene(seed: int = 0, size: Size = SIZE) -> Image.Image:
    image = a_photo(size, seed)
    ImageDraw.Draw(image).rectangle((12 + seed, 10, 40, 44), fill="white", outline="black")
    return image


def controlled(
    source: str, *controls: tuple[str, dict[str, Any]], job: str = "job", files: Any = (), **changes: Any
) -> Task:
    """A task with these controls, the pictures of which are scenes."""
    inputs = dict(files)
    made = []
    for number, (name, options) in enumerate(controls):
        digest, png = file_of(a_scene(number))
        inputs[digest] = png
        made.append(Control(model=name, picture=digest, **{"preprocessor": "edges", **options}))
    request = a_request(source, **{"steps": 4, "size": SIZE, "controls": tuple(made), **changes})
    return Task(id=TaskId(job=JobId(job), index=0, attempt=1), request=request, inputs=inputs)


def drawn(bench: Bench, task: Task) -> Drawn:
    last = bench.run(task)[-1]
    assert isinstance(last, Drawn), last
    return last


def write_original(folder: Path, file: Path) -> Path:
    """A ControlNet's folder as one file, with the names that ControlNet's own code has for its parts."""
    net = diffusers.ControlNetModel.from_pretrained(folder)
    blocks = len(net.controlnet_cond_embedding.blocks)
    renamed = {}
    for name, tensor in checkpoints.renamed_unet(net):
        plain = name.removeprefix("model.diffusion_model.")
        plain = re.sub(r"^controlnet_down_blocks\.(\d+)", r"zero_convs.\1.0", plain)
        plain = plain.replace("controlnet_mid_block", "middle_block_out.0")
        plain = plain.replace("controlnet_cond_embedding.input_blocks.0.0", "input_hint_block.0")
        plain = plain.replace("controlnet_cond_embedding.out.2", "input_hint_block.14")
        if match := re.match(r"controlnet_cond_embedding\.blocks\.(\d+)(.+)", plain):
            plain = f"input_hint_block.{2 * int(match[1]) + 2}{match[2]}"
        renamed[f"control_model.{plain}"] = tensor.contiguous()
    assert blocks == 6, "between the first and the last there are as many as diffusers looks for"
    save_file(renamed, file)
    return file
