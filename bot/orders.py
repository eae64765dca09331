"""Takes orders: acknowledge, keep, submit. Every way to ask for a picture ends here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import discord

from bot.acknowledgement import acknowledge
from bot.allowances import Allowance, allowance_here, spent_reason
from bot.apologies import describe
from bot.bringing import Order
from bot.facts import model_name
from bot.house import House, Interaction
from bot.language import language_here, language_of
from bot.limits import Refused
from bot.options import code, named
from bot.policy import Rules, check_asker, safety_here, standing
from bot.privately import is_alone, is_private, may_go_on_from
from bot.refusals import UNREACHABLE
from generation.catalogue import ModelInfo
from generation.image import PictureGone
from generation.job import Job, JobId, UserId, new_job_id
from generation.request import GenerationRequest, new_seed
from generation.sentence import say
from generation.shelf import Shelf
from storage.deliveries import Address
from storage.quotas import QuotaSpent

log = logging.getLogger(__name__)

GONE = say("I no longer have that picture.")


async def place_order(
    interaction: Interaction,
    request: GenerationRequest,
    *,
    private: bool | None = None,
) -> None:
    """Have `request` drawn, with the answer where the interaction was.

    Raises:
        Refused: the owner's limits or the server forbid it, or the queue is full. Nothing was acknowledged.
    """
    house, rules = interaction.client.house, check_asker(interaction)
    if (reason := allowance_here(interaction).limits.reject_reason(request)) is not None:
        raise Refused(reason)
    if (reason := await asyncio.to_thread(rules.reject_reason, request, house.shelf)) is not None:
        raise Refused(reason)

    async def known() -> Order:
        return Order(request=request)

    await take_order(interaction, known, private=private)


async def reroll(interaction: Interaction, parent: JobId) -> None:
    """Have the request of an earlier job drawn again with a new seed.

    Raises:
        Refused: the queue is full, the job is not known any more, or it cannot be drawn any more.
    """
    house = interaction.client.house

    async def looked_up() -> Order:
        job = await house.jobs.get(parent)
        if job is None or not may_go_on_from(interaction, job):
            raise Refused(GONE)
        if job.request.upscale is not None:
            return Order(request=job.request)
        model = model_of(job.request, house)
        return Order(request=replace(job.request.rerolled(new_seed()), model=model.source))

    await take_order(interaction, looked_up, parent=parent)


def model_of(request: GenerationRequest, house: House) -> ModelInfo:
    """The model that draws an earlier request again.

    Raises:
        Refused: it is not there any more.
    """
    model = house.shelf.by_source(request.model)
    if model is None:
        # The owner of one model has put another in its place; the owner of several has taken it away.
        if house.shelf.file is not None:
            raise Refused(_not_here(request, house.shelf))
        model = house.shelf.default
    return model


def _not_here(request: GenerationRequest, shelf: Shelf) -> str:
    return say(
        "That was drawn with {model}, which I do not have any more. "
        "With `/imagine` you can draw with {models}.",
        model=code(model_name(request, shelf)),
        models=named(shelf),
    )


async def take_order(
    interaction: Interaction,
    find: Callable[[], Awaitable[Order]],
    *,
    parent: JobId | None = None,
    parent_index: int | None = None,
    private: bool | None = None,
) -> None:
    """Acknowledge, then find out what is to be drawn, and have it drawn.

    Args:
        find: what may take longer than an acknowledgement may wait; what it raises is told to the person.
        parent_index: the picture of it that it goes on from; None: the request.
        private: whether only this person shall see it; None: as they have it in their settings. What goes on
            from something private is private in any case.

    Raises:
        Refused, InvalidRequest: it cannot be drawn, or there is no place for it in the queue.
    """
    house = interaction.client.house
    asker = UserId(interaction.user.id)
    channel_id = interaction.channel_id
    if channel_id is None:
        raise Refused(say("I cannot tell which channel this is, so I could not bring you a picture."))
    check_asker(interaction)
    with house.places.promised(asker):
        private = await is_private(interaction, parent, private)
        try:
            ephemeral = private and not is_alone(interaction)
            message_id = await acknowledge(interaction, thinking=True, ephemeral=ephemeral)
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.warning("a request came to nothing, it could not be acknowledged: %s", describe(error))
            return
        try:
            order = await find()
            request = order.request
            if request.upscale is None:  # else its words were decided when it was drawn
                request = await asyncio.to_thread(house.wildcards.decided, request)
            await asyncio.to_thread(house.shelf.embeddings.refresh)
            rules = check_asker(interaction)  # which may have changed meanwhile
            allowed = allowance_here(interaction)
            reason = await asyncio.to_thread(_reject_reason, request, house, rules, allowed)
            if reason is not None:
                raise Refused(reason)
            job = Job(
                id=new_job_id(),
                request=request,
                asker=asker,
                created_at=time.time(),
                parent=parent,
                parent_index=parent_index,
                safety=safety_here(interaction),
                covered=rules.settings.spoilers,
                for_adults=standing(interaction.channel)[1],
                private=private,
                weight=allowed.weight,
            )
            address = Address(
                application_id=interaction.application_id,
                guild_id=interaction.guild_id,
                channel_id=channel_id,
                user_id=asker,
                token=interaction.token,
                token_expires_at=interaction.expires_at.timestamp(),
                file_limit=interaction.filesize_limit,
                message_id=message_id,
                locale=(language_of(interaction) if private else await language_here(interaction)).code,
            )
            await house.jobs.keep(job, address, order.files, ceilings=allowed.ceilings)
        except QuotaSpent as spent:
            await _withdraw(interaction)
            raise Refused(spent_reason(spent, time.time())) from None
        except PictureGone:
            await _withdraw(interaction)
            raise Refused(GONE) from None
        except Exception:  # whatever it is: what is not kept may not stay promised
            await _withdraw(interaction)
            raise
        _submit(house, job, address)


def _reject_reason(request: GenerationRequest, house: House, rules: Rules, allowed: Allowance) -> str | None:
    # No model is asked for what is only made larger.
    model = None if request.upscale is not None else house.shelf.by_source(request.model)
    if (reason := allowed.limits.reject_reason(request)) is not None:
        return reason
    if (reason := rules.reject_reason(request, house.shelf)) is not None or model is None:
        return reason
    return model.reject_reason(request) or house.shelf.loras.reject_reason(request, model)


def _submit(house: House, job: Job, address: Address) -> None:
    house.courier.expect(job.id, address)
    house.studio.submit(job)
    log.info("job %s: accepted, %d waiting", job.id, house.studio.waiting)


async def _withdraw(interaction: Interaction) -> None:
    """Remove the acknowledgement of what will not be drawn; the reason follows privately."""
    try:
        await interaction.delete_original_response()
    except (discord.HTTPException, *UNREACHABLE) as error:
        log.warning("could not remove an acknowledgement: %s", describe(error))
