"""The API's operations on commands and interactions: the bot registers and answers, a person asks."""

from __future__ import annotations

import logging

from playground.api import Call, Endpoint, Reply
from playground.asking import snowflake
from playground.drafts import draft
from playground.endpoints import guild_named
from playground.errors import ApiError, Form, invalid_json, missing_access, unknown
from playground.installs import usable
from playground.invocations import check_command, check_commands
from playground.nouns import Command, CommandKind, Interaction, Json, Message, Snowflake

log = logging.getLogger(__name__)

# Commands


def list_commands(call: Call) -> object:
    """Those of everywhere; a person is told those that they may use, in the channel `channel_id` if given."""
    _check_application(call)
    commands = call.world.commands.values()
    if call.me.bot:
        chosen = [command for command in commands if command.guild is None]
    else:
        named = call.query.get("channel_id")
        place = None if named is None else call.world.visit(call.me, snowflake(named, "channel_id"))
        chosen = [command for command in commands if usable(call.world, call.me, command, place)]
    return [call.world.wire.command(command) for command in chosen]


def list_guild_commands(call: Call) -> object:
    _check_application(call)
    guild = guild_named(call)
    commands = call.world.commands.values()
    return [call.world.wire.command(command) for command in commands if command.guild == guild.id]


def put_commands(call: Call) -> object:
    """Replace all commands of everywhere, or of the server where the path names it."""
    _check_application(call)
    guild = _guild_of_commands(call)
    if not isinstance(call.body, list) or not all(isinstance(shape, dict) for shape in call.body):
        raise invalid_json()
    form = Form()
    check_commands(form, call.body)
    form.refuse()
    made = [_command(call, shape, guild) for shape in call.body]
    call.world.replace_commands(guild, made)
    call.house.registered.set()
    log.info("%d commands are registered", len(made))
    return [call.world.wire.command(command) for command in made]


def create_command(call: Call) -> object:
    _check_application(call)
    guild = _guild_of_commands(call)
    form = Form()
    check_command(form, [], call.fields)
    form.refuse()
    made = _command(call, call.fields, guild)
    known = made.id in call.world.commands
    others = [c for c in call.world.commands.values() if c.guild == guild and c.id != made.id]
    call.world.replace_commands(guild, [*others, made])
    call.house.registered.set()
    return Reply(body=call.world.wire.command(made), status=200 if known else 201)


def get_command(call: Call) -> object:
    return call.world.wire.command(_registered(call))


def edit_command(call: Call) -> object:
    old = _registered(call)
    shape = {**old.shape, **call.fields}
    form = Form()
    check_command(form, [], shape)
    form.refuse()
    made = Command(
        id=old.id,
        version=call.world.mint(),
        kind=old.kind,
        name=shape["name"],
        guild=old.guild,
        shape=shape,
    )
    others = [c for c in call.world.commands.values() if c.guild == old.guild and c.id != old.id]
    call.world.replace_commands(old.guild, [*others, made])
    return call.world.wire.command(made)


def delete_command(call: Call) -> object:
    old = _registered(call)
    others = [c for c in call.world.commands.values() if c.guild == old.guild and c.id != old.id]
    call.world.replace_commands(old.guild, others)
    return None


# Interactions


def ask(call: Call) -> object:
    """A person's command, press, typing or modal; what comes of it arrives through the gateway."""
    if call.me.bot:
        raise ApiError(403, 20001, "Bots cannot use this endpoint")
    call.house.interactions.ask(call.me, call.fields, call.uploads)
    return None


def answer(call: Call) -> object:
    interactions = call.house.interactions
    interaction = interactions.answer(
        call.id("interaction_id"), call.path["interaction_token"], call.fields, call.uploads
    )
    return interactions.callback_response(interaction) if call.flag("with_response") else None


def follow_up(call: Call) -> object:
    message = call.house.interactions.follow_up(_webhook(call), call.fields, call.uploads)
    return call.world.wire.message(message)


def get_webhook_message(call: Call) -> object:
    return call.world.wire.message(_webhook_message(call))


def edit_webhook_message(call: Call) -> object:
    message = _webhook_message(call)
    return call.world.wire.message(call.world.edit(message, draft(call.fields, call.uploads, message)))


def delete_webhook_message(call: Call) -> object:
    call.world.delete(_webhook_message(call))
    return None


# What they share


def _check_application(call: Call) -> None:
    if call.id("application_id") != call.world.bot.id:
        raise unknown("Application") if not call.me.bot else missing_access()


def _guild_of_commands(call: Call) -> Snowflake | None:
    if not call.me.bot:
        raise missing_access()
    if "guild_id" not in call.path:
        return None
    return guild_named(call).id


def _command(call: Call, shape: Json, guild: Snowflake | None) -> Command:
    """The command as registered; an unchanged name keeps its id, an unchanged shape its version."""
    kind = CommandKind(shape.get("type") or CommandKind.CHAT)
    name = shape["name"]
    for old in call.world.commands.values():
        if (old.guild, old.kind, old.name) == (guild, kind, name):
            version = old.version if old.shape == shape else call.world.mint()
            return Command(id=old.id, version=version, kind=kind, name=name, guild=guild, shape=shape)
    new = call.world.mint()
    return Command(id=new, version=new, kind=kind, name=name, guild=guild, shape=shape)


def _registered(call: Call) -> Command:
    _check_application(call)
    guild = _guild_of_commands(call)
    found = call.world.commands.get(call.id("command_id"))
    if found is None or found.guild != guild:
        raise unknown("application command")
    return found


def _webhook(call: Call) -> Interaction:
    return call.house.interactions.webhook(call.id("webhook_id"), call.path["webhook_token"])


def _webhook_message(call: Call) -> Message:
    named = call.path.get("message_id")
    message_id = None if named in (None, "@original") else snowflake(named, "message_id")
    return call.house.interactions.message(_webhook(call), message_id)


_APPLICATION = "/applications/{application_id}/commands"
_GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"
_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
_TABLE = (
    ("GET", _APPLICATION, list_commands),
    ("PUT", _APPLICATION, put_commands),
    ("POST", _APPLICATION, create_command),
    ("GET", _APPLICATION + "/{command_id}", get_command),
    ("PATCH", _APPLICATION + "/{command_id}", edit_command),
    ("DELETE", _APPLICATION + "/{command_id}", delete_command),
    ("GET", _GUILD_COMMANDS, list_guild_commands),
    ("PUT", _GUILD_COMMANDS, put_commands),
    ("POST", _GUILD_COMMANDS, create_command),
    ("GET", _GUILD_COMMANDS + "/{command_id}", get_command),
    ("PATCH", _GUILD_COMMANDS + "/{command_id}", edit_command),
    ("DELETE", _GUILD_COMMANDS + "/{command_id}", delete_command),
    ("POST", "/interactions", ask),
)
_WITHOUT_LOGIN = (
    ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", answer),
    ("POST", _WEBHOOK, follow_up),
    ("GET", _WEBHOOK + "/messages/@original", get_webhook_message),
    ("PATCH", _WEBHOOK + "/messages/@original", edit_webhook_message),
    ("DELETE", _WEBHOOK + "/messages/@original", delete_webhook_message),
    ("GET", _WEBHOOK + "/messages/{message_id}", get_webhook_message),
    ("PATCH", _WEBHOOK + "/messages/{message_id}", edit_webhook_message),
    ("DELETE", _WEBHOOK + "/messages/{message_id}", delete_webhook_message),
)
COMMAND_ENDPOINTS = (
    *(Endpoint(method=method, path=path, handler=handler) for method, path, handler in _TABLE),
    *(Endpoint(method=m, path=p, handler=h, login=False) for m, p, h in _WITHOUT_LOGIN),
)
