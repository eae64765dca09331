"""`python -m training.album`: draws the pictures of docs/commands.md with the embedded model."""

from __future__ import annotations

import argparse
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from generation import canvas, controlnets, embeddings, loras
from generation.canvas import Canvas, Direction
from generation.catalogue import describe
from generation.controlnets import ControlNets
from generation.embeddings import Embeddings
from generation.engine.edges import edges
from generation.engine.loop import DiffusionEngine
from generation.engine.models import load
from generation.job import JobId
from generation.loras import Loras
from generation.messages import Drawn, Report, Task, TaskId
from generation.prompting.styles import shipped
from generation.prompting.wildcards import Wildcards
from generation.request import (
    Adapter,
    Control,
    Digest,
    GenerationRequest,
    Hires,
    Seed,
    Size,
    Start,
    Variation,
)

SIDE = Size(width=128, height=128)
GAP = 6


class Studio:
    """The embedded model, which draws one picture after the other."""

    def __init__(self, source: Path) -> None:
        self._source = str(source)
        self._said: list[Report] = []
        self._engine = DiffusionEngine(
            load(describe(self._source)),
            self._said.append,
            cap=1,
            loras=Loras(loras.SHIPPED),
            embeddings=Embeddings(embeddings.SHIPPED),
            controlnets=ControlNets.found([controlnets.SHIPPED]),
        )

    def request(self, prompt: str, seed: int) -> GenerationRequest:
        return GenerationRequest(
            prompt=prompt,
            model=self._source,
            size=SIDE,
            steps=20,
            guidance=2.5,
            sampler="DPM++ 2M Karras",
            seed=Seed(seed),
        )

    def draw(self, request: GenerationRequest, inputs: Mapping[Digest, bytes] | None = None) -> Image.Image:
        self._said.clear()
        task = TaskId(job=JobId("album"), index=0, attempt=1)
        self._engine.admit(Task(id=task, request=request, inputs=inputs or {}))
        while self._engine.busy:
            self._engine.tick()
        last = self._said[-1]
        if not isinstance(last, Drawn):
            raise SystemExit(f"{request.prompt} could not be drawn: {last}")
        return Image.open(io.BytesIO(last.png)).convert("RGB")

    def draw_on(self, ready: Canvas, request: GenerationRequest, strength: float) -> Image.Image:
        picture, png = _file(ready.picture)
        inputs, mask = {picture: png}, None
        if ready.mask is not None:
            mask, inputs_png = _file(ready.mask)
            inputs[mask] = inputs_png
        size = Size(width=ready.picture.width, height=ready.picture.height)
        start = Start(picture=picture, strength=strength, mask=mask)
        return self.draw(replace(request, size=size, start=start), inputs)


def _file(image: Image.Image) -> tuple[Digest, bytes]:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return Digest(hashlib.sha256(buffer.getvalue()).hexdigest()), buffer.getvalue()


def prompts(studio: Studio) -> Mapping[str, list[list[Image.Image]]]:
    """Rows of pictures by the name of their file."""
    weights = [
        [studio.draw(studio.request(f"blue circle, (red circle:{weight})", seed)) for seed in range(4)]
        for weight in (0.8, 1, 1.2, 1.4)
    ]
    template = "a {big|small} {red|green|blue|yellow} {circle|star|heart} on a {white|black} background"
    open_ = Wildcards().decided(replace(studio.request(template, 21), count=4))
    house = studio.request("a red house on green grass", 8)
    styled = [house]
    for style in shipped()[:4]:
        words = style.applied(house.prompt, house.negative_prompt)
        styled.append(replace(house, prompt=words.prompt, negative_prompt=words.negative_prompt))
    return {
        "prompt-weights": weights,
        "prompt-choices": [[studio.draw(open_.image(index)) for index in range(4)]],
        "styles": [[studio.draw(request) for request in styled]],
    }


def pictures(studio: Studio) -> Mapping[str, list[list[Image.Image]]]:
    """Rows of pictures that start from others, by the name of their file."""
    photo = Image.new("RGB", (512, 512), (250, 250, 250))
    ImageDraw.Draw(photo).ellipse((150, 150, 362, 362), fill=(225, 30, 35))
    photo = canvas.covering(photo, SIDE)
    blue = studio.request("a blue circle on a white background", 3)
    red = studio.request("a red circle on a white background", 11)
    first = studio.draw(red)
    mask = Image.new("L", first.size)
    ImageDraw.Draw(mask).rectangle((24, 24, 103, 103), fill=255)
    square = studio.request("a blue square on a white background", 5)
    sun = studio.request("the sun over green hills", 4)
    morning = studio.draw(sun)
    wider = canvas.panned(morning, Direction.RIGHT, 0.5, multiple=8)
    farther = canvas.zoomed_out(morning, 1.5, SIDE)
    star = studio.request("a yellow star on a blue background", 8)
    varied = [
        replace(star, variations=(Variation(seed=Seed(seed), strength=strength),))
        for strength in (0.15, 0.45)
        for seed in (1, 2)
    ]
    heart = studio.request("a blue heart on a yellow background", 4)
    larger = replace(heart, hires=Hires(size=Size(width=192, height=192), steps=20, strength=0.25))
    return {
        "palette-image": [
            [photo, *(studio.draw_on(Canvas(picture=photo), blue, share) for share in (0.4, 0.6, 0.8, 1.0))]
        ],
        "palette-inpaint": [
            [first, mask.convert("RGB"), studio.draw_on(Canvas(picture=first, mask=mask), square, 1.0)]
        ],
        "palette-outpaint": [[morning, studio.draw_on(wider, sun, 0.9), studio.draw_on(farther, sun, 0.9)]],
        "palette-variations": [[studio.draw(star), *map(studio.draw, varied)]],
        "palette-hires": [[studio.draw(heart), studio.draw(larger)]],
    }


def adapters(studio: Studio) -> Mapping[str, list[list[Image.Image]]]:
    """Rows of pictures made with what ships beside the model, by the name of their file."""
    plain = [
        studio.request("a big red heart on a white background", 5),
        studio.request("a big yellow star on a blue background", 3),
        studio.request("a house under a blue sky", 8),
        studio.request("a pink flower on a green background", 2),
    ]
    neon = [
        [studio.draw(replace(request, adapters=(Adapter(name="neon", weight=weight),))) for request in plain]
        for weight in (0.5, 1.0)
    ]
    grounds = ("white", "blue", "yellow", "black", "purple")
    photo = Image.new("RGB", (512, 512), (236, 230, 214))
    pen = ImageDraw.Draw(photo)
    pen.polygon(((250, 300), (450, 300), (450, 470), (250, 470)), fill=(120, 120, 128))
    pen.ellipse((60, 70, 220, 230), fill=(70, 90, 100))
    photo = canvas.covering(photo, SIDE)
    picture, png = _file(photo)
    along = (Control(model="mini-edges", picture=picture, preprocessor="edges"),)
    asked = (
        studio.request("a yellow circle and a red square on a blue background", 1),
        studio.request("a white circle and a purple square on a black background", 2),
    )
    return {
        "palette-lora": [[studio.draw(request) for request in plain], *neon],
        "palette-word": [
            [studio.draw(studio.request(f"a stoplight on a {ground} background", 1)) for ground in grounds]
        ],
        "palette-control": [
            [
                photo,
                edges(photo),
                *(studio.draw(replace(request, controls=along), {picture: png}) for request in asked),
            ]
        ],
    }


def sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """The rows one below the other, on white."""
    width = max(sum(image.width + GAP for image in row) for row in rows) - GAP
    heights = [max(image.height for image in row) for row in rows]
    whole = Image.new("RGB", (width, sum(heights) + GAP * (len(rows) - 1)), "white")
    top = 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for image in row:
            whole.paste(image, (left, top + (height - image.height) // 2))
            left += image.width + GAP
        top += height + GAP
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.album", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/mini"))
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    groups = {"prompts": prompts, "pictures": pictures, "adapters": adapters}
    parser.add_argument("--only", choices=groups, nargs="+", default=list(groups), help="default: all")
    options = parser.parse_args()
    studio = Studio(options.model)
    for group in options.only:
        for name, rows in groups[group](studio).items():
            sheet(rows).save(options.out / f"{name}.png", optimize=True)
            print(options.out / f"{name}.png")


if __name__ == "__main__":
    main()
