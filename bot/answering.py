"""What the forms of buttons ask, and what becomes of what somebody sends: Edit, Inpaint and Save as style."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from bot import bringing
from bot.bringing import INPAINT_STRENGTH, Order
from bot.card import Action, custom_id
from bot.commands.styles import keep_style
from bot.editing import PROMPT, Edited, check_editable, edit_fields, read_strength
from bot.forms import File, Filled, Text, at_hand, open_form
from bot.further import on_canvas, picture_of
from bot.limits import Refused
from bot.may import may_keep_styles
from bot.orders import GONE, model_of, take_order
from bot.privately import may_go_on_from
from generation import canvas
from generation.catalogue import ModelInfo
from generation.image import Picture
from generation.job import Job, JobId
from generation.request import GenerationRequest, InvalidRequest, new_seed
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

MASK, STRENGTH, NAME, NEGATIVE = "mask", "strength", "name", "negative_prompt"
"""Names of fields; they stand in forms that people have open."""


async def known_job(interaction: Interaction, job_id: JobId) -> Job:
    """A job, from memory if it is still waiting or running, else from the database.

    Raises:
        Refused: it is not known any more, or somebody else's private one.
        InvalidRequest: by today's rules it cannot be.
    """
    house = interaction.client.house
    event = house.studio.latest(job_id)
    job = await house.jobs.get(job_id) if event is None else event.job
    if job is None or not may_go_on_from(interaction, job):
        raise Refused(GONE)
    return job


# Edit ----------------------------------------------------------------------------------------------------


async def open_edit(interaction: Interaction, job_id: JobId, index: int | None = None) -> None:
    """Ask what shall be different, with what it was filled in.

    Args:
        index: the picture that is to be remixed; None: the whole request.
    """
    job = await at_hand(known_job(interaction, job_id))
    request = _meant(job, index)
    check_editable(request)
    title = say("Edit and draw again") if index is None else say("Remix")
    await open_form(interaction, custom_id(Action.EDIT, job_id, index), title, edit_fields(request))


async def edited(interaction: Interaction, filled: Filled, job_id: JobId, index: int) -> None:
    """Have drawn what somebody made of an earlier request, or of one picture of it."""
    changes = Edited.read(filled.texts)
    one = None if filled.custom_id == custom_id(Action.EDIT, job_id) else index
    house = interaction.client.house

    async def looked_up() -> Order:
        job = await known_job(interaction, job_id)
        model = model_of(job.request, house)
        changed = changes.applied(_meant(job, one), new_seed())
        return Order(request=replace(changed, model=model.source))

    await take_order(interaction, looked_up, parent=job_id, parent_index=one)


def _meant(job: Job, index: int | None) -> GenerationRequest:
    if index is None:
        return job.request
    if index >= job.request.count:
        raise Refused(GONE)
    return job.request.image(index)


# Inpaint -------------------------------------------------------------------------------------------------


async def open_inpaint(interaction: Interaction, job_id: JobId, index: int) -> None:
    """Ask what shall be drawn anew, and where."""
    job = await at_hand(known_job(interaction, job_id))
    request = job.request.image(index) if index < job.request.count else job.request
    await open_form(
        interaction,
        custom_id(Action.INPAINT, job_id, index),
        say("Draw part of it anew"),
        (
            Text(name=PROMPT, label=say("What should be there"), value=request.prompt, long=True),
            File(
                name=MASK,
                label=say("Where"),
                help=say("A mask, white where I shall draw anew; or this picture with a hole in it"),
            ),
            Text(
                name=STRENGTH,
                label=say("Strength"),
                help=say("How far the new may go from what was there, 0 to 1"),
                value=f"{INPAINT_STRENGTH:g}",
                required=False,
            ),
        ),
    )


async def inpainted(interaction: Interaction, filled: Filled, job_id: JobId, index: int) -> None:
    """Have part of one of its pictures drawn anew."""
    mask = filled.files.get(MASK)
    if mask is None:
        raise InvalidRequest(say("There was no file with it; bring a mask, white where I shall draw anew."))
    bringing.check_attachment(mask, bringing.MASK)
    strength = read_strength(filled.texts.get(STRENGTH, ""), otherwise=INPAINT_STRENGTH)
    prompt = filled.texts.get(PROMPT, "").strip()
    house = interaction.client.house

    async def looked_up() -> Order:
        job, picture = await picture_of(interaction, job_id, index)
        model = model_of(job.request, house)
        request = replace(job.request.image(index), prompt=prompt, template=None, model=model.source)
        marked = await bringing.fetched(mask, bringing.MASK)
        return await bringing.one_by_one(partial(_partly, request, model, picture, marked, strength))

    await take_order(interaction, looked_up, parent=job_id, parent_index=index)


def _partly(
    request: GenerationRequest, model: ModelInfo, picture: Picture, mask: bytes, strength: float
) -> Order:
    image = canvas.open_picture(picture.png)
    where = canvas.mask_for(canvas.open_picture(mask, what=bringing.MASK), image)
    ready = bringing.cut_to(bringing.own_size(image, model), image, where)
    return on_canvas(replace(request, seed=new_seed()), ready, strength)


# Save as style -------------------------------------------------------------------------------------------


async def open_style(interaction: Interaction, job_id: JobId) -> None:
    """Ask for the name of a style that holds these prompts: the server's, or of one's own."""
    job = await at_hand(known_job(interaction, job_id))
    await open_form(
        interaction,
        custom_id(Action.STYLE, job_id),
        say("Save as a style") if may_keep_styles(interaction) else say("Save as a style of your own"),
        (
            Text(name=NAME, label=say("Name")),
            Text(
                name=PROMPT,
                label=say("Prompt"),
                help=say(
                    "{{prompt}} stands for what somebody types; without it, this is added after their words"
                ),
                value=job.request.prompt,
                long=True,
                required=False,
            ),
            Text(
                name=NEGATIVE,
                label=say("Negative prompt"),
                value=job.request.negative_prompt,
                long=True,
                required=False,
            ),
        ),
    )


async def styled_by_form(interaction: Interaction, filled: Filled, job_id: JobId, index: int) -> None:
    """Save a style."""
    texts = filled.texts
    await keep_style(interaction, texts.get(NAME, ""), texts.get(PROMPT, ""), texts.get(NEGATIVE, ""))
