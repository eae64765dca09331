"""Brings what happens to jobs into their messages; the only writer of a job's message."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

import discord

from bot import pacing
from bot.apologies import describe
from bot.card import Card
from bot.cards import calling, card_for, leaving_card
from bot.expecting import expected_at
from bot.letters import Letters, link_to, noted
from bot.messages import fitting
from bot.recall import Ended, Undeliverable, recalled
from bot.refusals import TOO_LARGE, UNKNOWN_MESSAGE, UNREACHABLE, is_final, retry_after
from bot.rounds import Round
from generation.chores import end_all
from generation.hold import Hold
from generation.job import Job, JobEvent, JobId, Progressed, Queued
from generation.shelf import Shelf
from generation.studio import Eye
from storage.database import DatabaseUnusable
from storage.deliveries import Address, Call, Deliveries, Delivery, DeliveryState
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
        letters: Letters,
        *,
        shelf: Shelf,
        jobs: Jobs,
        pictures: Pictures,
        deliveries: Deliveries,
        cancel: Callable[[JobId], Awaitable[object]],
        watch: Callable[[JobId, Eye], int] | None = None,
        estimate: Callable[[JobId], float | None] = lambda job_id: None,
        shares: Callable[[int | None], bool] = lambda server: False,
    ) -> None:
        self._letters = letters
        self.shelf = shelf
        """The models as far as they are known; another is put here when more is."""
        self._jobs = jobs
        self._pictures = pictures
        self._deliveries = deliveries
        self._cancel = cancel
        self._watch = watch
        self._estimate = estimate
        self._shares = shares
        self._rounds: dict[JobId, Round] = {}
        self._tasks: dict[JobId, asyncio.Task[None]] = {}
        self._closing = False

    async def __aenter__(self) -> Self:
        for job_id in (*await self._deliveries.owed(), *await self._deliveries.calls_owed()):
            self._round(job_id).resumed = True
            self._look_after(job_id)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        ending = [task for job_id, task in self._tasks.items() if self._rounds[job_id].ended_at is not None]
        if ending:
            await asyncio.wait(ending, timeout=CLOSING_PATIENCE)
        await end_all(self._tasks.values())

    def expect(self, job_id: JobId, address: Address) -> None:
        """Events of this job will come; they go there."""
        self._round(job_id).know(Delivery(job_id=job_id, address=address, state=DeliveryState.OPEN))

    def hear(self, event: JobEvent) -> None:
        """Take in an event; listener of the studio, so it only notes."""
        self._round(event.job.id).hear(event)
        self._look_after(event.job.id)

    def bring_again(self, job_id: JobId) -> None:
        """What the message of an ended job has to say has changed, and that is kept as owed."""
        round_ = self._round(job_id)
        round_.again = job_id in self._tasks
        self._look_after(job_id)

    async def remove(self, job: Job, *, but: int | None) -> bool:
        """Take the message of a job away, unless it is the message `but`; whether it is gone.

        With it goes the message that has called who asked.
        """
        kept = await self._deliveries.get(job.id)
        if kept is None:
            return True
        if kept.call is not None:
            await self._letters.remove_call(job, kept.address)
        return kept.address.message_id == but or await self._letters.remove(kept.address)

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
        except Exception:  # the edge of a task: nobody else would hear of it
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
            wait = None if round_.deaf else round_.pace(event, self._card(round_, event)).wait()
            if (speaks_for := round_.speaks_for()) is not None:
                wait = speaks_for if wait is None else min(wait, speaks_for)
            if speaks_for is not None and speaks_for <= 0:
                await self._take_leave(round_, event)
            elif wait == 0:
                await self._look(round_)
                if isinstance(event := round_.newest, Queued | Progressed):
                    self._expect(round_, event)
                    await self._show_progress(round_, self._card(round_, event))
            else:
                try:
                    async with asyncio.timeout(wait):
                        await round_.changed.wait()
                except TimeoutError:
                    pass
            event = round_.newest
        await self._bring(round_, event)
        await self._call(round_)

    # Progress ---------------------------------------------------------------------------------------------

    def _card(self, round_: Round, event: Queued | Progressed) -> Card:
        left = round_.left(event)
        if left is None and isinstance(event, Progressed):
            left = self._estimate(event.job.id)
        return card_for(
            event, self.shelf, previews=round_.previews, left=left, expected_at=round_.expected_at
        )

    def _expect(self, round_: Round, event: Queued | Progressed) -> None:
        """Estimate when it will be done, now that its message is to be edited in any case."""
        seconds = None
        # Nobody knows how long another model is read before its own, or one is fetched, or the owner is away.
        if isinstance(event, Queued) and not (
            (event.loading and not event.loading.reads(event.job.request.model))
            or event.trouble
            or event.hold is not Hold.NONE
        ):
            seconds = self._estimate(round_.job_id)
        round_.expected_at = None if seconds is None else expected_at(seconds)

    async def _look(self, round_: Round) -> None:
        """Have a look at the pictures now that they are to be shown; a slow one is shown the next time."""
        if self._watch is None or not isinstance(round_.newest, Progressed):
            return
        if round_.looks:  # also since the last time was given up, where steps take long
            round_.blind = 0
        if round_.blind >= 2:
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
        round_.blind += not round_.looks

    async def _take_leave(self, round_: Round, event: Queued | Progressed) -> None:
        """Say, while it can be said, that its end comes in another message."""
        delivery = await self._delivery(round_)
        may_post = delivery is not None and self._letters.may_post(delivery.address)
        directly = event.job.private or not may_post
        await self._show_progress(round_, leaving_card(event, self.shelf, directly=directly))
        round_.deaf = True

    async def _show_progress(self, round_: Round, card: Card) -> None:
        delivery = await self._delivery(round_)
        address = None if delivery is None else delivery.address
        round_.edited_at = time.monotonic()
        if address is None or address.message_id is None or _expired(address):
            round_.deaf = True
            return
        try:
            async with asyncio.timeout(PROGRESS_PATIENCE):
                await self._letters.edit(address, address.message_id, card)
            round_.shown = card
            # discord.py asks once more after an error of Discord's, which may have kept the first for later.
            round_.given_up += time.monotonic() - round_.edited_at > RETRIED_AFTER
        except discord.HTTPException as error:
            round_.deaf = error.status in (401, 403, 404)
            round_.given_up += error.status >= 500
            log.info("job %s: progress was not shown: %s", round_.job_id, describe(error))
            if error.code == UNKNOWN_MESSAGE and not round_.is_private:
                await self._cancel(round_.job_id)  # somebody removed it, and Cancel and Delete with it
        except UNREACHABLE as error:
            round_.given_up += 1
            log.info("job %s: progress was not shown: %s", round_.job_id, describe(error))

    # The end ----------------------------------------------------------------------------------------------

    async def _bring(self, round_: Round, event: Ended | None) -> None:
        """Show how a job ended, however long it takes."""
        if (delivery := await self._delivery(round_)) is not None and delivery.state is DeliveryState.DONE:
            return  # only who asked is still to be called
        attempt = 0
        while True:
            try:
                if event is None or attempt:  # its pictures may have been deleted meanwhile
                    event = await recalled(self._jobs, self._pictures, round_.job_id)
                ended = event
                is_edited = await self._bring_once(round_, ended)
                if await self._is_undone(round_):
                    round_.given_up -= 1
                    log.info("job %s: a late progress edit undid its end; once more", round_.job_id)
                    continue
            except Undeliverable as reason:
                if isinstance(reason, _Removed):
                    await noted(partial(self._pictures.forget, round_.job_id))
                await noted(partial(self._deliveries.abandoned, round_.job_id, str(reason), round_.number))
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
            except (*UNREACHABLE, DatabaseUnusable) as error:
                attempt += 1
                wait = pacing.backoff(attempt)
                log.warning("job %s: %s; again in %.0f s", round_.job_id, describe(error), wait)
            else:
                call: Call | None = Call.DONE
                if is_edited:
                    call = Call.OWED if self._letters.wants_call(ended.job) else None
                await noted(partial(self._deliveries.done, round_.job_id, round_.number, call=call))
                return
            round_.resumed = True  # Discord may have taken it although we did not hear so
            await asyncio.sleep(wait)

    async def _call(self, round_: Round) -> None:
        """Call who asked if that is owed, however long it takes."""
        delivery, job = await self._deliveries.get(round_.job_id), await self._jobs.outlined(round_.job_id)
        if delivery is None or job is None or delivery.call is not Call.OWED:
            return None
        attempt = 0
        while True:
            try:
                await self._letters.call(job, delivery.address, resumed=round_.resumed)
                return await noted(partial(self._deliveries.called, round_.job_id))
            except (discord.HTTPException, *UNREACHABLE) as error:
                if isinstance(error, discord.HTTPException) and is_final(error, 0):
                    raise
                attempt += 1
                log.warning("job %s: %s; calling again", round_.job_id, describe(error))
            round_.resumed = True
            await asyncio.sleep(pacing.backoff(attempt))

    async def _bring_once(self, round_: Round, event: Ended) -> bool:
        """Whether it was brought by an edit, of which nobody hears; a message of its own calls who asked."""
        delivery = await self._delivery(round_)
        if delivery is None:
            raise Undeliverable("nobody knows where its answer goes")
        address = delivery.address
        link = await self._parent_link(event.job, address)
        shares = self._shares(address.guild_id)
        card = card_for(event, self.shelf, seconds=round_.seconds, parent_link=link, shares=shares)
        round_.mark = card.buttons[0].custom_id
        card = await fitting(card, round_.file_limit)
        if address.message_id is not None and not _expired(address):
            try:
                await self._letters.edit(address, address.message_id, card)
            except discord.HTTPException as error:
                # What only one person sees Discord removes by itself, and nobody wanted that.
                if error.code == UNKNOWN_MESSAGE and not event.job.private:
                    raise _Removed("somebody removed its message") from error
                if not is_final(error, round_.file_limit):
                    raise
                log.info("job %s: %s; a message of my own follows", round_.job_id, describe(error))
            else:
                return True
            # Trying that may have taken long: what was deleted meanwhile is not posted.
            await recalled(self._jobs, self._pictures, round_.job_id)
        called = calling(card, event.job.asker)
        await self._letters.post(round_, delivery, called, private=event.job.private)
        return False

    async def _parent_link(self, job: Job, address: Address) -> str | None:
        """Where people who see this message can see what it was made from."""
        try:
            there = None if job.parent is None else await self._deliveries.seen(job.parent)
        except DatabaseUnusable:  # the pictures need not wait for that
            return None
        return link_to(there) if there is not None and there.guild_id == address.guild_id else None

    async def _is_undone(self, round_: Round) -> bool:
        """Watch over an end that a progress edit given up may still undo: whether one has."""
        address = None if round_.delivery is None else round_.delivery.address
        if address is None or address.message_id is None:
            return False
        for look in range(1, LOOKS + 1 if round_.given_up else 1):
            await asyncio.sleep(pacing.backoff(look))
            try:
                mark = await self._letters.mark_of(address, address.message_id)
            except discord.HTTPException as error:
                if not is_final(error, round_.file_limit):
                    raise
                return False  # it is gone, or the token is: nothing can be undone any more
            if mark != round_.mark:
                return True
        return False

    # What both need ---------------------------------------------------------------------------------------

    async def _delivery(self, round_: Round) -> Delivery | None:
        if round_.delivery is None and (kept := await self._deliveries.get(round_.job_id)) is not None:
            round_.know(kept)
        return round_.delivery


def _expired(address: Address) -> bool:
    return time.time() >= address.token_expires_at
