"""Going on from a picture that the bot drew: variations, a larger one, and what is around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bot import bringing
from bot.allowances import allowance_here
from bot.bringing import Order
from bot.card import Attached, Card, Tone
from bot.cards import can_be_drawn_again
from bot.enlarging import Choice, as_large_as_can_be, choices, enlarged
from bot.house import Interaction
from bot.limits import Refused
from bot.orders import GONE, model_of, take_order
from bot.privately import may_go_on_from
from bot.recipe import steered_by
from generation import canvas
from generation.canvas import Canvas
from generation.catalogue import ModelInfo
from generation.image import Picture, PictureGone
from generation.job import Job, JobId
from generation.metadata import read
from generation.request import Digest, GenerationRequest, Size, Start, new_seed
from generation.safety import Review
from generation.sentence import say
from storage.pictures import StoredPicture

UPSCALE_FACTOR, LEAST_FACTOR = 2.0, 1.25
"""As many times as large as the model can, between these."""
UPSCALE_STRENGTH = 0.35
"""So much of a larger picture is drawn again: it gets details, and stays what it was."""


async def vary(interaction: Interaction, job_id: JobId, index: int, strength: float) -> None:
    """Have variations of one picture drawn, as many as its request had.

    Raises:
        Refused: the picture is not there any more, or there is no place in the queue.
    """

    async def looked_up() -> Order:
        job, _ = await _found(interaction, job_id, index)
        one = job.request.image(index).varied(new_seed(), strength)
        model = model_of(one, interaction.client.house)
        return Order(request=replace(one, model=model.source, count=job.request.count))

    await take_order(interaction, looked_up, parent=job_id, parent_index=index)


async def ways_to_enlarge(
    interaction: Interaction, job_id: JobId, index: int
) -> tuple[Job, Picture, tuple[Choice, ...]]:
    """A picture and how it can be made larger; no ways if there is no upscaler: its model can draw it again.

    Raises:
        Refused, InvalidRequest: it is not there any more, or as large as it can be.
    """
    house = interaction.client.house
    job, picture = await picture_of(interaction, job_id, index)
    names = await asyncio.to_thread(lambda: house.upscalers.names)
    if not names:
        return job, picture, ()
    edges = picture.size.width, picture.size.height
    return (
        job,
        picture,
        choices(
            edges, names, allowance_here(interaction).limits.pixels, again=can_be_drawn_again(job.request)
        ),
    )


async def enlarge(interaction: Interaction, job_id: JobId, index: int, choice: str) -> None:
    """Have a picture made larger in one of the ways that :func:`ways_to_enlarge` told."""
    chosen, house = Choice.parse(choice), interaction.client.house
    if chosen.upscaler is None:
        await upscale(interaction, job_id, index)
        return
    wanted = chosen.upscaler

    async def looked_up() -> Order:
        job, picture = await picture_of(interaction, job_id, index)
        name = await asyncio.to_thread(house.upscalers.find, wanted)
        request = job.request.image(index)
        make = partial(
            enlarged, request, picture.png, name, chosen.factor, allowance_here(interaction).limits.pixels
        )
        return await bringing.one_by_one(make)

    await take_order(interaction, looked_up, parent=job_id, parent_index=index)


async def upscale(interaction: Interaction, job_id: JobId, index: int) -> None:
    """Have a picture drawn twice as large, or as large as its model can, from itself."""
    limits = allowance_here(interaction).limits

    def larger(request: GenerationRequest, model: ModelInfo, data: bytes) -> Order:
        if not can_be_drawn_again(request):
            raise Refused(
                say("I have no upscaler here, and there is no model that could draw it again, larger.")
            )
        size = request.final_size
        fits = min(model.max_edge / max(size.width, size.height), (limits.pixels / size.pixels) ** 0.5)
        factor = min(UPSCALE_FACTOR, fits)
        if factor < LEAST_FACTOR:
            raise Refused(as_large_as_can_be(size))
        width, height = (
            int(edge * factor) // model.multiple * model.multiple for edge in (size.width, size.height)
        )
        if width * height <= size.pixels:
            raise Refused(as_large_as_can_be(size))
        whole = canvas.covering(canvas.open_picture(data), Size(width=width, height=height))
        return on_canvas(request, Canvas(picture=whole), UPSCALE_STRENGTH, enlarged=True)

    await _go_on(interaction, job_id, index, larger)


async def grow(interaction: Interaction, job_id: JobId, index: int, way: str) -> None:
    """Have what is around a picture drawn; `way` is one of :data:`bot.bringing.WAYS`."""

    def wider(request: GenerationRequest, model: ModelInfo, data: bytes) -> Order:
        ready = bringing.grown(canvas.open_picture(data), way, model)
        return on_canvas(replace(request, seed=new_seed(), controls=()), ready, bringing.OUTPAINT_STRENGTH)

    await _go_on(interaction, job_id, index, wider)


async def control_card(interaction: Interaction, job_id: JobId) -> Card:
    """What a job was steered by, to be shown.

    Raises:
        Refused: it is not there any more.
    """
    try:
        kept = await interaction.client.house.pictures.of(job_id)
    except PictureGone:
        kept = ()
    job, picture = await picture_of(interaction, job_id, kept[0].index if kept else 0)
    record = (await asyncio.to_thread(read, picture.png)).record or {}
    digests = [Digest(each["picture"]) for each in record.get("controls", ())]
    shown = []
    for number, (control, digest) in enumerate(zip(job.request.controls, digests, strict=False), start=1):
        try:
            data = await interaction.client.house.pictures.read_file(digest)
        except PictureGone:
            raise Refused(GONE) from None
        shown_as = control.preprocessor or say("a control picture")
        alt = say("What {model} was shown: {picture}", model=control.model, picture=shown_as)
        shown.append(Attached(name=f"control-{number}.png", alt=alt, data=data))
    lines = [say("**Steered by** {control}", control=steered_by(control)) for control in job.request.controls]
    return Card(tone=Tone.DONE, text=tuple(lines), pictures=tuple(shown))


async def picture_of(interaction: Interaction, job_id: JobId, index: int) -> tuple[Job, Picture]:
    """A picture that is kept, and its job.

    Raises:
        Refused: it is not there any more.
    """
    job, stored = await _found(interaction, job_id, index)
    png = await _read(interaction, stored)
    return job, Picture(index=index, seed=stored.seed, size=stored.size, png=png, verdict=stored.verdict)


Make = Callable[[GenerationRequest, ModelInfo, bytes], Order]


async def _go_on(interaction: Interaction, job_id: JobId, index: int, make: Make) -> None:
    async def looked_up() -> Order:
        job, picture = await picture_of(interaction, job_id, index)
        model = model_of(job.request, interaction.client.house)
        request = replace(job.request.image(index), model=model.source)
        return await bringing.one_by_one(partial(make, request, model, picture.png))

    await take_order(interaction, looked_up, parent=job_id, parent_index=index)


def on_canvas(request: GenerationRequest, ready: Canvas, strength: float, *, enlarged: bool = False) -> Order:
    """The request again, on this canvas and in its size."""
    picture, files = bringing.as_file(ready.picture)
    mask = None
    if ready.mask is not None:
        mask, more = bringing.as_file(ready.mask)
        files |= more
    # Of few steps a small share may be none.
    strength = max(strength, 1 / request.steps)
    return Order(
        request=replace(
            request,
            size=Size(width=ready.picture.width, height=ready.picture.height),
            start=Start(
                picture=picture, strength=strength, mask=mask, blur=bringing.SEAM_BLUR, enlarged=enlarged
            ),
            variations=(),
            hires=None,
            upscale=None,
        ),
        files=files,
    )


async def _found(interaction: Interaction, job_id: JobId, index: int) -> tuple[Job, StoredPicture]:
    house = interaction.client.house
    job = await house.jobs.get(job_id)
    if job is None or not may_go_on_from(interaction, job):
        raise Refused(GONE)
    if job.review is Review.WAITING:
        raise Refused(say("That waits for a moderator; until it is let pass nobody can go on from it."))
    if not job.may_be_seen:  # its files go a moment after the decision, or at the next start
        raise Refused(GONE)
    try:
        stored = next((each for each in await house.pictures.of(job_id) if each.index == index), None)
    except PictureGone:
        stored = None
    if stored is None:
        raise Refused(GONE)
    return job, stored


async def _read(interaction: Interaction, stored: StoredPicture) -> bytes:
    try:
        return await interaction.client.house.pictures.read(stored)
    except PictureGone:
        raise Refused(GONE) from None
