"""Jobs and models for the tests of the bot's pure parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.language import language
from generation.catalogue import Defaults, Family, ModelInfo
from generation.image import Picture
from generation.job import Job, JobId, JobState, UserId
from generation.request import GenerationRequest, Seed, Size
from generation.shelf import Shelf

MODEL = ModelInfo(
    name="Mini",
    source="models/mini",
    family=Family.SD1,
    native=128,
    multiple=16,
    defaults=Defaults(steps=20, guidance=5.0, sampler="DPM++ 2M Karras"),
    min_edge=64,
    max_edge=256,
    words=frozenset({"a", "red", "circle", "on", "blue", "background"}),
    text_widths=(128,),
)

SHELF = Shelf(models=(MODEL,), default=MODEL)

OIL = replace(
    MODEL,
    name="Oil *Paint*",
    source="models/oil",
    negative_prompt="blurry",
    defaults=Defaults(steps=9, guidance=3.0, sampler="Euler a", size=Size(width=192, height=128)),
)
TWO = Shelf(models=(MODEL, OIL), default=MODEL, file=Path("models.toml"))
"""A shelf with a choice."""

ADA = UserId(11)

IN_ENGLISH = language("en")


def request(prompt: str = "a red circle", **changes: Any) -> GenerationRequest:
    fields: dict[str, Any] = {
        "model": MODEL.source,
        "size": Size(width=128, height=128),
        "steps": 20,
        "guidance": 5.0,
        "sampler": "Euler a",
        "seed": Seed(123),
    }
    return GenerationRequest(prompt=prompt, **{**fields, **changes})


def job(prompt: str = "a red circle", *, parent: JobId | None = None, **changes: Any) -> Job:
    return Job(
        id=JobId("0123456789abcdef"),
        request=request(prompt, **changes),
        asker=ADA,
        created_at=1_700_000_000.0,
        parent=parent,
    )


def done(of: Job) -> Job:
    return replace(of, state=JobState.DONE)


def pictures(of: Job) -> tuple[Picture, ...]:
    parts = [of.request.image(index) for index in range(of.request.count)]
    return tuple(
        Picture(index=index, seed=part.seed, size=part.size, png=b"a picture")
        for index, part in enumerate(parts)
    )
