"""Brings what happens to jobs into their messages; the only writer of a job's message."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from types import TracebackType
from typing import Self, assert_never

import discord

from bot import pacing
from bot.apologies import describe
from bot.card import Card
from bot.cards import calling, card_for
from bot.language import language
from bot.messages import files, first_button, fits, layout, mentions, shrunk
from bot.recall import Ended, Undeliverable, recalled
from bot.refusals import TOO_LARGE, UNAUTHORIZED, UNKNOWN_MESSAGE, Connection, is_final, retry_after
from bot.rounds import Round
from generation.job import Cancelled, Failed, Finished, JobEvent, JobId, Progressed, Queued
from generation.shelf import Shelf
from generation.studio import Eye
from storage.database import DatabaseUnusable
from storage.deliveries import Address, Deliveries, Delivery, DeliveryState
from storage.jobs import Jobs
from storage.pictures import Pictures

log = logging.getLogger(__name__)

PROGRESS_PATIENCE = 2.5
"""Seconds after which a progress edit is given up: the next state must not wait behind it."""

RETRIED_AFTER = 1.0
"""Seconds that discord.py waits before it asks again what Discord answered with an error."""

LOOK_PATIENCE = 0.5
"""Seconds that a progress edit waits for a look at the pictures; a step of a small model is much shorter."""

LOOKS = 6
"""Looks at an end that a progress edit given up may still undo: 1, 2, 4 ... s apart, a minute in all."""

CLOSING_PATIENCE = 3.0
"""Seconds that ends under way have when the bot closes; what is left is owed to the next start."""


class _Removed(Undeliverable):
    """Somebody removed its message, and with it the wish to see it."""


class Courier:
    """Looks after the message of every job: one task each, and of the events only the newest.

    Entered when the client has logged in. Ends that are owed from an earlier run are brought first. `cancel`
    takes back a job whose message somebody removed; `watch` has its pictures shown while they are drawn.
    """

    def __init__(
        self,
        client: discord.Client,
        *,
        shelf: Shelf,
        jobs: Jobs,
        pictures: Pictures,
        deliveries: Deliveries,
        cancel: Callable[[JobId], Awaitable[object]],
        watch: Callable[[JobId, Eye], int] | None = None,
    ) -> None:
        self._client = client
        self.shelf = shelf
        """The models as far as they are known; another is put here when more is."""
        self._jobs = jobs
        self._pictures = pictures
        self._deliveries = deliveries
        self._cancel = cancel
        self._watch = watch
        self._rounds: dict[JobId, Round] = {}
        self._tasks: dict[JobId, asyncio.Task[None]] = {}
        self._closing = False

    async def __aenter__(self) -> Self:
        for job_id in await self._deliveries.owed():
            self._round(job_id).resumed = True
            self._look_after(job_id)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing = True
        ending = [task for job_id, task in self._tasks.items() if self._rounds[job_id].ended_at is not None]
        if ending:
            await asyncio.wait(ending, timeout=CLOSING_PATIENCE)
        left = list(self._tasks.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def expect(self, job_id: JobId, address: Address) -> None:
        """Events of this job will come; they go there."""
        self._round(job_id).know(Delivery(job_id=job_id, address=address, state=DeliveryState.OPEN))

    def hear(self, event: JobEvent) -> None:
        """Take in an event; listener of the studio, so it only notes."""
        round_ = self._round(event.job.id)
        now = time.monotonic()
        match event:
            case Queued():
                round_.began_at = None
                round_.previews.clear()
            case Progressed():
                round_.began_at = round_.began_at or now
            case Finished() | Failed() | Cancelled():
                round_.ended_at = now
            case _:
                assert_never(event)
        round_.newest = event
        round_.changed.set()
        self._look_after(event.job.id)

    def bring_again(self, job_id: JobId) -> None:
        """What the message of an ended job has to say has changed, and that is kept as owed."""
        round_ = self._round(job_id)
        round_.again = job_id in self._tasks
        self._look_after(job_id)

    def _round(self, job_id: JobId) -> Round:
        if job_id not in self._rounds:
            self._rounds[job_id] = Round(job_id=job_id, asked_at=time.monotonic())
        return self._rounds[job_id]

    def _look_after(self, job_id: JobId) -> None:
        if job_id not in self._tasks and not self._closing:
            task = asyncio.create_task(self._follow(self._rounds[job_id]), name=f"message of {job_id}")
            self._tasks[job_id] = task

    async def _follow(self, round_: Round) -> None:
        try:
            await self._bring_to_end(round_)
        except Exception:
            log.exception("job %s: its message was given up until the next start", round_.job_id)
        finally:
            del self._tasks[round_.job_id]
            del self._rounds[round_.job_id]
            if round_.again:
                self.bring_again(round_.job_id)

    async def _bring_to_end(self, round_: Round) -> None:
        event = round_.newest
        while isinstance(event, Queued | Progressed):
            round_.changed.clear()
            card = card_for(event, self.shelf, previews=round_.previews)
            wait = None if round_.deaf else self._wait(round_, event, card)
            if wait == 0:
                await self._look(round_)
                if isinstance(event := round_.newest, Queued | Progressed):
                    card = card_for(event, self.shelf, previews=round_.previews)
                    await self._show_progress(round_, card)
            else:
                try:
                    async with asyncio.timeout(wait):
                        await round_.changed.wait()
                except TimeoutError:
                    pass
            event = round_.newest
        await self._bring(round_, event)

    # Progress ---------------------------------------------------------------------------------------------

    def _wait(self, round_: Round, event: Queued | Progressed, card: Card) -> float | None:
        now = time.monotonic()
        left = None
        if isinstance(event, Progressed) and round_.began_at is not None:
            left = pacing.remaining(step=event.step, steps=event.steps, running_for=now - round_.began_at)
        return pacing.Pace(
            now=now,
            asked_at=round_.asked_at,
            edited_at=round_.edited_at,
            changed=card != round_.shown,
            remaining=left,
            place=event.place if isinstance(event, Queued) else 1,
        ).wait()

    async def _look(self, round_: Round) -> None:
        """Have a look at the pictures now that they are to be shown; a slow one is shown the next time."""
        if self._watch is None or not isinstance(round_.newest, Progressed) or round_.blind >= 2:
            return
        round_.looks = 0
        wanted = self._watch(round_.job_id, round_.see)
        try:
            async with asyncio.timeout(LOOK_PATIENCE):
                while round_.looks < wanted and isinstance(round_.newest, Progressed):
                    round_.changed.clear()
                    await round_.changed.wait()
        except TimeoutError:
            pass
        round_.blind = 0 if round_.looks else round_.blind + 1

    async def _show_progress(self, round_: Round, card: Card) -> None:
        delivery = await self._delivery(round_)
        address = None if delivery is None else delivery.address
        round_.edited_at = time.monotonic()
        if address is None or address.message_id is None or _expired(address):
            round_.deaf = True
            return
        try:
            async with asyncio.timeout(PROGRESS_PATIENCE):
                await self._edit(address, address.message_id, card)
            round_.shown = card
            # discord.py asks once more after an error of Discord's, which may have kept the first for later.
            round_.given_up += time.monotonic() - round_.edited_at > RETRIED_AFTER
        except discord.HTTPException as error:
            round_.deaf = error.status in (401, 403, 404)
            round_.given_up += error.status >= 500
            log.info("job %s: progress was not shown: %s", round_.job_id, describe(error))
            if error.code == UNKNOWN_MESSAGE:
                await self._cancel(round_.job_id)  # somebody removed it, and Cancel and Delete with it
        except Connection as error:
            round_.given_up += 1
            log.info("job %s: progress was not shown: %s", round_.job_id, describe(error))

    # The end ----------------------------------------------------------------------------------------------

    async def _bring(self, round_: Round, event: Ended | None) -> None:
        """Show how a job ended, however long it takes."""
        attempt = 0
        while True:
            try:
                await self._bring_once(
                    round_, event or await recalled(self._jobs, self._pictures, round_.job_id)
                )
                if await self._is_undone(round_):
                    round_.given_up -= 1
                    log.info("job %s: a late progress edit undid its end; once more", round_.job_id)
                    continue
            except Undeliverable as reason:
                if isinstance(reason, _Removed):
                    await _noted(partial(self._pictures.forget, round_.job_id))
                await _noted(partial(self._deliveries.abandoned, round_.job_id, str(reason), round_.number))
                log.warning("job %s: not delivered: %s", round_.job_id, reason)
                return
            except discord.HTTPException as error:
                if is_final(error, round_.file_limit):
                    raise
                if error.status == TOO_LARGE:
                    round_.file_limit //= 2  # less than we were told; what is in the way does not say
                    continue
                attempt += 1
                wait = max(pacing.backoff(attempt), retry_after(error))
                log.warning("job %s: %s; again in %.0f s", round_.job_id, describe(error), wait)
            except Connection as error:
                attempt += 1
                wait = pacing.backoff(attempt)
                log.warning("job %s: %s; again in %.0f s", round_.job_id, describe(error), wait)
            else:
                await _noted(partial(self._deliveries.done, round_.job_id, round_.number))
                return
            round_.resumed = True  # Discord may have taken it although we did not hear so
            await asyncio.sleep(wait)

    async def _bring_once(self, round_: Round, event: Ended) -> None:
        delivery = await self._delivery(round_)
        if delivery is None:
            raise Undeliverable("nobody knows where its answer goes")
        address = delivery.address
        seconds = None
        if round_.began_at is not None and round_.ended_at is not None:
            seconds = round_.ended_at - round_.began_at
        card = card_for(event, self.shelf, seconds=seconds)
        round_.mark = card.buttons[0].custom_id
        if not fits(card, round_.file_limit):
            card = await asyncio.to_thread(shrunk, card, round_.file_limit)
        if address.message_id is not None and not _expired(address):
            try:
                await self._edit(address, address.message_id, card)
            except discord.HTTPException as error:
                if error.code == UNKNOWN_MESSAGE:
                    raise _Removed("somebody removed its message") from error
                if not is_final(error, round_.file_limit):
                    raise
                log.info("job %s: %s; a message of my own follows", round_.job_id, describe(error))
            else:
                return
        await self._post(round_, delivery, calling(card, event.job.asker))

    async def _is_undone(self, round_: Round) -> bool:
        """Watch over an end that a progress edit given up may still undo: whether one has."""
        delivery = round_.delivery
        if delivery is None or delivery.address.message_id is None:
            return False
        for look in range(1, LOOKS + 1 if round_.given_up else 1):
            await asyncio.sleep(pacing.backoff(look))
            try:
                message = await self._webhook(delivery.address).fetch_message(delivery.address.message_id)
            except discord.HTTPException as error:
                if not is_final(error, round_.file_limit):
                    raise
                return False  # it is gone, or the token is: nothing can be undone any more
            if first_button(message.components) != round_.mark:
                return True
        return False

    async def _post(self, round_: Round, delivery: Delivery, card: Card) -> None:
        """Bring the answer as a message of the bot's own: in the channel, or else directly."""
        address = delivery.address
        channel = self._client.get_partial_messageable(address.channel_id, guild_id=address.guild_id)
        try:
            message = await self._send_once(round_, channel, card, delivery)
        except discord.HTTPException as refusal:
            # Where the bot itself is refused, nothing gets through; what it owes waits for another token.
            if not is_final(refusal, round_.file_limit) or refusal.status == UNAUTHORIZED:
                raise
            log.info("job %s: %s; a direct message follows", round_.job_id, describe(refusal))
            try:
                direct = await self._client.create_dm(discord.Object(address.user_id))
                message = await self._send_once(round_, direct, card, delivery)
            except discord.HTTPException as error:
                if not is_final(error, round_.file_limit):
                    raise
                reason = f"neither the channel nor a direct message takes it: {describe(error)}"
                raise Undeliverable(reason) from error
        round_.given_up = 0  # they can only reach the message that this one replaces
        await _noted(partial(self._deliveries.moved, round_.job_id, message.channel.id, message.id))
        if address.message_id is not None and address.message_id != message.id:
            await self._remove_stale(address, address.message_id)

    async def _send_once(
        self, round_: Round, channel: discord.abc.Messageable, card: Card, delivery: Delivery
    ) -> discord.Message:
        """Post, unless it turns out that we posted this before and were interrupted.

        The nonce makes Discord itself refuse a second copy, but only for some minutes.
        """
        if round_.resumed and (earlier := await self._earlier(channel, round_.mark)) is not None:
            return earlier
        said_in = language(delivery.address.locale)
        return await channel.send(
            view=layout(card, said_in),
            files=files(card, said_in),
            allowed_mentions=mentions(card),
            nonce=delivery.nonce,
        )

    async def _earlier(self, channel: discord.abc.Messageable, mark: str) -> discord.Message | None:
        """Our own message that says how a job ended, if it is among the newest in the channel."""
        try:
            async for message in channel.history(limit=100):
                if message.author == self._client.user and first_button(message.components) == mark:
                    return message
        except discord.Forbidden:
            return None  # we may write here, but not read
        return None

    async def _remove_stale(self, address: Address, message_id: int) -> None:
        """Remove the card that stopped living when its token died; a fresh one stands below it."""
        channel = self._client.get_partial_messageable(address.channel_id, guild_id=address.guild_id)
        try:
            await channel.get_partial_message(message_id).delete()
        except (discord.HTTPException, *Connection) as error:
            log.info("could not remove a stale card: %s", describe(error))

    # What both need ---------------------------------------------------------------------------------------

    async def _edit(self, address: Address, message_id: int, card: Card) -> None:
        said_in = language(address.locale)
        view, attachments = layout(card, said_in), files(card, said_in)
        await self._webhook(address).edit_message(
            message_id, view=view, attachments=attachments, allowed_mentions=mentions(card)
        )

    def _webhook(self, address: Address) -> discord.Webhook:
        return discord.Webhook.partial(address.application_id, address.token, client=self._client)

    async def _delivery(self, round_: Round) -> Delivery | None:
        if round_.delivery is None and (kept := await self._deliveries.get(round_.job_id)) is not None:
            round_.know(kept)
        return round_.delivery


async def _noted(note: Callable[[], Awaitable[None]]) -> None:
    """Write down what has happened already, as soon as the database takes it."""
    attempt = 0
    while True:
        try:
            return await note()
        except DatabaseUnusable as error:
            attempt += 1
            log.warning("%s Trying again in %.0f s.", error, pacing.backoff(attempt))
            await asyncio.sleep(pacing.backoff(attempt))


def _expired(address: Address) -> bool:
    return time.time() >= address.token_expires_at
