"""/control: a picture whose outlines, lines or depth another picture has."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import discord
from discord import app_commands

from bot import bringing, controlling
from bot.allowances import models_here
from bot.bringing import MASK, PICTURE, Order
from bot.commands.choices import choices
from bot.commands.drawing import OPTIONS
from bot.commands.places import everywhere
from bot.controlling import TypedControl
from bot.options import Typed
from bot.orders import take_order
from bot.preferring import preferred
from bot.styles import styled
from generation.controlnets import NO_PREPROCESSOR, Preprocessor
from generation.request import InvalidRequest
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

LEFT_OUT = ("clip_skip", "lora")
"""Discord takes 25 options; `<lora:name:0.8>` in the prompt does what `lora` would."""
_PREPROCESSORS = choices((*Preprocessor, NO_PREPROCESSOR))


@everywhere
@app_commands.describe(
    picture="What the new picture goes by",
    prompt="What the new picture should show",
    control="The ControlNet, or what it goes by: edges, lineart, depth, pose, …",
    preprocessor="What I make of the picture first; none if it is a control picture already",
    weight="How strongly it goes by that, 0 to 2",
    start="From which share of the steps on, 0 to 1",
    end="Up to which share of the steps, 0 to 1",
    picture2="Another one to go by",
    control2="The ControlNet for that",
    preprocessor2="What I make of that first",
    weight2="How strongly it goes by that, 0 to 2",
    image="A picture to start from",
    mask="Of that: white where I shall draw anew",
    strength="How far it may go from the picture that it starts from, 0 to 1",
    hires="Draw it once more, so many times larger, 1.1 to 4",
    **{name: told for name, told in OPTIONS.items() if name not in LEFT_OUT},
)
@app_commands.choices(preprocessor=_PREPROCESSORS, preprocessor2=_PREPROCESSORS)
async def control(
    interaction: Interaction,
    picture: discord.Attachment,
    prompt: str,
    control: str | None = None,
    preprocessor: str | None = None,
    weight: float | None = None,
    start: float | None = None,
    end: float | None = None,
    picture2: discord.Attachment | None = None,
    control2: str | None = None,
    preprocessor2: str | None = None,
    weight2: float | None = None,
    image: discord.Attachment | None = None,
    mask: discord.Attachment | None = None,
    strength: float | None = None,
    hires: float | None = None,
    negative_prompt: str | None = None,
    style: str | None = None,
    model: str | None = None,
    size: str | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    seed: int | None = None,
    count: int | None = None,
    private: bool | None = None,
) -> None:
    """Draw what has the outlines of a picture."""
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
        strength=strength,
        hires=hires,
    )
    typed, style = preferred(interaction, typed, style, shaped=False)
    wanted = [
        (
            TypedControl(
                picture=PICTURE,
                name=control,
                preprocessor=preprocessor,
                weight=weight,
                start=start,
                end=end,
            ),
            picture,
        )
    ]
    if picture2 is not None:
        second = TypedControl(
            picture=say("second picture"), name=control2, preprocessor=preprocessor2, weight=weight2
        )
        wanted.append((second, picture2))
    elif any(each is not None for each in (control2, preprocessor2, weight2)):
        raise InvalidRequest(
            say("A second ControlNet needs a picture of its own; give me one as `picture2`.")
        )
    if image is None and (mask is not None or strength is not None):
        if mask is None:
            raise InvalidRequest(say("A strength is about a picture to start from; give me one as `image`."))
        raise InvalidRequest(say("A mask is about a picture to start from; give me one as `image`."))
    started: dict[str, discord.Attachment | None] = {say("picture to start from"): image, MASK: mask}
    await control_order(interaction, typed, wanted, started, style=style, private=private)


async def control_order(
    interaction: Interaction,
    typed: Typed,
    wanted: list[tuple[TypedControl, discord.Attachment]],
    started: dict[str, discord.Attachment | None],
    *,
    style: str | None,
    private: bool | None,
) -> None:
    """Have drawn what these pictures steer.

    Args:
        started: a picture that it starts from and a mask of that, by what people call them.
        style: the name that was typed.
        private: whether only this person shall see it; None: as they have it in their settings.

    Raises:
        Refused, InvalidRequest: it cannot be; nobody else hears it.
    """
    house, shelf = interaction.client.house, models_here(interaction)
    typed.request(shelf)  # what is wrong whatever the pictures show is refused at once
    for each, attachment in wanted:
        bringing.check_attachment(attachment, each.picture)
    for what, brought in started.items():
        if brought is not None:
            bringing.check_attachment(brought, what)
    controls = [each for each, _ in wanted]
    known = await asyncio.to_thread(house.controlnets.look)
    await asyncio.to_thread(controlling.check, typed, controls, known, shelf)

    async def find() -> Order:
        pictures = [(each, await bringing.fetched(file, each.picture)) for each, file in wanted]
        start, mask = [
            None if brought is None else await bringing.fetched(brought, what)
            for what, brought in started.items()
        ]
        worded = await styled(interaction, typed, style)
        make = partial(controlling.steered, worded, shelf, known, pictures)
        return await bringing.one_by_one(partial(make, start=start, mask=mask))

    await take_order(interaction, find, private=private)
