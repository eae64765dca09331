"""Writes the message of a job: edits it by its interaction's token, or posts one of the bot's own."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import discord

from bot import pacing
from bot.apologies import describe
from bot.card import Card
from bot.language import language
from bot.messages import calls, files, first_button, layout, mentions
from bot.recall import Undeliverable
from bot.refusals import UNAUTHORIZED, UNKNOWN_MESSAGE, UNREACHABLE, is_final
from bot.rounds import Round
from generation.job import Job, JobState
from generation.sentence import Sentence, joined, say
from storage.database import DatabaseUnusable
from storage.deliveries import Address, Deliveries, Delivery
from storage.people import People, Ping

log = logging.getLogger(__name__)

LONG = 60.0
"""Seconds after which somebody who wants to be called after a long wait is."""

_EARLIER = 100
"""Messages in which one of ours is looked for that an earlier run may have posted."""


class Letters:
    """What the courier hands to Discord. What is private goes to who asked and nowhere else."""

    def __init__(self, client: discord.Client, deliveries: Deliveries, people: People) -> None:
        self._client = client
        self._deliveries = deliveries
        self._people = people

    async def edit(self, address: Address, message_id: int, card: Card) -> None:
        """Show a card in the interaction's own message.

        Raises:
            discord.HTTPException, *UNREACHABLE: Discord did not take it.
        """
        said_in = language(address.locale)
        view, attachments = layout(card, said_in), files(card, said_in)
        await self._webhook(address).edit_message(
            message_id, view=view, attachments=attachments, allowed_mentions=mentions(card)
        )

    async def mark_of(self, address: Address, message_id: int) -> str | None:
        """The first button of the interaction's own message, by which its card is known."""
        message = await self._webhook(address).fetch_message(message_id)
        return first_button(message.components)

    def _webhook(self, address: Address) -> discord.Webhook:
        return discord.Webhook.partial(address.application_id, address.token, client=self._client)

    def may_post(self, address: Address) -> bool:
        """Whether messages of the bot's own are at all possible there; a channel may refuse them still."""
        return address.guild_id is None or self._client.get_guild(address.guild_id) is not None

    # Messages of the bot's own ----------------------------------------------------------------------------

    async def post(self, round_: Round, delivery: Delivery, card: Card, *, private: bool) -> None:
        """Bring the answer as a message of the bot's own: in the channel, or else directly.

        Args:
            private: in no channel.

        Raises:
            Undeliverable: neither takes it, and never will.
        """
        address = delivery.address
        message = None if private else await self._post_in_channel(round_, delivery, card)
        if message is None:
            try:
                direct = await self._client.create_dm(discord.Object(address.user_id))
                message = await self._send_once(round_, direct, card, delivery)
            except discord.HTTPException as error:
                # Where the bot itself is refused, nothing gets through; what it owes waits for another token.
                if not is_final(error, round_.file_limit) or error.status == UNAUTHORIZED:
                    raise
                nobody = (
                    "no direct message takes" if private else "neither the channel nor a direct message takes"
                )
                raise Undeliverable(f"{nobody} it: {describe(error)}") from error
        round_.given_up = 0  # they can only reach the message that this one replaces
        await noted(partial(self._deliveries.moved, round_.job_id, message.channel.id, message.id))
        if address.message_id != message.id and not private:
            # The card that stopped living when its token died; a fresh one stands below it.
            await self.remove(replace(address, token_expires_at=0))

    async def _post_in_channel(self, round_: Round, delivery: Delivery, card: Card) -> discord.Message | None:
        """The message, or None if the channel takes none of ours."""
        channel = self._channel(delivery.address)
        try:
            return await self._send_once(round_, channel, card, delivery)
        except discord.HTTPException as refusal:
            if not is_final(refusal, round_.file_limit) or refusal.status == UNAUTHORIZED:
                raise
            log.info("job %s: %s; a direct message follows", round_.job_id, describe(refusal))
            return None

    def _channel(self, address: Address) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(address.channel_id, guild_id=address.guild_id)

    async def _send_once(
        self, round_: Round, channel: discord.abc.Messageable, card: Card, delivery: Delivery
    ) -> discord.Message:
        """Post, unless it turns out that we posted this before and were interrupted.

        The nonce makes Discord itself refuse a second copy, but only for some minutes.
        """

        def is_it(message: discord.Message) -> bool:
            return first_button(message.components) == round_.mark

        if round_.resumed and (earlier := await self._earlier(channel, is_it)) is not None:
            return earlier
        said_in = language(delivery.address.locale)
        return await channel.send(
            view=layout(card, said_in),
            files=files(card, said_in),
            allowed_mentions=mentions(card),
            nonce=delivery.nonce,
        )

    async def _earlier(
        self,
        channel: discord.abc.Messageable,
        is_it: Callable[[discord.Message], bool],
        *,
        after: discord.Object | None = None,
    ) -> discord.Message | None:
        """Our own message of which that is so, if it is among the newest in the channel.

        Args:
            after: look at the first behind this one, instead of the newest.
        """
        try:
            async for message in channel.history(limit=_EARLIER, after=after):
                if message.author == self._client.user and is_it(message):
                    return message
        except discord.Forbidden:
            return None  # we may write here, but not read
        return None

    async def remove(self, address: Address) -> bool:
        """Remove a job's message if that can be done: by its token, or else as one of the bot's own.

        Whether it is gone.
        """
        if address.message_id is None:
            return True
        try:
            if time.time() < address.token_expires_at:
                await self._webhook(address).delete_message(address.message_id)
            else:
                await self._channel(address).get_partial_message(address.message_id).delete()
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.info("could not remove a message: %s", describe(error))
            return isinstance(error, discord.HTTPException) and error.code == UNKNOWN_MESSAGE
        return True

    # Calling who asked ------------------------------------------------------------------------------------

    def wants_call(self, job: Job) -> bool:
        """Whether who asked wants to be called by a message, as an edit of the card calls nobody."""
        if job.state is JobState.CANCELLED or not job.may_be_seen:
            return False
        ping = self._people.of(job.asker).ping
        return ping is Ping.ALWAYS or (ping is Ping.LONG and time.time() - job.created_at > LONG)

    async def call(self, job: Job, address: Address, *, resumed: bool) -> None:
        """Call who asked, where the card is or else directly; what is private is called directly only.

        Args:
            resumed: somebody may have done so before.

        Raises:
            discord.HTTPException, *UNREACHABLE: it may work later. Where it never will, nothing is raised.
        """
        try:
            if not job.private and await self._called_in(self._channel(address), job, address, resumed):
                return
            direct = await self._client.create_dm(discord.Object(job.asker))
            await self._called_in(direct, job, address, resumed)
        except discord.HTTPException as error:
            if not is_final(error, 0) or error.status == UNAUTHORIZED:
                raise
            log.info("job %s: who asked could not be called: %s", job.id, describe(error))

    async def _called_in(
        self, channel: discord.abc.Messageable, job: Job, address: Address, resumed: bool
    ) -> bool:
        """Whether who asked was called there."""
        said = language(address.locale)(_call(job, address))
        try:
            if resumed and await self._earlier(channel, lambda message: message.content == said):
                return True
            await channel.send(said, allowed_mentions=calls(job.asker), nonce=f"call-{job.id}")
        except discord.HTTPException as error:
            if not is_final(error, 0) or error.status == UNAUTHORIZED:
                raise
            return False
        return True

    async def remove_call(self, job: Job, address: Address) -> None:
        """Remove the message that has called who asked, if it is found: its link leads nowhere any more."""
        said, card = language(address.locale)(_call(job, address)), discord.Object(address.message_id or 0)
        try:
            places: list[discord.abc.Messageable] = [] if job.private else [self._channel(address)]
            places.append(await self._client.create_dm(discord.Object(job.asker)))
            for place in places:
                call = await self._earlier(place, lambda message: message.content == said, after=card)
                if call is not None:
                    return await call.delete()
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.info("job %s: the message that called who asked stays: %s", job.id, describe(error))


def _call(job: Job, address: Address) -> Sentence:
    """What calls who asked; not the same for two jobs, so that one that was sent before is known again."""
    who, failed, several = f"<@{job.asker}>", job.state is JobState.FAILED, job.request.count > 1
    if job.private:
        said = say("{who}, your private picture is there. `/history` shows it.", who=who)
        if several:
            said = say("{who}, your private pictures are there. `/history` shows them.", who=who)
        if failed:
            said = say("{who}, your private request did not work. `/history` says why.", who=who)
        return joined("\n", (said, f"-# `{job.id}`"))
    link = link_to(address)
    if failed:
        return say("{who}, your request did not work: {link}", who=who, link=link)
    if several:
        return say("{who}, your pictures are there: {link}", who=who, link=link)
    return say("{who}, your picture is there: {link}", who=who, link=link)


def link_to(address: Address) -> str | None:
    """The address of a job's message in Discord, once it is known."""
    if address.message_id is None:
        return None
    server = "@me" if address.guild_id is None else address.guild_id
    return f"https://discord.com/channels/{server}/{address.channel_id}/{address.message_id}"


async def noted(note: Callable[[], Awaitable[None]]) -> None:
    """Write down what has happened already, as soon as the database takes it."""
    attempt = 0
    while True:
        try:
            return await note()
        except DatabaseUnusable as error:
            attempt += 1
            log.warning("%s Trying again in %.0f s.", error, pacing.backoff(attempt))
            await asyncio.sleep(pacing.backoff(attempt))
