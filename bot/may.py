"""Who may do what: the one place that decides it, for every button and for the commands of a server."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import TYPE_CHECKING, assert_never

import discord

from bot.card import Action
from bot.limits import Refused
from generation.job import Job
from generation.sentence import say

if TYPE_CHECKING:
    from bot.house import Interaction


class Who(Enum):
    """Who may press something."""

    EVERYBODY = auto()
    """Whoever sees it."""
    ASKER = auto()
    """Who asked for the picture, and who may manage messages where it is."""
    OWNER = auto()
    """Who asked for the picture, and nobody else."""
    MODERATORS = auto()
    """Who may manage messages in this server."""


MAY: Mapping[Action, Who] = {
    Action.REROLL: Who.EVERYBODY,
    Action.SETTINGS: Who.EVERYBODY,
    Action.VARY: Who.EVERYBODY,
    Action.DIFFER: Who.EVERYBODY,
    Action.UPSCALE: Who.EVERYBODY,
    Action.ENLARGE: Who.EVERYBODY,
    Action.GROW: Who.EVERYBODY,
    Action.CHOOSE: Who.EVERYBODY,
    Action.CONTROL: Who.EVERYBODY,
    Action.EDIT: Who.EVERYBODY,
    Action.INPAINT: Who.EVERYBODY,
    Action.STYLE: Who.EVERYBODY,
    Action.CANCEL: Who.ASKER,
    Action.TAKE_BACK: Who.ASKER,
    Action.DELETE: Who.ASKER,
    Action.REVIEW: Who.MODERATORS,
    Action.APPROVE: Who.MODERATORS,
    Action.REJECT: Who.MODERATORS,
    Action.SHARE: Who.OWNER,
    Action.UNSHARE: Who.ASKER,
    Action.LIKE: Who.EVERYBODY,
    Action.USE: Who.EVERYBODY,
    Action.ABOUT: Who.EVERYBODY,
    Action.FORK: Who.EVERYBODY,
    Action.ADOPT: Who.EVERYBODY,
    Action.REPORT: Who.EVERYBODY,
    Action.HIDE: Who.MODERATORS,
    Action.KEEP: Who.MODERATORS,
    Action.BLOCK: Who.MODERATORS,
    Action.RESTORE: Who.MODERATORS,
}
"""Each action has its line. Who may save a style depends on where: :func:`may_keep_styles` says that."""

_MODERATORS_ONLY = say("Only moderators, who may manage messages here, can look at it and decide.")
REFUSALS: Mapping[Action, str] = {
    Action.CANCEL: say("Only the person who asked for this, or a moderator, can cancel it."),
    Action.TAKE_BACK: say("Only the person who asked for this, or a moderator, can cancel it."),
    Action.DELETE: say("Only the person who asked for this, or a moderator, can delete it."),
    Action.REVIEW: _MODERATORS_ONLY,
    Action.APPROVE: _MODERATORS_ONLY,
    Action.REJECT: _MODERATORS_ONLY,
    Action.SHARE: say("Only the person who asked for a picture can share it."),
    Action.UNSHARE: say("Only who shared this, or a moderator, can take it out of the gallery."),
    Action.HIDE: _MODERATORS_ONLY,
    Action.KEEP: _MODERATORS_ONLY,
    Action.BLOCK: _MODERATORS_ONLY,
    Action.RESTORE: _MODERATORS_ONLY,
}
"""What strangers are told; a line for each action that is not everybody's."""


def check(interaction: Interaction, action: Action, job: Job | None = None) -> None:
    """Whether this person may do that.

    Args:
        job: what it is about; needed where it matters who asked for it.

    Raises:
        Refused: they may not.
    """
    who = MAY[action]
    if depends_on_job(action) and job is None:
        raise TypeError(f"whether somebody may {action} depends on whose it is")
    allowed = is_allowed(
        who,
        person=interaction.user.id,
        asker=None if job is None else job.asker,
        held=interaction.permissions,
        in_server=interaction.guild_id is not None,
    )
    if not allowed:
        raise Refused(REFUSALS[action])


def depends_on_job(action: Action) -> bool:
    """Whether it matters whose the picture is."""
    return MAY[action] in (Who.ASKER, Who.OWNER)


def is_allowed(
    who: Who, *, person: int, asker: int | None, held: discord.Permissions, in_server: bool
) -> bool:
    """Whether somebody with these permissions is one of those."""
    match who:
        case Who.EVERYBODY:
            return True
        case Who.ASKER:
            return person == asker or _moderates(held)
        case Who.OWNER:
            return person == asker
        case Who.MODERATORS:
            return in_server and _moderates(held)
        case _:
            assert_never(who)


def may_moderate(interaction: Interaction) -> bool:
    """Whether this person may see what is held here, and decide on it: moderators of a server."""
    return is_allowed(
        Who.MODERATORS,
        person=interaction.user.id,
        asker=None,
        held=interaction.permissions,
        in_server=interaction.guild_id is not None,
    )


def may_moderate_in(interaction: Interaction, channel_id: int) -> bool:
    """The same of a channel of this server; of one that is not known any more, of the whole server."""
    if channel_id == interaction.channel_id:
        return may_moderate(interaction)
    member, guild = interaction.user, interaction.guild
    if guild is None or not isinstance(member, discord.Member):
        return False
    channel = guild.get_channel_or_thread(channel_id)
    try:
        held = member.guild_permissions if channel is None else channel.permissions_for(member)
    except discord.ClientException:  # a thread of such a channel
        held = member.guild_permissions
    return _moderates(held)


def may_manage_server(interaction: Interaction) -> bool:
    """Whether this person may decide how the bot is in this server."""
    held = interaction.permissions
    return interaction.guild_id is not None and (held.manage_guild or held.administrator)


def may_keep_styles(interaction: Interaction) -> bool:
    """Whether this person may save and delete styles here: moderators; outside servers they are one's own."""
    held = interaction.permissions
    return interaction.guild_id is None or held.manage_guild or _moderates(held)


def _moderates(held: discord.Permissions) -> bool:
    return held.manage_messages or held.administrator
