"""What servers, people and models are called, for pages that everybody can see (see :mod:`web.names`)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Self

import discord

from bot.apologies import describe
from bot.facts import name_of
from bot.refusals import UNREACHABLE
from bot.shared import is_adult
from generation.chores import end_all
from generation.job import UserId
from generation.prompting.styles import shipped
from generation.shelf import Shelf
from storage.styles import Owner, OwnerKind, Styles
from web.names import NAMELESS

PATIENCE = 1.5
"""Seconds that a page waits for names; those that come later are on the next one."""
REMEMBERED = 3600.0
"""Seconds after which Discord is asked again what somebody is called."""
UNSAID = 60.0
"""The same where Discord could not say it."""
MOST = 20_000
"""Names that are remembered."""
MOST_ASKED = 200
"""People that Discord is being asked for; who comes then is asked for by a later page."""
ADULT_SERVERS = (discord.NSFWLevel.explicit, discord.NSFWLevel.age_restricted)
AT_ONCE = 2
"""Requests to Discord: what people do in the chat comes first."""

log = logging.getLogger(__name__)


class Names:
    """Asks Discord, and remembers for a while."""

    def __init__(self, client: discord.Client, styles: Styles, shelf: Callable[[], Shelf]) -> None:
        self._client = client
        self._styles = styles
        self._shelf = shelf
        self._servers: dict[int, str] = {}
        self._known: dict[tuple[int, UserId], tuple[str | None, float]] = {}
        """And until when, by the monotonic clock."""
        self._asked: dict[tuple[int, UserId], asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await end_all(self._asked.values())

    def server(self, server: int) -> str | None:
        """See :class:`web.names.Names`."""
        guild = self._client.get_guild(server)
        if guild is None:
            return None
        if guild.name:  # while a server cannot be reached it has none
            self._servers[server] = guild.name
        return self._servers.get(server, NAMELESS)

    def is_for_adults(self, server: int, channel: int) -> bool:
        """See :class:`web.names.Names`."""
        guild = self._client.get_guild(server)
        if guild is None or guild.nsfw_level in ADULT_SERVERS:
            return True
        found = guild.get_channel(channel)
        return found is None or is_adult(found)

    async def people(self, server: int, people: Collection[UserId]) -> Mapping[UserId, str]:
        """See :class:`web.names.Names`."""
        wanted = {person: (server, person) for person in people}
        asked = {self._ask(key) for key in wanted.values() if not self._is_fresh(key)} - {None}
        if asked:
            await asyncio.wait([task for task in asked if task is not None], timeout=PATIENCE)
        known = {person: self._known.get(key, (None, 0.0))[0] for person, key in wanted.items()}
        return {person: name for person, name in known.items() if name is not None}

    def model(self, source: str) -> str:
        """See :class:`web.names.Names`."""
        return name_of(source, self._shelf())

    def models(self) -> Mapping[str, str]:
        """See :class:`web.names.Names`."""
        return {model.name: model.source for model in self._shelf().models}

    async def styles(self, server: int) -> Sequence[str]:
        """See :class:`web.names.Names`."""
        own = await self._styles.names(Owner(kind=OwnerKind.SERVER, id=server))
        return sorted({*own, *(style.name for style in shipped())}, key=str.casefold)

    def _is_fresh(self, key: tuple[int, UserId]) -> bool:
        known = self._known.get(key)
        return known is not None and time.monotonic() < known[1]

    def _ask(self, key: tuple[int, UserId]) -> asyncio.Task[None] | None:
        if (task := self._asked.get(key)) is not None:
            return task
        if len(self._asked) >= MOST_ASKED:
            return None
        task = self._asked[key] = asyncio.create_task(self._learn(key), name="a name")
        task.add_done_callback(lambda _: self._asked.pop(key, None))
        return task

    async def _learn(self, key: tuple[int, UserId]) -> None:
        server, person = key
        guild, lasts = self._client.get_guild(server), REMEMBERED
        try:
            async with self._turns:
                found = None if guild is None else await _called(self._client, guild, person)
        except (discord.HTTPException, *UNREACHABLE) as error:
            log.info("Discord did not say what somebody is called: %s", describe(error))
            found, lasts = self._known.get(key, (None, 0.0))[0], UNSAID  # as before
        while len(self._known) >= MOST:
            self._known.pop(next(iter(self._known)))
        self._known.pop(key, None)
        self._known[key] = (found, time.monotonic() + lasts)


async def _called(client: discord.Client, guild: discord.Guild, person: UserId) -> str | None:
    try:
        return (await guild.fetch_member(person)).display_name
    except discord.NotFound:  # they left; what they shared is still there
        pass
    try:
        return (await client.fetch_user(person)).display_name
    except discord.NotFound:
        return None
