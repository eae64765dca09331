"""Whose bot it is: as Discord says, the owner of the application, or of a team those who may run it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import discord

from bot.apologies import describe
from bot.limits import Refused
from bot.refusals import UNREACHABLE
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction

REMEMBERED = 60.0
"""Seconds for which Discord is not asked again: people join and leave teams while the bot runs."""
NOT_YOURS = say("Only whoever this bot belongs to can do that: the owner of its application, or their team.")

log = logging.getLogger(__name__)


def owners_of(application: discord.AppInfo) -> frozenset[int]:
    """Who may decide for this application. Of a team: its owner, its admins and its developers.

    Whoever was invited and has not accepted, or may only read, may not.
    """
    team = application.team
    if team is None:
        return frozenset({application.owner.id})
    may = (discord.TeamMemberRole.admin, discord.TeamMemberRole.developer)
    members = {
        member.id
        for member in team.members
        if member.role in may and member.membership_state is discord.TeamMembershipState.accepted
    }
    return frozenset(members if team.owner_id is None else {*members, team.owner_id})


class Owners:
    """Those of one client, as far as they are known."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._known: frozenset[int] = frozenset()
        self._asked_at: float | None = None

    def are_known_to_include(self, person: int) -> bool:
        """Whether somebody is one of them, as far as Discord was asked."""
        known = self._known
        if self._asked_at is None and self._client.application is not None:  # as it was at the login
            known = owners_of(self._client.application)
        return person in known

    async def check(self, interaction: Interaction) -> None:
        """See that whoever asks is one of them; takes a request to Discord.

        Raises:
            Refused: they are not.
        """
        now = time.monotonic()
        if self._asked_at is None or now - self._asked_at > REMEMBERED:
            try:
                self._known = owners_of(await self._client.application_info())
                self._asked_at = now
            except (discord.HTTPException, *UNREACHABLE) as error:
                log.warning("could not ask whose bot this is: %s", describe(error))
        if not self.are_known_to_include(interaction.user.id):
            raise Refused(NOT_YOURS)
