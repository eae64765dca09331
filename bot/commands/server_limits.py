"""/server limits: how much people may ask for in one server, everybody or who has a role."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import Range

from bot.apologies import tell
from bot.governing import acknowledged, change
from bot.limitlines import all_limits
from bot.limits import Refused
from generation.queue import MAX_WEIGHT
from generation.request import InvalidRequest, Size
from generation.sentence import count, say
from storage.quotas import Quota
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction

MOST = 1_000_000
MAX_ROLES = 50
"""With limits of their own, in one server."""
NOTHING = "none"


def limits_command() -> app_commands.Command[app_commands.Group, ..., None]:
    """The command, for the group /server."""
    return app_commands.Command(
        name="limits",
        description="How much people may ask for here: everybody, or those with a role",
        callback=_limits,
    )


@app_commands.describe(
    role="Whose limits; without one everybody's. Of several roles the highest limit counts",
    pictures="Pictures in a day (UTC) for each person; 0: no limit of this server's",
    waiting="Requests of one person that may wait or be drawn at once; 0: no limit of this server's",
    size="The largest picture, like 1024x1024, in any shape; none: no limit of this server's",
    steps="The most steps; 0: no limit of this server's",
    turns="Turns in the queue where others get one; 0: as everybody",
    together="Pictures in a day for everybody in common; 0: no limit. Not for a role",
)
async def _limits(
    interaction: Interaction,
    role: discord.Role | None = None,
    pictures: Range[int, 0, MOST] | None = None,
    waiting: Range[int, 0, MOST] | None = None,
    size: str | None = None,
    steps: Range[int, 0, MOST] | None = None,
    turns: Range[int, 0, MAX_WEIGHT] | None = None,
    together: Range[int, 0, MOST] | None = None,
) -> None:
    pixels = None if size is None else _pixels(size)
    is_for_all = role is None or role.id == interaction.guild_id
    if together is not None and not is_for_all:
        raise Refused(say("What all people may have in common is not for one role; leave out `role`."))
    typed = {"pictures": pictures, "waiting": waiting, "pixels": pixels, "steps": steps, "weight": turns}
    changes = {name: value for name, value in {**typed, "together": together}.items() if value is not None}
    whose = None if role is None or is_for_all else role.id
    if changes:
        await change(
            interaction,
            lambda was: _with(was, whose, changes),
            told=lambda now: all_limits(now, interaction.client.house.limits),
        )
        return
    server = await acknowledged(interaction)
    settings, owner = interaction.client.house.servers.readable(server), interaction.client.house.limits
    await tell(interaction, all_limits(settings, owner))


def _pixels(size: str) -> int:
    """0 for no limit.

    Raises:
        InvalidRequest: it is no size.
    """
    return 0 if size.strip().casefold() in (NOTHING, "0") else Size.parse(size).pixels


def _with(settings: ServerSettings, role: int | None, changes: dict[str, int]) -> ServerSettings:
    """These settings with other limits for a role, or for everybody; 0 takes one away.

    Raises:
        InvalidRequest: there are too many roles.
    """
    others = [each for each in settings.quotas if each.role != role]
    before = next((each for each in settings.quotas if each.role == role), Quota(role=role))
    after = replace(before, **{name: value or None for name, value in changes.items()})
    quotas = [*others, after] if after else others
    if len(quotas) > MAX_ROLES:
        raise InvalidRequest(
            count(
                "{number} role has limits already; take some away first.",
                "{number} roles have limits already; take some away first.",
                MAX_ROLES,
            )
        )
    return replace(settings, quotas=tuple(sorted(quotas, key=lambda each: each.role or 0)))
