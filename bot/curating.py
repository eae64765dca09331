"""Brings what is shared into the gallery's channel, keeps its likes true there, takes down what is gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import NoReturn
from weakref import WeakValueDictionary

import discord
from discord.utils import DEFAULT_FILE_SIZE_LIMIT_BYTES

from bot import pacing
from bot.apologies import describe
from bot.boards import Board
from bot.card import Action, Card, custom_id
from bot.cards import MAX_ALT
from bot.exhibiting import (
    CannotLook,
    delete_message,
    edit_message,
    message_since,
    new_post,
    place_of,
)
from bot.gallerycards import post_card
from bot.language import Language, language_of_server
from bot.letters import noted
from bot.limits import Refused
from bot.markdown import shortened
from bot.messages import fitting, layout
from bot.noticing import Notices
from bot.refusals import UNKNOWN_MESSAGE, UNREACHABLE, is_final
from bot.shared import is_adult
from generation.image import Picture, PictureGone
from generation.job import Job, JobId, UserId
from generation.sentence import say
from generation.shelf import Shelf
from storage.database import DatabaseUnusable
from storage.eras import Eras
from storage.exhibits import Exhibits
from storage.gallery import Gallery, Message
from storage.hanging import UNTOLD, Hangings
from storage.jobs import Jobs
from storage.pictures import Pictures
from storage.posts import Post, PostId
from storage.reports import Reports
from storage.servers import Servers, UnreadableSettings

log = logging.getLogger(__name__)

PACE = 2.0
"""Seconds between two rounds, so that no post is edited more often."""
LOOK = 30.0
"""Seconds after which it looks by itself: whatever removes a picture need not tell it."""
AT_ONCE = 2
"""Posts whose pictures are in memory to be sent."""


class Curator:
    """Looks after the messages of all galleries. What it owes is in the database, so a restart loses none.

    A post is sent with a nonce, by which Discord refuses a second copy for some minutes; later its own
    message is looked for first. All else can be done twice.
    """

    def __init__(
        self,
        client: discord.Client,
        *,
        shelf: Shelf,
        gallery: Gallery,
        eras: Eras,
        hangings: Hangings,
        exhibits: Exhibits,
        jobs: Jobs,
        pictures: Pictures,
        servers: Servers,
        reports: Reports,
        board: Board,
        rest: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            rest: for so many seconds.
        """
        self.shelf = shelf
        self._client = client
        self._gallery = gallery
        self._eras = eras
        self._hangings = hangings
        self._exhibits = exhibits
        self._jobs = jobs
        self._pictures = pictures
        self._servers = servers
        self._board = board
        self._notices = Notices(client, reports=reports, jobs=jobs, servers=servers)
        self._rest = rest
        self._locks: WeakValueDictionary[PostId, asyncio.Lock] = WeakValueDictionary()
        self._hands = asyncio.Semaphore(AT_ONCE)
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something has changed: look soon."""
        self._woken.set()

    @asynccontextmanager
    async def going(self, *, job: JobId | None = None, person: UserId | None = None) -> AsyncIterator[None]:
        """In the block a picture, or all of a person, goes; after it no post names it as its origin.

        What may name it is noted before, since nobody can tell afterwards, and a crash may come between.
        """
        named = await self._hangings.descendants(job=job, person=person)
        if named:
            await self._hangings.tell_anew(named)
        try:
            yield
        finally:
            if named:
                await self._hangings.tell_anew(named)
            self.wake()

    async def hang(self, post_id: PostId, *, fresh: bool = False) -> Post | None:
        """Bring a post into the channel, unless it is there; what is known of it then, None if it is gone.

        Args:
            fresh: nobody has tried that before.

        Raises:
            Refused: the channel takes none of ours, so it is not shared any more.
            discord.HTTPException, *UNREACHABLE: it may work later, and is tried again.
        """
        lock = self._locks.setdefault(post_id, asyncio.Lock())  # there for as long as somebody has it
        async with lock, self._hands:
            return await self._hang(post_id, fresh)

    async def _hang(self, post_id: PostId, fresh: bool) -> Post | None:
        post = await self._gallery.get(post_id)
        if post is None or post.is_hidden or post.message_id is not None:
            return post
        message = None if fresh else await self._earlier(post)
        likes = UNTOLD  # an earlier message says what there was then
        if message is None:
            message, likes = await self._sent(post), post.likes
        if message is None:
            await self._gallery.unshare(post_id)
            return None
        stays = await self._note(post, message, likes)
        if not stays:
            await self._take_down(message)
        return await self._gallery.get(post_id)

    async def _sent(self, post: Post) -> Message | None:
        """A new message of this post; None if there can be none, and it is not to be shared any more.

        Raises:
            Refused, discord.HTTPException, *UNREACHABLE: see :meth:`hang`.
        """
        place = self._servers.of(post.server).gallery_channel
        card = None if place is None else await self._card(post)
        if place is None or card is None:
            return None
        try:
            channel = await place_of(self._client, place)
            if post.for_adults and not is_adult(channel):  # the gallery has moved since it was shared
                return None
            card = await fitting(card, DEFAULT_FILE_SIZE_LIMIT_BYTES)
            time = await self._hangings.shown_again(post.id)
            return await new_post(channel, post, card, self._language(post.server), time)
        except discord.HTTPException as error:
            if not is_final(error, 0):
                raise
            log.warning("a gallery's channel takes no post: %s", describe(error))
            await self._gallery.unshare(post.id)
            raise Refused(
                say("I may not post in {channel}, so it is not shared.", channel=f"<#{place}>")
            ) from None

    async def _note(self, post: Post, message: Message, likes: int) -> bool:
        stays = False

        async def note() -> None:
            nonlocal stays
            stays = await self._gallery.shown(post.id, message.channel_id, message.message_id, likes)

        await noted(note)
        return stays

    async def _earlier(self, post: Post) -> Message | None:
        """Our own message of this post, if one stands where the gallery is or was since, and is not to go."""
        going = {message.message_id for message in await self._gallery.takedowns()}
        mark = custom_id(Action.LIKE, post.job_id, post.index)
        place = self._servers.of(post.server).gallery_channel
        for each in dict.fromkeys((place, *await self._eras.since(post.id))):
            if not each:
                continue
            try:
                channel = await place_of(self._client, each)
                found = await message_since(self._client, channel, mark, post.shared_at, going)
            except (CannotLook, discord.Forbidden, discord.NotFound):
                continue  # we may write there, but not read, or it is gone
            if found is not None:
                return found
        return None

    # What is known of a post ------------------------------------------------------------------------------

    async def card(self, post: Post) -> Card | None:
        """A post with its picture, for one person or for its channel; None if the picture is gone."""
        return await self._card(post)

    async def _card(self, post: Post) -> Card | None:
        job, picture = await self.picture_of(post)
        return None if job is None or picture is None else await self._drawn(post, job, picture)

    async def picture_of(self, post: Post) -> tuple[Job | None, Picture | None]:
        """The job of a post, and its picture, as far as they are there."""
        job = await self._jobs.outlined(post.job_id)
        try:
            kept = await self._pictures.of(post.job_id)
            stored = next((each for each in kept if each.index == post.index), None)
            if job is None or stored is None:
                return job, None
            png = await self._pictures.read(stored)
        except PictureGone:
            return job, None
        picture = Picture(
            index=stored.index, seed=stored.seed, size=stored.size, png=png, verdict=stored.verdict
        )
        return job, picture

    async def _drawn(self, post: Post, job: Job, picture: Picture | None) -> Card:
        covers = picture is not None and self._servers.of(post.server).spoilers
        return post_card(post, job, picture, self.shelf, origin=await self.origin(post), covers=covers)

    async def origin(self, post: Post) -> Post | None:
        """The nearest thing that somebody else shared here from which it was made, if it may be told."""
        origins = await self._exhibits.origins(post)
        told = (each for each in origins if post.for_adults or not each.for_adults)
        return next((each for each in told if each.person != post.person), None)

    def _language(self, server: int) -> Language:
        return language_of_server(self._client, server, self._servers.readable(server).language)

    # What is owed -----------------------------------------------------------------------------------------

    async def keep_looking(self) -> NoReturn:
        """Do what is owed when something has changed, and now and then, for ever."""
        attempt = 0
        while True:
            self._woken.clear()
            done = False
            try:
                done = await self.catch_up()
            except DatabaseUnusable as error:
                log.warning("could not look after the gallery: %s", error)
            except Exception:  # the edge of a loop: one failure does not end it
                log.exception("could not look after the gallery")
            attempt = 0 if done else attempt + 1
            await self._rest(PACE)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK if done else pacing.backoff(attempt)):
                    await self._woken.wait()

    async def catch_up(self) -> bool:
        """Do what is owed now; whether all of it could be done."""
        await self._hangings.take_hidden_down()
        done = True
        for message in await self._gallery.takedowns():
            done &= await self._tried(partial(self._take_down, message))
        for post in await self._gallery.without_message():
            done &= await self._tried(partial(self.hang, post.id))
        for post in await self._gallery.outdated():
            done &= await self._tried(partial(self._tell_anew, post))
        done &= await self._notices.bring_up_to_date()
        return done & await self._board.bring_up_to_date()

    async def _tried(self, act: Callable[[], Awaitable[object]]) -> bool:
        try:
            await act()
        except Refused as refused:
            log.info("a post was not shown: %s", refused)
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.info("the gallery waits: %s", describe(error))
            return False
        except PictureGone:
            log.info("a post was not shown: its picture is gone")
        except UnreadableSettings:
            pass  # it waits until the server has decided anew
        return True

    async def _take_down(self, message: Message) -> None:
        await delete_message(self._client, message)
        await self._gallery.taken_down(message)

    async def _tell_anew(self, post: Post) -> None:
        """Say the likes that it has now, and what it was made from, in its message."""
        known = await self._gallery.get(post.id)  # it may have changed since: others are edited first
        if known is None or known.channel_id is None or known.message_id is None or known.said == known.likes:
            return
        post, job = known, await self._jobs.outlined(known.job_id)
        if job is None:
            return
        channel = self._client.get_partial_messageable(known.channel_id, guild_id=post.server)
        try:
            message = await channel.fetch_message(known.message_id)
            card = await self._drawn(post, job, None)
            view = with_picture(layout(card, self._language(post.server)), message, job, post)
            await edit_message(self._client, message, view=view, attachments=message.attachments)
        except discord.HTTPException as error:
            if error.code == UNKNOWN_MESSAGE:  # somebody removed it by hand: it is not wanted there
                async with self.going(job=post.job_id):
                    await self._gallery.unshare(post.id)
                return
            if not is_final(error, 0):
                raise
            log.info("the likes of a post are not shown: %s", describe(error))
        await self._gallery.says(post)


def with_picture(
    view: discord.ui.LayoutView, message: discord.Message, job: Job, post: Post
) -> discord.ui.LayoutView:
    """The view of a card without pictures, with the one that its message has."""
    body = view.children[0]
    if not message.attachments or not isinstance(body, discord.ui.Container):
        return view
    gallery: discord.ui.MediaGallery[discord.ui.LayoutView] = discord.ui.MediaGallery()
    file = message.attachments[0]
    gallery.add_item(
        media=f"attachment://{file.filename}",
        description=shortened(" ".join(job.request.image(post.index).prompt.split()), MAX_ALT) or None,
        spoiler=file.is_spoiler(),
    )
    parts = list(body.children)
    body.clear_items()
    for part in (*parts[:1], gallery, *parts[1:]):
        body.add_item(part)
    return view
