"""How the app came to where it is used: added to the server, or brought along by a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playground.nouns import Channel, Command, Install, Interaction, Json, Message, Place, User
from playground.permissions import BROUGHT_ALONG, Permission

if TYPE_CHECKING:
    from playground.world import World

MOST_FOLLOW_UPS = 5
"""Of an interaction where the app is only brought along."""


def place_of(world: World, channel: Channel) -> Place:
    """Where a channel is, as commands name it."""
    if not channel.direct:
        return Place.SERVER
    return Place.BOT_DM if world.bot.id in channel.recipients else Place.PRIVATE


def usable(world: World, user: User, command: Command, channel: Channel | None = None) -> bool:
    """Whether this person may use the command, in this channel or (None) somewhere in the first server."""
    if channel is None:
        return _permitted(world, user, command, world.first_channel)
    return bool(owners_of_command(world, user, command, channel))


def owners_of_command(world: World, user: User, command: Command, channel: Channel) -> Json:
    """`authorizing_integration_owners` of a command that somebody uses here; empty if they may not."""
    place, shape = place_of(world, channel), command.shape
    if command.guild is not None and command.guild != channel.guild:
        return {}
    contexts = shape.get("contexts")
    if contexts and place not in contexts:
        return {}
    if not contexts and place is Place.BOT_DM and shape.get("dm_permission") is False:
        return {}
    if not _permitted(world, user, command, channel):
        return {}
    types = (None if command.guild is not None else shape.get("integration_types")) or [Install.SERVER]
    found: Json = {}
    if Install.SERVER in types:
        found |= _of_server(world, channel)
    if Install.USER in types and user.installed:
        found[str(int(Install.USER))] = str(user.id)
    return found


def owners_of_press(world: World, source: Message, channel: Channel) -> Json:
    """The same of a component: whoever pressed it, it is authorized as what made its message was."""
    if source.interaction is None:
        return _of_server(world, channel)
    owners: Json = source.interaction["metadata"]["authorizing_integration_owners"]
    return owners


def is_brought_along(interaction: Interaction) -> bool:
    """Whether the app is here only because somebody brought it along."""
    return str(int(Install.SERVER)) not in interaction.metadata["authorizing_integration_owners"]


def is_hushed(world: World, interaction: Interaction) -> bool:
    """Whether only who asked may see what the app says, since it was brought along to where that is so."""
    channel = world.channels[interaction.channel]
    held = world.permissions(world.users[interaction.user], channel)
    return is_brought_along(interaction) and not held & Permission.USE_EXTERNAL_APPS


def app_permissions(world: World, user: User, channel: Channel) -> int:
    """What the app may do where this person asks."""
    match place_of(world, channel):
        case Place.BOT_DM:
            return int(BROUGHT_ALONG | Permission.USE_EXTERNAL_EMOJIS)
        case Place.PRIVATE:
            return int(BROUGHT_ALONG)
        case Place.SERVER:
            if world.is_member(world.bot, channel):
                return world.permissions(world.bot, channel)
            return int(BROUGHT_ALONG) & world.permissions(user, channel)


def _of_server(world: World, channel: Channel) -> Json:
    place = place_of(world, channel)
    if place is Place.BOT_DM:
        return {str(int(Install.SERVER)): "0"}
    if place is Place.SERVER and world.is_member(world.bot, channel):
        return {str(int(Install.SERVER)): str(channel.guild)}
    return {}


def _permitted(world: World, user: User, command: Command, channel: Channel) -> bool:
    """Whether the permissions are held that a command needs; where the app is no member it needs none."""
    needs = command.shape.get("default_member_permissions")
    if needs is None or not world.is_member(world.bot, channel):
        return True
    held = world.permissions(user, channel)
    if held & Permission.ADMINISTRATOR:
        return True
    return int(needs) != 0 and held & int(needs) == int(needs)
