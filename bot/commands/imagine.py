"""/imagine: a picture from words."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot.allowances import models_here
from bot.commands.choices import choices
from bot.commands.drawing import EARLIER, OPTIONS
from bot.commands.places import everywhere
from bot.commands.starting import start_order, styled_order
from bot.forms import at_hand
from bot.limits import Refused
from bot.looking import Brought
from bot.options import ASPECTS, Typed, parse_enlarger
from bot.orders import place_order
from bot.preferring import preferred
from generation.job import JobId, UserId
from generation.request import InvalidRequest
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction


@everywhere
@app_commands.describe(
    prompt="What the picture should show",
    aspect="Its shape; I choose a size that suits the model",
    image="A picture to start from",
    strength="How far it may go from that picture, 0 to 1",
    look="A picture whose style and subject it should have",
    look_weight="How much of that, up to 1",
    variation_seed="A second seed, towards which the first one is turned",
    variation_strength="How far it is turned, 0 to 1",
    hires="Draw it once more, so many times larger, 1.1 to 4",
    hires_strength="How much of it is drawn once more, 0 to 1",
    hires_by="What makes it larger for that: pixels (scaled), latents (its numbers), or an upscaler",
    **OPTIONS,
)
@app_commands.choices(aspect=choices(ASPECTS))
async def imagine(
    interaction: Interaction,
    prompt: str,
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
    image: discord.Attachment | None = None,
    strength: float | None = None,
    look: discord.Attachment | None = None,
    look_weight: float | None = None,
    variation_seed: int | None = None,
    variation_strength: float | None = None,
    hires: float | None = None,
    hires_strength: float | None = None,
    hires_by: str | None = None,
    private: bool | None = None,
) -> None:
    """Draw a picture from words."""
    prompt = await _typed(interaction, prompt)
    if strength is not None and image is None:
        raise InvalidRequest(say("A strength says how far to go from a picture; give me one as `image`."))
    if look_weight is not None and look is None:
        raise InvalidRequest(say("A weight of the look needs a picture that has it; give me one as `look`."))
    if hires_by is not None:
        hires_by = await asyncio.to_thread(parse_enlarger, hires_by, interaction.client.house.upscalers)
    typed = Typed(
        prompt=prompt,
        negative_prompt=negative_prompt,
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
        strength=strength,
        variation_seed=variation_seed,
        variation_strength=variation_strength,
        hires=hires,
        hires_strength=hires_strength,
        hires_by=hires_by,
        private=private,
    )
    typed, style = preferred(interaction, typed, style, shaped=image is None)
    brought = None if look is None else Brought(file=look, weight=look_weight)
    if image is not None:
        await start_order(interaction, typed, image, style=style, look=brought)
    elif style is not None or brought is not None:
        await styled_order(interaction, typed, style, look=brought)
    else:
        await place_order(interaction, typed.request(models_here(interaction)), private=private)


async def _typed(interaction: Interaction, prompt: str) -> str:
    """The prompt that was typed, or chosen from one's own earlier ones.

    Raises:
        Refused: it cannot be found any more.
    """
    if (chosen := re.fullmatch(rf"{EARLIER}([0-9a-z]{{16}})", prompt)) is None:
        return prompt
    person = UserId(interaction.user.id)
    found = await at_hand(interaction.client.house.history.prompt(person, JobId(chosen[1])))
    if found is None:
        raise Refused(say("I do not have that prompt any more; please type it."))
    return found
