"""The board of the week: what was liked most in the week before, posted into the gallery once.

It is claimed first, with what is to stand on it. When nobody knows whether it was posted then, it is looked
for. It comes twice only if the bot ends between posting and noting that, and then cannot find it: in a forum
whose post has been archived meanwhile, or behind a thousand later messages.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NoReturn

import discord
from discord import ui

from bot.apologies import describe
from bot.exhibiting import CannotLook, delete_message, edit_message, message_since, place_of
from bot.gallerycards import entry_lines
from bot.language import Language, language_of_server
from bot.letters import noted
from bot.messages import NO_MENTIONS
from bot.refusals import UNREACHABLE, is_final
from bot.shared import is_adult
from generation.chores import again_and_again
from generation.sentence import say
from storage.boards import WEEK, Boards, Claimed, begin_of, week_of
from storage.database import DatabaseUnusable
from storage.eras import Eras
from storage.gallery import Message
from storage.posts import DAY, Post
from storage.servers import Servers, UnreadableSettings

log = logging.getLogger(__name__)

EVERY = 300.0
"""Seconds between two looks."""
MOST = 5
"""Posts on a board."""


class Board:
    """Posts it in each server that wants one, on its day or, if the bot did not run then, later that week."""

    def __init__(
        self,
        client: discord.Client,
        *,
        boards: Boards,
        eras: Eras,
        servers: Servers,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._boards = boards
        self._eras = eras
        self._servers = servers
        self._now = now

    async def keep_looking(self) -> NoReturn:
        """Look now and then, for ever."""
        await again_and_again(
            self.look,
            every=EVERY,
            failure="could not post a board of the week",
            passing=(DatabaseUnusable, discord.HTTPException, *UNREACHABLE),
            told=describe,
        )

    async def look(self) -> None:
        """Post what is due, and what an earlier look could not say whether it posted."""
        for board in await self._boards.unposted():
            await self._tried(self._find_or_post, board)
        week = week_of(self._now()) - 1
        for server, day in self._servers.boards().items():
            if weekday_of(self._now()) < day:
                continue
            best = await self._boards.best(server, week, MOST, adults=self._is_for_adults(server))
            if not best:
                continue
            claimed = await self._boards.claim(server, week, [post.id for post in best])
            if claimed is not None:
                await self._tried(self._post, claimed)

    async def bring_up_to_date(self) -> bool:
        """Take off the boards what is not to be seen any more; whether all of that could be done."""
        done = True
        for board in await self._boards.outdated():
            done &= await self._tried(self._tell_anew, board)
        return done

    async def _tried(self, act: Callable[[Claimed], Awaitable[object]], board: Claimed) -> bool:
        """Whether that could be done. Others' boards do not wait for one that cannot."""
        try:
            await act(board)
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.warning("a board of the week waits: %s", describe(error))
            return False
        except UnreadableSettings:
            pass  # it waits until the server has decided anew
        return True

    async def _find_or_post(self, board: Claimed) -> None:
        """Post it, unless it is there already, in the gallery or where that was.

        Where we may not look we post nothing: better none than two.
        """
        place = self._servers.of(board.server).gallery_channel
        places = {*await self._eras.channels(board.server), *([] if place is None else [place])}
        for each in places - {0}:
            try:
                channel = await place_of(self._client, each)
                found = await message_since(self._client, channel, _mark(board.week), board.claimed_at)
            except discord.NotFound:  # nothing is where there is no channel
                continue
            except (CannotLook, discord.Forbidden):
                log.warning("a board of the week is not posted: it cannot be told whether it was")
                await self._boards.no_message(board)
                return
            if found is not None:
                await self._boards.posted(board, found.channel_id, found.message_id, found=True)
                return
        await self._post(board)

    async def _post(self, board: Claimed) -> None:
        server, place = board.server, self._servers.of(board.server).gallery_channel
        posts = await self._boards.of(board.posts, adults=self._is_for_adults(server))
        if place is None or not posts:
            await self._boards.give_back(board)
            return
        said_in = self._language(server)
        view = board_view(posts, board.week, said_in)
        try:
            channel = await place_of(self._client, place)
            if isinstance(channel, discord.ForumChannel):
                tags = [tag for tag in channel.available_tags if not tag.moderated]
                made = await channel.create_thread(
                    name=said_in(say("The best of the week")),
                    view=view,
                    applied_tags=tags[: 1 if channel.flags.require_tag else 0],
                    allowed_mentions=NO_MENTIONS,
                )
                sent = made.message
            else:
                sent = await channel.send(
                    view=view, allowed_mentions=NO_MENTIONS, nonce=f"board-{server % 10**9}-{board.week}"
                )
        except discord.HTTPException as error:
            if not is_final(error, 0):
                raise
            log.warning("a gallery's channel takes no board: %s", describe(error))
            await self._boards.no_message(board)
            return
        await noted(partial(self._boards.posted, board, sent.channel.id, sent.id, found=False))

    async def _tell_anew(self, board: Claimed) -> None:
        """Have its message show what stands on it still, or remove it if nothing does."""
        assert board.channel_id is not None, "it was posted"
        assert board.message_id is not None, "it was posted"
        channel = self._client.get_partial_messageable(board.channel_id, guild_id=board.server)
        # Who sees its channel may see all of it: what only adults may see is on no other board.
        posts = await self._boards.of(board.posts, adults=True)
        if not posts:
            await delete_message(
                self._client, Message(channel_id=board.channel_id, message_id=board.message_id)
            )
            await self._boards.no_message(board)
            return
        view = board_view(posts, board.week, self._language(board.server))
        try:
            await edit_message(self._client, channel.get_partial_message(board.message_id), view=view)
        except discord.HTTPException as error:
            if not is_final(error, 0):
                raise
            log.info("a board is gone, or stays as it was: %s", describe(error))
        await self._boards.told(board)

    def _is_for_adults(self, server: int) -> bool:
        place = self._servers.of(server).gallery_channel
        return place is not None and is_adult(self._client.get_channel(place))

    def _language(self, server: int) -> Language:
        return language_of_server(self._client, server, self._servers.readable(server).language)


def _mark(week: int) -> str:
    return f"gallery:board:{week}"


def board_view(best: tuple[Post, ...], week: int, language: Language) -> ui.LayoutView:
    """A board as Discord's widgets; its button is how it is known again."""
    body: ui.Container[ui.LayoutView] = ui.Container()
    begin = f"<t:{begin_of(week)}:D>"
    body.add_item(ui.TextDisplay(language(say("### The best of the week from {day}", day=begin))))
    for number, post in enumerate(best, start=1):
        body.add_item(ui.TextDisplay("\n".join(map(language, entry_lines(number, post)))))
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
    row.add_item(ui.Button(label=language(say("What is liked now")), custom_id=_mark(week)))
    view = ui.LayoutView(timeout=None).add_item(body).add_item(row)
    view.stop()
    return view


def weekday_of(now: float) -> int:
    """The day of the week in UTC, from 1 for Monday to 7; `now` in seconds since the epoch."""
    return int((now - 4 * DAY) % WEEK // DAY) + 1
