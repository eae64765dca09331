"""Where commands can be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from discord.app_commands import AppCommandContext, AppInstallationType, allowed_contexts, allowed_installs

F = TypeVar("F", bound=Callable[..., Any])

EVERYWHERE: dict[str, Any] = {
    "allowed_installs": AppInstallationType(guild=True, user=True),
    "allowed_contexts": AppCommandContext(guild=True, dm_channel=True, private_channel=True),
}
"""For a group that its people can use in servers, in messages to the bot, and among each other."""

IN_SERVERS: dict[str, Any] = {
    "allowed_installs": AppInstallationType(guild=True, user=False),
    "allowed_contexts": AppCommandContext(guild=True, dm_channel=False, private_channel=False),
}
"""For a group that means something only in servers which have the bot."""


def everywhere(callback: F) -> F:
    """A command, or what a right click offers, that can be used like a group that is `EVERYWHERE`."""
    allowed: F = allowed_installs(guilds=True, users=True)(callback)
    return allowed_contexts(guilds=True, dms=True, private_channels=True)(allowed)
