"""/inpaint and /outpaint, and what every command does that starts from a picture somebody brings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot import bringing
from bot.allowances import models_here
from bot.bringing import MASK, PICTURE, WAYS, Order
from bot.commands.choices import choices
from bot.commands.drawing import OPTIONS
from bot.commands.places import everywhere
from bot.looking import Brought
from bot.options import Typed
from bot.orders import take_order
from bot.preferring import preferred
from bot.styles import styled
from generation import canvas
from generation.shelf import Shelf

if TYPE_CHECKING:
    from bot.house import Interaction


async def start_order(
    interaction: Interaction,
    typed: Typed,
    image: discord.Attachment,
    *,
    style: str | None,
    mask: discord.Attachment | None = None,
    masked: bool = False,
    look: Brought | None = None,
) -> None:
    """Have drawn what starts from these files.

    Args:
        style: the name that was typed.
        masked: only part of it is drawn anew; see :func:`bot.bringing.started`.

    Raises:
        Refused, InvalidRequest: it cannot be; nobody else hears it.
    """
    shelf = models_here(interaction)
    _check(typed, shelf, image)
    if mask is not None:
        bringing.check_attachment(mask, MASK)
    if look is not None:
        look.check(typed, shelf)

    async def find() -> Order:
        picture = await bringing.fetched(image, PICTURE)
        marked = None if mask is None else await bringing.fetched(mask, MASK)
        worded = await styled(interaction, typed, style)
        return await bringing.one_by_one(
            partial(bringing.started, worded, shelf, picture, mask=marked, masked=masked)
        )

    await take_order(interaction, find if look is None else look.added_to(find), private=typed.private)


async def styled_order(
    interaction: Interaction, typed: Typed, style: str | None, *, look: Brought | None = None
) -> None:
    """Have drawn what starts from nothing, with the style of this name, and the look of a picture.

    Raises:
        Refused, InvalidRequest: it cannot be; nobody else hears it.
    """
    shelf = models_here(interaction)
    typed.request(shelf)  # what is wrong without the style is refused at once
    if look is not None:
        look.check(typed, shelf)

    async def find() -> Order:
        return Order(request=(await styled(interaction, typed, style)).request(shelf))

    await take_order(interaction, find if look is None else look.added_to(find), private=typed.private)


def _check(typed: Typed, shelf: Shelf, image: discord.Attachment) -> None:
    """Refuse at once what is wrong whatever the picture shows."""
    bringing.check_attachment(image, PICTURE)
    typed.request(shelf)


@everywhere
@app_commands.describe(
    image="The picture; if part of it is transparent, that part can be drawn anew",
    prompt="What should be there",
    mask="A picture of the same shape, white where I shall draw anew",
    strength="How far the new may go from what was there, 0 to 1",
    blur="Over how many pixels the new passes into the old",
    **OPTIONS,
)
async def inpaint(
    interaction: Interaction,
    image: discord.Attachment,
    prompt: str,
    mask: discord.Attachment | None = None,
    strength: float | None = None,
    blur: int | None = None,
    negative_prompt: str | None = None,
    style: str | None = None,
    model: str | None = None,
    size: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    seed: int | None = None,
    count: int | None = None,
    lora: str | None = None,
    clip_skip: int | None = None,
    private: bool | None = None,
) -> None:
    """Draw part of a picture anew."""
    typed = Typed(
        prompt=prompt,
        negative_prompt=negative_prompt,
        model=model,
        size=size,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        seed=seed,
        count=count,
        lora=lora,
        clip_skip=clip_skip,
        strength=strength,
        blur=blur,
        private=private,
    )
    typed, style = preferred(interaction, typed, style, shaped=False)
    await start_order(interaction, typed, image, style=style, mask=mask, masked=True)


@everywhere
@app_commands.describe(
    image="The picture",
    way="Where there should be more of it",
    prompt="What the whole picture should show",
    strength="How far the new may go from the colours at the border, 0 to 1",
    **{name: told for name, told in OPTIONS.items() if name != "size"},
)
@app_commands.choices(way=choices(WAYS))
async def outpaint(
    interaction: Interaction,
    image: discord.Attachment,
    way: str,
    prompt: str,
    strength: float | None = None,
    negative_prompt: str | None = None,
    style: str | None = None,
    model: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    seed: int | None = None,
    count: int | None = None,
    lora: str | None = None,
    clip_skip: int | None = None,
    private: bool | None = None,
) -> None:
    """Draw what is around a picture."""
    typed = Typed(
        prompt=prompt,
        negative_prompt=negative_prompt,
        model=model,
        steps=steps,
        guidance=guidance,
        sampler=sampler,
        seed=seed,
        count=count,
        lora=lora,
        clip_skip=clip_skip,
        strength=strength,
        private=private,
    )
    typed, style = preferred(interaction, typed, style, shaped=False)
    shelf = models_here(interaction)
    _check(typed, shelf, image)

    def make(worded: Typed, data: bytes) -> Order:
        whole = canvas.open_picture(data)
        return bringing.on_canvas(worded, shelf, bringing.grown(whole, way, worded.chosen_model(shelf)))

    async def find() -> Order:
        data = await bringing.fetched(image, PICTURE)
        worded = await styled(interaction, typed, style)
        return await bringing.one_by_one(partial(make, worded, data))

    await take_order(interaction, find, private=typed.private)
