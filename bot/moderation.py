"""What is held for moderators: shown where they want it, and what becomes of it once they have decided."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Self

import discord
from discord.utils import DEFAULT_FILE_SIZE_LIMIT_BYTES

from bot import pacing
from bot.apologies import describe
from bot.card import Action, Button, Card, Tone, custom_id
from bot.cards import attached, covered
from bot.delivery import Courier
from bot.facts import prompt_of
from bot.language import Language, language_of_server
from bot.markdown import mention
from bot.messages import NO_MENTIONS, files, first_button, fitting, layout
from bot.refusals import UNREACHABLE, is_final, retry_after
from generation.chores import end_all
from generation.image import Picture, PictureGone
from generation.job import Finished, Job, JobEvent, JobId, UserId
from generation.safety import Review, Verdict
from generation.sentence import enumerated, joined, say
from storage.database import DatabaseUnusable
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.reviews import Held, Reviews
from storage.servers import Servers

log = logging.getLogger(__name__)

_EARLIER = 100
"""Messages in which one of ours is looked for that an earlier run may have posted."""

AT_ONCE = 2
"""Jobs whose pictures are in memory to be shown: at a start there may be hundreds."""


class Desk:
    """Lays what is held before the moderators of its server, in their channel if they have one, and keeps
    what they decide.

    Entered after the courier. What an earlier run could not show is shown first, and what it could not take
    out of their channel is taken out.
    """

    def __init__(
        self,
        client: discord.Client,
        *,
        jobs: Jobs,
        pictures: Pictures,
        reviews: Reviews,
        servers: Servers,
        courier: Courier,
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._pictures = pictures
        self._reviews = reviews
        self._servers = servers
        self._courier = courier
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[JobId, asyncio.Task[None]] = {}
        """Of these the one that was begun last for each job."""
        self._hands = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        for job_id in await self._reviews.rejected_but_kept():
            try:
                await self._pictures.forget(job_id)
            except OSError as error:  # nobody is shown them, and they are swept at a later start
                log.warning("job %s: files of it stay: %s", job_id, error)
        for held in await self._reviews.waiting():
            if held.message_id is None:
                self._begin(held.job_id, partial(self._show_once, held.job_id), resumed=True)
        for held in await self._reviews.left_open():
            self._begin(held.job_id, partial(self._close_once, held))
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_all(self._tasks)

    def hear(self, event: JobEvent) -> None:
        """Take in an event; listener of the studio, so it only notes."""
        if isinstance(event, Finished) and event.job.review is Review.WAITING:
            self._begin(event.job.id, partial(self._show_once, event.job.id))

    async def lay_out(self, server: int) -> None:
        """Show all that waits in this server in the channel that its moderators have now."""
        for held in await self._reviews.waiting(server):
            self._begin(held.job_id, partial(self._show_once, held.job_id), resumed=True)

    async def card(self, held: Held) -> Card | None:
        """What moderators see of it, with its pictures behind spoilers; None if these are gone."""
        job = await self._jobs.outlined(held.job_id)
        if job is None:
            return None
        try:
            pictures = [
                Picture(
                    index=stored.index,
                    seed=stored.seed,
                    size=stored.size,
                    png=await self._pictures.read(stored),
                    verdict=stored.verdict,
                )
                for stored in await self._pictures.of(held.job_id)
            ]
        except PictureGone:
            return None
        return _review_card(job, pictures)

    async def decide(self, job_id: JobId, decision: Review, *, by: UserId) -> Held | None:
        """Keep a decision, and have it told and done; what is known of it now, None if nothing ever was.

        Whoever decides second changes nothing.
        """
        if await self._reviews.decide(job_id, decision, by=by):
            log.info("job %s: %s by a moderator", job_id, decision)
            try:
                if decision is Review.REJECTED:
                    await self._pictures.forget(job_id)
            finally:  # also if a disk that fails keeps the files for now: nobody is shown them
                self._courier.bring_again(job_id)
        held = await self._reviews.get(job_id)
        if held is not None:
            await self._close(held)
        return held

    async def withdrawn(self, job_id: JobId) -> None:
        """Its pictures were deleted: moderators are shown them no more."""
        held = await self._reviews.get(job_id)
        if held is not None:
            await self._close(held)

    # In the moderators' channel ---------------------------------------------------------------------------

    def _begin(self, job_id: JobId, act: Callable[[bool], Awaitable[None]], *, resumed: bool = False) -> None:
        """Do that after what else is done for this job, as often as it takes."""
        before = self._last.get(job_id)
        task = asyncio.create_task(self._persist(job_id, act, resumed, before), name=f"review of {job_id}")
        self._tasks.add(task)
        self._last[job_id] = task
        task.add_done_callback(partial(self._ended, job_id))

    def _ended(self, job_id: JobId, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._last.get(job_id) is task:
            del self._last[job_id]

    async def _persist(
        self,
        job_id: JobId,
        act: Callable[[bool], Awaitable[None]],
        resumed: bool,
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        attempt = 0
        while True:
            try:
                async with self._hands:
                    return await act(resumed)
            except discord.HTTPException as error:
                if is_final(error, 0):
                    log.warning(
                        "job %s: the moderators' channel does not take it: %s", job_id, describe(error)
                    )
                    return None
                wait = max(pacing.backoff(attempt + 1), retry_after(error))
            except (*UNREACHABLE, DatabaseUnusable):
                wait = pacing.backoff(attempt + 1)
            except Exception:  # the edge of a task: nobody else would hear of it
                log.exception("job %s: could not be shown to moderators; /moderate shows it", job_id)
                return None
            attempt += 1
            resumed = True  # Discord may have taken it although we did not hear so
            await asyncio.sleep(wait)

    async def _show_once(self, job_id: JobId, resumed: bool) -> None:
        held = await self._reviews.get(job_id)
        if held is None:
            return
        channel_id = self._servers.readable(held.server).moderators_channel
        if channel_id is None:
            return
        if held.message_id is None or held.channel_id != channel_id:
            channel = self._client.get_partial_messageable(channel_id, guild_id=held.server)
            message = await self._earlier(channel, job_id) if resumed else None
            if message is None:
                waits = held.state is Review.WAITING and not held.is_forgotten
                card = await self.card(held) if waits else None
                if card is None:
                    return
                card = await fitting(card, DEFAULT_FILE_SIZE_LIMIT_BYTES)
                said_in = self._language(held.server)
                message = await channel.send(
                    view=layout(card, said_in),
                    files=files(card, said_in),
                    allowed_mentions=NO_MENTIONS,
                    nonce=f"review-{job_id}",
                )
            await self._reviews.shown(job_id, channel_id, message.id)
            await self._remove_moved(held)
            held = replace(held, channel_id=channel_id, message_id=message.id)
        await self._close_once(held)  # unless it still waits

    async def _remove_moved(self, held: Held) -> None:
        """Remove the message in a channel that moderators had before."""
        if held.channel_id is None or held.message_id is None:
            return
        channel = self._client.get_partial_messageable(held.channel_id, guild_id=held.server)
        try:
            await channel.get_partial_message(held.message_id).delete()
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.info("job %s: its earlier message to moderators stays: %s", held.job_id, describe(error))

    def _language(self, server: int) -> Language:
        return language_of_server(self._client, server, self._servers.readable(server).language)

    async def _earlier(self, channel: discord.PartialMessageable, job_id: JobId) -> discord.Message | None:
        wanted = custom_id(Action.APPROVE, job_id)
        try:
            async for message in channel.history(limit=_EARLIER):
                if message.author == self._client.user and first_button(message.components) == wanted:
                    return message
        except discord.Forbidden:
            return None  # we may write there, but not read
        return None

    async def _close(self, held: Held) -> None:
        """Take what is decided or deleted out of the moderators' channel, at once or as soon as it can be."""
        try:
            await self._close_once(held)
        except (discord.HTTPException, *UNREACHABLE, DatabaseUnusable) as error:
            log.info("job %s: its message to moderators stays for now: %s", held.job_id, describe(error))
            self._begin(held.job_id, partial(self._close_once, held))

    async def _close_once(self, known: Held, resumed: bool = False) -> None:
        """Take its pictures and its buttons out of that message, unless it still waits.

        Args:
            known: what was known of it; by now its asker may have had all of it forgotten.
        """
        job_id = known.job_id
        held = await self._reviews.get(job_id) or replace(known, is_forgotten=True)
        if held.channel_id is None or held.message_id is None:
            return
        if held.state is Review.WAITING and not held.is_forgotten:
            return
        channel = self._client.get_partial_messageable(held.channel_id, guild_id=held.server)
        message = channel.get_partial_message(held.message_id)
        try:
            view = layout(decided_card(held), self._language(held.server))
            await message.edit(view=view, attachments=[], allowed_mentions=NO_MENTIONS)
        except discord.HTTPException as error:
            if not is_final(error, 0):
                raise
            log.info("job %s: its message to moderators stays: %s", job_id, describe(error))
        await self._reviews.closed(job_id)


def _review_card(job: Job, pictures: Sequence[Picture]) -> Card:
    found = [picture.index + 1 for picture in pictures if picture.verdict is Verdict.FLAGGED]
    unsure = [
        picture.index + 1 for picture in pictures if picture.verdict not in (Verdict.FLAGGED, Verdict.CLEAN)
    ]
    lines = []
    if job.request.count == 1:
        if found:
            lines.append(say("The safety check flags it."))
        if unsure:
            lines.append(say("The safety check could not look at it."))
    else:
        if found:
            lines.append(say("The safety check flags {pictures}.", pictures=_which(found)))
        if unsure:
            lines.append(say("The safety check could not look at {pictures}.", pictures=_which(unsure)))
    return Card(
        tone=Tone.WAITING,
        text=(
            joined("", ("> ", prompt_of(job.request))),
            say("**Waiting for you.** {reasons}", reasons=joined(" ", lines)),
        ),
        pictures=tuple(covered(attached(job, picture)) for picture in pictures),
        small=(say("asked by {who}", who=f"<@{job.asker}> <t:{int(job.created_at)}:R>"),),
        buttons=(
            Button(action=Action.APPROVE, job=job.id, label=say("Let it pass")),
            Button(action=Action.REJECT, job=job.id, label=say("Reject")),
        ),
    )


def _which(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return say("picture {number}", number=numbers[0])
    return say("pictures {numbers}", numbers=enumerated(list(map(str, numbers))))


def decided_card(held: Held) -> Card:
    """What became of something that was held."""
    if held.state is Review.WAITING:
        return Card(tone=Tone.CANCELLED, text=(say("**Deleted** before anybody decided."),))
    who = mention(held.decided_by)
    if held.state is Review.APPROVED:
        return Card(tone=Tone.DONE, text=(say("**Let pass** by {who}.", who=who),))
    return Card(tone=Tone.CANCELLED, text=(say("**Rejected**, and not kept, by {who}.", who=who),))
