"""/server: how the bot is in one server, decided by who manages it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
from discord import app_commands
from discord.app_commands import Choice

from bot.acknowledgement import acknowledge
from bot.apologies import tell
from bot.language import language_of_server
from bot.limits import Refused
from bot.may import may_manage_server
from bot.messages import NO_MENTIONS
from bot.policy import safety_here
from bot.refusals import is_final
from bot.safety import MEANINGS, is_server_of_ours, warning
from generation.job import UserId
from generation.safety import Safety
from generation.sentence import joined, say
from storage.servers import ServerSettings

if TYPE_CHECKING:
    from bot.house import Interaction


class WhereToShow(app_commands.Transformer):
    """A channel in which people write, as it was chosen: it need not be one that we see already."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        return [discord.ChannelType.text, discord.ChannelType.private_thread]

    async def transform(self, interaction: discord.Interaction, value: Any, /) -> Any:
        return value


_OWNERS = say("as the owner of the bot has it")
_TRY_AGAIN = say("Discord did not let me try that channel just now; please try again. Nothing has changed.")
OPEN = say(
    "⚠️ Everybody in this server can see that channel, and with it what waits there, behind spoilers. "
    "Choose one that only moderators see."
)
_HELLO = say("Pictures that wait for a moderator will be shown here.")


class ServerCommands(app_commands.Group):
    """The group. What one of them raises is told to the person who used it."""

    def __init__(self) -> None:
        super().__init__(
            name="server",
            description="How I am in this server",
            default_permissions=discord.Permissions(manage_guild=True),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=False, private_channel=False
            ),
        )

    @app_commands.command(name="show", description="What is decided for this server")
    async def show(self, interaction: Interaction) -> None:
        await may_decide(interaction)
        await _tell_all(interaction)

    @app_commands.command(name="safety", description="What becomes of pictures that a safety checker flags")
    @app_commands.describe(flagged="What becomes of them; pictures asked for from now on")
    @app_commands.choices(
        flagged=[
            *(
                Choice(name=joined(": ", (safety.value, meaning)), value=safety.value)
                for safety, meaning in MEANINGS.items()
            ),
            Choice(name=_OWNERS, value="owner"),
        ]
    )
    async def safety(self, interaction: Interaction, flagged: str) -> None:
        server = await may_decide(interaction)
        if flagged not in (*Safety, "owner"):
            raise Refused(say("That is none of the choices."))
        safety = None if flagged == "owner" else Safety(flagged)
        await change(interaction, server, lambda was: replace(was, safety=safety))
        await _tell_all(interaction)

    @app_commands.command(name="moderators", description="Where pictures that wait for a moderator are shown")
    @app_commands.describe(channel="A channel that only moderators see; without one, /moderate shows them")
    async def moderators(
        self,
        interaction: Interaction,
        channel: app_commands.Transform[app_commands.AppCommandChannel, WhereToShow] | None = None,
    ) -> None:
        server = await may_decide(interaction)
        if channel is not None:
            await _try(interaction, channel)
        place = None if channel is None else channel.id
        await change(interaction, server, lambda was: replace(was, moderators_channel=place))
        await interaction.client.house.desk.lay_out(server)
        await _tell_all(interaction)


async def may_decide(interaction: Interaction) -> int:
    """Acknowledge privately; the server.

    Raises:
        Refused: this person may not decide for it.
    """
    if not may_manage_server(interaction) or interaction.guild_id is None:
        raise Refused(say("Only who may manage the server can decide that, and only in the server."))
    if not is_server_of_ours(interaction):
        raise Refused(say("I am no member of this server; invite me first."))
    await acknowledge(interaction, thinking=True, ephemeral=True)
    return interaction.guild_id


async def change(
    interaction: Interaction, server: int, edit: Callable[[ServerSettings], ServerSettings]
) -> None:
    await interaction.client.house.servers.change(server, edit, by=UserId(interaction.user.id))


async def _try(interaction: Interaction, channel: app_commands.AppCommandChannel) -> None:
    """Say something there, to see whether it can be done.

    Raises:
        Refused: it cannot.
    """
    try:
        place = interaction.client.get_partial_messageable(channel.id, guild_id=interaction.guild_id)
        said_in = language_of_server(interaction.client, interaction.guild_id or 0)
        await place.send(said_in(_HELLO), allowed_mentions=NO_MENTIONS)
    except discord.HTTPException as error:
        if not is_final(error, 0):
            raise Refused(_TRY_AGAIN) from None
        raise Refused(
            say(
                "I may not write in {channel}; let me see it, write and attach files there. "
                "Nothing has changed.",
                channel=f"<#{channel.id}>",
            )
        ) from None
    except (aiohttp.ClientError, OSError, TimeoutError):
        raise Refused(_TRY_AGAIN) from None


def _is_open(interaction: Interaction, channel_id: int) -> bool:
    """Whether whoever is in the server sees what stands in this channel, as far as we know."""
    if (guild := interaction.guild) is None or (channel := guild.get_channel_or_thread(channel_id)) is None:
        return False
    return channel.permissions_for(guild.default_role).view_channel


async def _tell_all(interaction: Interaction) -> None:
    house = interaction.client.house
    assert interaction.guild_id is not None, "it was acknowledged"
    decided = house.servers.of(interaction.guild_id)
    safety = safety_here(interaction)
    flagged = joined(": ", (safety.value, MEANINGS[safety]))
    if decided.safety is None:
        flagged = joined(", ", (flagged, _OWNERS))
    lines: list[str] = [say("**Flagged pictures** {flagged}.", flagged=flagged)]
    if decided.moderators_channel is not None:
        place = f"<#{decided.moderators_channel}>"
        lines.append(say("**Moderators** see what waits for them in {channel}.", channel=place))
        if _is_open(interaction, decided.moderators_channel):
            lines.append(OPEN)
    else:
        lines.append(say("**Moderators** see what waits for them with `/moderate`."))
    if safety.hides:
        lines.append(say("-# There are no previews while pictures are drawn, since those are not checked."))
    problem = await asyncio.to_thread(warning, safety, house.safety, house.shelf)
    if problem is not None:
        lines.append(joined("", ("-# ", problem)))
    await tell(interaction, joined("\n", lines))
