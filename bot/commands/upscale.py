"""/upscale: a picture that somebody brings, larger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot import bringing
from bot.allowances import allowance_here
from bot.bringing import PICTURE, Order
from bot.commands.places import everywhere
from bot.enlarging import DEFAULT_FACTOR, brought
from bot.options import not_so_large
from bot.orders import take_order
from generation.request import LEAST_UPSCALE, MAX_UPSCALE, InvalidRequest
from generation.upscalers import NONE_HERE

if TYPE_CHECKING:
    from bot.house import Interaction


@everywhere
@app_commands.describe(
    image="The picture",
    factor="How many times as large, 1.1 to 8; 2 if you do not say",
    private="Only you see it; /settings says what holds if you leave this out",
    upscaler="What makes it larger; the first one if you do not say",
)
async def upscale(
    interaction: Interaction,
    image: discord.Attachment,
    factor: float | None = None,
    upscaler: str | None = None,
    private: bool | None = None,
) -> None:
    """Make a picture larger."""
    bringing.check_attachment(image, PICTURE)
    await enlarge_brought(interaction, lambda: bringing.fetched(image, PICTURE), factor, upscaler, private)


async def enlarge_brought(
    interaction: Interaction,
    fetch: Callable[[], Awaitable[bytes]],
    factor: float | None = None,
    upscaler: str | None = None,
    private: bool | None = None,
) -> None:
    """Have a picture made larger that is not ours.

    Raises:
        Refused, InvalidRequest: it cannot be.
    """
    house = interaction.client.house
    wanted = DEFAULT_FACTOR if factor is None else factor
    if not LEAST_UPSCALE <= wanted <= MAX_UPSCALE:
        raise InvalidRequest(not_so_large(wanted, LEAST_UPSCALE, MAX_UPSCALE))
    names = await asyncio.to_thread(lambda: house.upscalers.names)
    if not names:
        raise InvalidRequest(NONE_HERE)
    name = names[0] if upscaler is None else await asyncio.to_thread(house.upscalers.find, upscaler)

    async def find() -> Order:
        make = partial(
            brought,
            await fetch(),
            name,
            wanted,
            allowance_here(interaction).limits.pixels,
            house.shelf.default,
        )
        return await bringing.one_by_one(make)

    await take_order(interaction, find, private=private)
