"""The API's operations, for bots and people: each reads its call, changes the world, and shows the result."""

from __future__ import annotations

import logging

from playground.api import Call, Endpoint, Reply
from playground.asking import snowflake, usable
from playground.drafts import draft
from playground.errors import (
    ApiError,
    Form,
    invalid_form,
    invalid_json,
    missing_access,
    missing_permissions,
    not_the_author,
    unknown,
)
from playground.invocations import check_command, check_commands
from playground.nouns import (
    Channel,
    Command,
    CommandKind,
    Interaction,
    Json,
    Message,
    MessageKind,
    Snowflake,
)
from playground.permissions import Permission

log = logging.getLogger(__name__)

# Who I am, and who others are


def get_me(call: Call) -> object:
    return call.world.wire.me(call.me)


def get_user(call: Call) -> object:
    user = call.world.users.get(call.id("user_id"))
    if user is None:
        raise unknown("User")
    return call.world.wire.user(user)


def get_application(call: Call) -> object:
    if not call.me.bot:
        raise missing_access()
    return call.world.wire.application()


def get_guild(call: Call) -> object:
    _check_guild(call)
    return call.world.wire.guild()


def get_guild_channels(call: Call) -> object:
    _check_guild(call)
    return [
        call.world.wire.channel(channel, call.me)
        for channel in call.world.channels.values()
        if not channel.direct and call.world.may_see(call.me, channel)
    ]


def get_member(call: Call) -> object:
    _check_guild(call)
    user = call.world.users.get(call.id("user_id"))
    if user is None:
        raise unknown("Member")
    return call.world.wire.member(user)


def get_gateway(call: Call) -> object:
    return {"url": call.house.gateway.url}


def get_gateway_bot(call: Call) -> object:
    limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
    return {"url": call.house.gateway.url, "shards": 1, "session_start_limit": limit}


# Channels


def get_channel(call: Call) -> object:
    return call.world.wire.channel(_channel(call), call.me)


def list_direct_channels(call: Call) -> object:
    mine = [c for c in call.world.channels.values() if c.direct and call.me.id in c.recipients]
    return [call.world.wire.channel(channel, call.me) for channel in mine]


def open_direct_channel(call: Call) -> object:
    listed = call.fields.get("recipients")
    wanted = listed[0] if isinstance(listed, list) and listed else call.fields.get("recipient_id")
    other = call.world.users.get(snowflake(wanted, "recipient_id"))
    if other is None or other.id == call.me.id:
        raise invalid_form(["recipient_id"], "INVALID_RECIPIENT", "Invalid Recipient(s)")
    return call.world.wire.channel(call.world.direct_channel(call.me, other), call.me)


def type_in_channel(call: Call) -> object:
    call.world.type_in(call.me, _channel(call, Permission.SEND_MESSAGES))
    return None


# Messages


def list_messages(call: Call) -> object:
    channel = _channel(call, Permission.READ_MESSAGE_HISTORY)
    try:
        limit = int(call.query.get("limit", "50"))
    except ValueError:
        limit = 0
    if not 1 <= limit <= 100:
        raise invalid_form(["limit"], "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
    bounds = {
        name: snowflake(call.query[name], name)
        for name in ("before", "after", "around")
        if name in call.query
    }
    found = call.world.history(
        channel,
        before=bounds.get("before"),
        after=bounds.get("after"),
        around=bounds.get("around"),
        limit=limit,
    )
    return [call.world.wire.message(message) for message in found]


def get_message(call: Call) -> object:
    channel = _channel(call, Permission.READ_MESSAGE_HISTORY)
    return call.world.wire.message(call.world.message_in(channel, call.id("message_id")))


def create_message(call: Call) -> object:
    world, me = call.world, call.me
    needs = [Permission.SEND_MESSAGES]
    if call.uploads:
        needs.append(Permission.ATTACH_FILES)
    channel = _channel(call, *needs)
    body = dict(call.fields)
    nonce = body.get("nonce")
    if nonce is not None and len(str(nonce)) > 25:
        raise invalid_form(["nonce"], "NONCE_TYPE_TOO_LONG", "The nonce is too long: 25 characters at most")
    if nonce is not None and body.get("enforce_nonce"):
        before = world.remembered(me, channel, nonce)
        if before is not None:
            return world.wire.message(before)
    if not me.bot:
        body.pop("components", None)
        body.pop("embeds", None)
    replied = _replied(call, channel, body)
    message = world.post(
        me,
        channel,
        draft(body, call.uploads),
        kind=MessageKind.REPLY if replied else MessageKind.DEFAULT,
        reply_to=replied,
        nonce=nonce,
    )
    if nonce is not None:
        world.remember(me, channel, nonce, message)
    return world.wire.message(message)


def edit_message(call: Call) -> object:
    channel = _channel(call)
    message = call.world.message_in(channel, call.id("message_id"))
    if message.author != call.me.id:
        raise not_the_author()
    return call.world.wire.message(call.world.edit(message, draft(call.fields, call.uploads, message)))


def delete_message(call: Call) -> object:
    channel = _channel(call)
    message = call.world.message_in(channel, call.id("message_id"))
    if message.author != call.me.id:
        if channel.direct:
            raise ApiError(403, 50003, "Cannot execute action on a DM channel")
        if not call.world.permissions(call.me, channel) & Permission.MANAGE_MESSAGES:
            raise missing_permissions()
    call.world.delete(message)
    return None


# Commands


def list_commands(call: Call) -> object:
    """Those of everywhere; a person is also told those of the server, as far as they may use them."""
    _check_application(call)
    commands = call.world.commands.values()
    if call.me.bot:
        chosen = [command for command in commands if command.guild is None]
    else:
        chosen = [command for command in commands if usable(call.world, call.me, command)]
    return [call.world.wire.command(command) for command in chosen]


def list_guild_commands(call: Call) -> object:
    _check_application(call)
    _check_guild(call)
    commands = call.world.commands.values()
    return [call.world.wire.command(command) for command in commands if command.guild is not None]


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
    others = [c for c in call.world.commands.values() if c.guild == guild and c.id != made.id]
    call.world.replace_commands(guild, [*others, made])
    call.house.registered.set()
    known = len(others) < len([c for c in call.world.commands.values() if c.guild == guild])
    return Reply(body=call.world.wire.command(made), status=201 if known else 200)


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


def _channel(call: Call, *needs: Permission) -> Channel:
    return call.world.visit(call.me, call.id("channel_id"), *needs)


def _check_guild(call: Call) -> None:
    if call.id("guild_id") != call.world.guild.id:
        raise unknown("Guild")


def _check_application(call: Call) -> None:
    if call.id("application_id") != call.world.bot.id:
        raise unknown("Application") if not call.me.bot else missing_access()


def _replied(call: Call, channel: Channel, body: Json) -> Message | None:
    reference = body.get("message_reference")
    if not isinstance(reference, dict):
        return None
    if reference.get("type") == 1:
        raise invalid_form(
            ["message_reference", "type"], "BASE_TYPE_CHOICES", "Forwarding is not played here"
        )
    found = call.world.messages.get(snowflake(reference.get("message_id"), "message_reference"))
    if found is not None and found.channel == channel.id and not found.ephemeral:
        return found
    if reference.get("fail_if_not_exists") is False:
        return None
    raise invalid_form(["message_reference"], "REPLIES_UNKNOWN_MESSAGE", "Unknown message")


def _guild_of_commands(call: Call) -> Snowflake | None:
    if not call.me.bot:
        raise missing_access()
    if "guild_id" not in call.path:
        return None
    _check_guild(call)
    return call.world.guild.id


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
_MESSAGES = "/channels/{channel_id}/messages"
_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
_TABLE = (
    ("GET", "/users/@me", get_me),
    ("GET", "/users/@me/channels", list_direct_channels),
    ("POST", "/users/@me/channels", open_direct_channel),
    ("GET", "/users/{user_id}", get_user),
    ("GET", "/oauth2/applications/@me", get_application),
    ("GET", "/applications/@me", get_application),
    ("GET", "/gateway/bot", get_gateway_bot),
    ("GET", "/guilds/{guild_id}", get_guild),
    ("GET", "/guilds/{guild_id}/channels", get_guild_channels),
    ("GET", "/guilds/{guild_id}/members/{user_id}", get_member),
    ("GET", "/channels/{channel_id}", get_channel),
    ("POST", "/channels/{channel_id}/typing", type_in_channel),
    ("GET", _MESSAGES, list_messages),
    ("POST", _MESSAGES, create_message),
    ("GET", _MESSAGES + "/{message_id}", get_message),
    ("PATCH", _MESSAGES + "/{message_id}", edit_message),
    ("DELETE", _MESSAGES + "/{message_id}", delete_message),
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
    ("GET", "/gateway", get_gateway),
    ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", answer),
    ("POST", _WEBHOOK, follow_up),
    ("GET", _WEBHOOK + "/messages/@original", get_webhook_message),
    ("PATCH", _WEBHOOK + "/messages/@original", edit_webhook_message),
    ("DELETE", _WEBHOOK + "/messages/@original", delete_webhook_message),
    ("GET", _WEBHOOK + "/messages/{message_id}", get_webhook_message),
    ("PATCH", _WEBHOOK + "/messages/{message_id}", edit_webhook_message),
    ("DELETE", _WEBHOOK + "/messages/{message_id}", delete_webhook_message),
)
ENDPOINTS = (
    *(Endpoint(method=method, path=path, handler=handler) for method, path, handler in _TABLE),
    *(Endpoint(method=m, path=p, handler=h, login=False) for m, p, h in _WITHOUT_LOGIN),
)
