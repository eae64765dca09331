"""/admin: the owner's hand on all that is drawn, whoever asked for it and wherever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import Choice

from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.commands.places import EVERYWHERE
from bot.language import Language, language_of
from bot.limits import Refused
from bot.options import MAX_CHOICES
from bot.standing import HELD, counted, freed, models_told
from generation.job import JobEvent, Progressed, UserId
from generation.sentence import Sentence, count, joined, say

if TYPE_CHECKING:
    from bot.house import Interaction

FREEING_S = 20.0
"""Seconds to wait for models to go, before it is told that they will."""

log = logging.getLogger(__name__)


class AdminCommands(app_commands.Group):
    """The group. What one of them raises is told to the person who used it."""

    def __init__(self) -> None:
        super().__init__(
            name="admin",
            description="For whoever runs me: pause, resume, cancel, free the memory",
            default_permissions=discord.Permissions(administrator=True),
            **EVERYWHERE,
        )
        self._one_at_a_time = asyncio.Lock()

    @app_commands.command(name="status", description="What I am doing")
    async def status(self, interaction: Interaction) -> None:
        await _admit(interaction)
        await tell(interaction, _status(interaction))

    @app_commands.command(name="pause", description="Stop drawing at once; all requests are kept")
    async def pause(self, interaction: Interaction) -> None:
        await _admit(interaction)
        house = interaction.client.house
        async with self._one_at_a_time:
            await house.pauses.pause(UserId(interaction.user.id))
            await house.studio.pause()
        log.info("paused by the owner")
        await tell(interaction, _status(interaction))

    @app_commands.command(name="drain", description="Finish what has begun, then pause; requests are kept")
    async def drain(self, interaction: Interaction) -> None:
        await _admit(interaction)
        house = interaction.client.house
        async with self._one_at_a_time:
            await house.pauses.pause(UserId(interaction.user.id))
            house.studio.drain()
        log.info("paused by the owner, when what has begun is done")
        await tell(interaction, _status(interaction))

    @app_commands.command(name="resume", description="Draw again")
    async def resume(self, interaction: Interaction) -> None:
        await _admit(interaction)
        house = interaction.client.house
        async with self._one_at_a_time:
            await house.pauses.resume()
            house.studio.resume()
        log.info("resumed by the owner")
        await tell(interaction, _status(interaction))

    @app_commands.command(
        name="free", description="Put the models away, so that their memory can be used for something else"
    )
    async def free(self, interaction: Interaction) -> None:
        await _admit(interaction)
        house = interaction.client.house
        async with self._one_at_a_time:
            is_done = await house.studio.free(FREEING_S)
        log.info("the models were put away by the owner")
        readiness = house.studio.readiness
        # Also a worker that has only begun to start, and has not said yet what it reads.
        is_reading = bool(readiness.on_their_way) or readiness.loading("") is not None
        done = freed(is_done=is_done, is_reading=is_reading)
        await tell(interaction, joined("\n", (done, _status(interaction))))

    @app_commands.command(name="cancel", description="Take back anybody's requests")
    @app_commands.describe(
        request="One of them", person="All of this person's", everything="All that there are"
    )
    async def cancel(
        self,
        interaction: Interaction,
        request: str | None = None,
        person: discord.User | None = None,
        everything: bool | None = None,
    ) -> None:
        if [request is not None, person is not None, bool(everything)].count(True) != 1:
            raise Refused(say("Say what to cancel: a `request`, a `person`'s, or `everything`."))
        await _admit(interaction)
        studio = interaction.client.house.studio
        chosen = [
            event.job.id
            for event in studio.standing
            if everything
            or (person is not None and event.job.asker == person.id)
            or event.job.id == (request or "").strip()
        ]
        if not chosen and everything:
            raise Refused(say("**Nothing** is being drawn, and nothing waits."))
        if not chosen:
            raise Refused(say("No such request waits or is being drawn."))
        ended = await asyncio.gather(*map(studio.cancel, chosen))
        log.info("%d requests were cancelled by the owner", sum(ended))
        await tell(
            interaction, count("{number} request cancelled.", "{number} requests cancelled.", sum(ended))
        )

    @cancel.autocomplete("request")
    async def suggest(self, interaction: Interaction, typed: str) -> list[Choice[str]]:
        """Requests in their order; nobody's words are shown."""
        house = interaction.client.house
        if not house.owners.are_known_to_include(interaction.user.id):
            return []
        return suggested(house.studio.standing, typed, language_of(interaction))


async def _admit(interaction: Interaction) -> None:
    """Acknowledge, and see whose hand it is.

    Raises:
        Refused: not the owner's.
    """
    await acknowledge(interaction, thinking=True, ephemeral=True)
    await interaction.client.house.owners.check(interaction)


def suggested(standing: Sequence[JobEvent], typed: str, said_in: Language) -> list[Choice[str]]:
    """What can be cancelled, by id, state and the id of who asked: as much of it as Discord shows."""
    found = []
    waiting = 0
    for event in standing:
        is_drawn = isinstance(event, Progressed)
        waiting += not is_drawn
        job = event.job
        where = say("being drawn") if is_drawn else say("number {place} in line", place=waiting)
        what = f"{job.request.count} × {job.request.size}"
        name = said_in(joined(" · ", (job.id, where, what, str(job.asker))))
        if typed.strip().casefold() in name.casefold():
            found.append(Choice(name=name, value=str(event.job.id)))
    return found[:MAX_CHOICES]


def _status(interaction: Interaction) -> Sentence:
    house = interaction.client.house
    studio = house.studio
    lines: list[str] = [HELD.get(studio.hold, say("**Drawing** whatever is asked."))]
    if studio.unavailable is not None:
        lines.append(say("**I cannot draw at the moment.** {trouble}", trouble=studio.unavailable))
    lines.append(counted(studio.standing))
    lines += models_told(studio.readiness.loaded, studio.readiness.on_their_way, house.shelf)
    return joined("\n", lines)
