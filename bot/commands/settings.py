"""/settings: how the bot is towards one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from discord import app_commands
from discord.app_commands import Choice

from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.commands.choices import NO_CHOICE
from bot.commands.places import everywhere
from generation.job import UserId
from generation.request import InvalidRequest
from generation.sentence import joined, say
from storage.people import Ping

if TYPE_CHECKING:
    from bot.house import Interaction

CALLS: Mapping[Ping, str] = {
    Ping.NEVER: "never",
    Ping.LONG: "if it took longer than a minute",
    Ping.ALWAYS: "whenever something is done",
}
"""What people choose from."""
_CALLED: Mapping[Ping, str] = {
    Ping.NEVER: say("**Ping me when done** no: the card changes, and you hear nothing of it."),
    Ping.LONG: say(
        "**Ping me when done** if it took longer than a minute: a message of its own calls you once."
    ),
    Ping.ALWAYS: say("**Ping me when done** always: a message of its own calls you once."),
}


@everywhere
@app_commands.describe(
    ping="When a separate message should tell you that your pictures are there",
    private="Whether only you see what you ask for, unless you say otherwise",
)
@app_commands.choices(ping=[Choice(name=told, value=ping.value) for ping, told in CALLS.items()])
async def settings(interaction: Interaction, ping: str | None = None, private: bool | None = None) -> None:
    """Show a person's settings, or change them."""
    changes: dict[str, Any] = {} if private is None else {"private": private}
    if ping is not None:
        if ping not in list(Ping):
            raise InvalidRequest(NO_CHOICE)
        changes["ping"] = Ping(ping)
    await acknowledge(interaction, thinking=True, ephemeral=True)
    people, person = interaction.client.house.people, UserId(interaction.user.id)
    decided = await people.change(person, **changes) if changes else people.of(person)
    lines: list[str] = [_CALLED[decided.ping]]
    if decided.ping is not Ping.NEVER:
        lines.append(say("-# For what is private, and where I may not write, that is a direct message."))
    if decided.private:
        lines.append(say("**Private** unless you say otherwise: only you see what you ask for."))
    else:
        lines.append(say("**Private** only if you say so: else everybody sees it where you ask."))
    lines.append(say("-# The options of `/settings` change it; `/prefer` is about how pictures are drawn."))
    await tell(interaction, joined("\n", lines))
