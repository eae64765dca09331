"""The board of the week: what was liked most in the week before, posted into the gallery once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NoReturn

import discord
from discord import ui

from bot.apologies import describe
from bot.exhibiting import earlier_post, place_of
from bot.gallerycards import entry_lines
from bot.language import Language, language_of_server
from bot.messages import NO_MENTIONS
from bot.refusals import Connection, is_final
from bot.shared import is_adult
from generation.chores import again_and_again
from generation.sentence import say
from storage.boards import WEEK, Boards, begin_of, week_of
from storage.database import DatabaseUnusable
from storage.hanging import Hangings
from storage.posts import DAY, Post
from storage.servers import Servers

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
        hangings: Hangings,
        servers: Servers,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._boards = boards
        self._hangings = hangings
        self._servers = servers
        self._now = now

    async def keep_looking(self) -> NoReturn:
        """Look now and then, for ever."""
        await again_and_again(
            self.look,
            every=EVERY,
            failure="could not post a board of the week",
            passing=(DatabaseUnusable, discord.HTTPException, *Connection),
            told=describe,
        )

    async def look(self) -> None:
        """Post what is due, and what an earlier look could not say whether it posted."""
        for unposted in await self._hangings.unposted_boards():
            await self._post(unposted.server, unposted.week, resumed=True)
        for server, day in self._servers.boards().items():
            week = week_of(self._now()) - 1
            if weekday_of(self._now()) < day or not await self._best(server, week):
                continue
            if await self._boards.claim(server, week):
                await self._post(server, week, resumed=False)

    async def _post(self, server: int, week: int, *, resumed: bool) -> None:
        place, best = self._servers.of(server).gallery_channel, await self._best(server, week)
        if place is None or not best:
            await self._boards.give_back(server, week)
            return
        said_in = self._language(server)
        view = board_view(best, week, said_in)
        try:
            channel = await place_of(self._client, place)
            message = await earlier_post(self._client, channel, _mark(week), ()) if resumed else None
            if message is not None:
                await self._boards.posted(server, week, message.channel_id, message.message_id)
                return
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
                    view=view, allowed_mentions=NO_MENTIONS, nonce=f"board-{server % 10**9}-{week}"
                )
        except discord.HTTPException as error:
            if not is_final(error, 0):
                raise
            log.warning("a gallery's channel takes no board: %s", describe(error))
            await self._hangings.no_message(server, week)
            return
        await self._boards.posted(server, week, sent.channel.id, sent.id)

    async def _best(self, server: int, week: int) -> tuple[Post, ...]:
        place = self._servers.of(server).gallery_channel
        adults = place is not None and is_adult(self._client.get_channel(place))
        return await self._boards.best(server, week, MOST, adults=adults)

    def _language(self, server: int) -> Language:
        return language_of_server(self._client, server, self._servers.of(server).language)


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
