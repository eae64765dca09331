"""/img2img: /imagine with a picture to start from, under the name by which people look for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.commands.choices import choices
from bot.commands.drawing import OPTIONS
from bot.commands.imagine import imagine
from bot.commands.places import everywhere
from bot.options import ASPECTS

if TYPE_CHECKING:
    from bot.house import Interaction


@everywhere
@app_commands.describe(
    image="The picture to start from",
    prompt="What the new picture should show",
    strength="How far it may go from that picture, 0 to 1",
    aspect="Its shape; that of the picture if you do not say",
    look="A picture whose style and subject it should have",
    look_weight="How much of that, up to 1",
    **OPTIONS,
)
@app_commands.choices(aspect=choices(ASPECTS))
async def img2img(
    interaction: Interaction,
    image: discord.Attachment,
    prompt: str,
    strength: float | None = None,
    negative_prompt: str | None = None,
    style: str | None = None,
    model: str | None = None,
    aspect: str | None = None,
    size: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    seed: int | None = None,
    count: int | None = None,
    lora: str | None = None,
    clip_skip: int | None = None,
    look: discord.Attachment | None = None,
    look_weight: float | None = None,
    private: bool | None = None,
) -> None:
    """Draw a picture from a picture and words."""
    await imagine(
        interaction,
        prompt,
        image=image,
        strength=strength,
        negative_prompt=negative_prompt,
        style=style,
        model=model,
        aspect=aspect,
        size=size,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        seed=seed,
        count=count,
        lora=lora,
        clip_skip=clip_skip,
        look=look,
        look_weight=look_weight,
        private=private,
    )
