"""The API's operations on people, channels and messages: each reads its call and shows the result."""

from __future__ import annotations

import logging

from playground.api import Call, Endpoint
from playground.asking import snowflake
from playground.clock import minted_at
from playground.drafts import draft
from playground.errors import (
    ApiError,
    invalid_form,
    missing_access,
    missing_permissions,
    not_the_author,
    unknown,
)
from playground.nouns import (
    LOCALES,
    Channel,
    ChannelKind,
    Json,
    Message,
    MessageKind,
    is_nonce,
    is_snowflake,
)
from playground.permissions import Permission
from playground.places import Guild

log = logging.getLogger(__name__)

BULK_DELETE_SECONDS = 14 * 24 * 3600.0
"""Messages older than this cannot be deleted in bulk."""

# Who I am, and who others are


def get_me(call: Call) -> object:
    return call.world.wire.me(call.me)


def get_user(call: Call) -> object:
    user = call.world.users.get(call.id("user_id"))
    if user is None:
        raise unknown("User")
    return call.world.wire.user(user)


def edit_settings(call: Call) -> object:
    """A person sets their client to another language. Discord's own client may do that, bots may not."""
    if call.me.bot:
        raise missing_access()
    if (locale := call.fields.get("locale")) not in LOCALES:
        raise invalid_form(["locale"], "BASE_TYPE_CHOICES", f"Value must be one of {sorted(LOCALES)}.")
    call.world.speak(call.me, locale)
    return {"locale": locale}


def get_application(call: Call) -> object:
    if not call.me.bot:
        raise missing_access()
    return call.world.wire.application()


def list_my_guilds(call: Call) -> object:
    world = call.world
    found = []
    for guild in world.guilds.values():
        if call.me.id not in guild.strangers:
            wire = world.wire.guild(guild)
            shown = {key: wire[key] for key in ("id", "name", "icon", "banner", "features")}
            held = str(int(world.permissions_everywhere(call.me, guild)))
            found.append({**shown, "owner": call.me.id == guild.owner, "permissions": held})
    return found


def get_guild(call: Call) -> object:
    return call.world.wire.guild(guild_named(call))


def get_guild_channels(call: Call) -> object:
    guild = guild_named(call)
    return [
        call.world.wire.channel(channel, call.me)
        for channel in call.world.channels.values()
        if channel.guild == guild.id and not channel.thread and call.world.may_see(call.me, channel)
    ]


def list_roles(call: Call) -> object:
    return [call.world.wire.role(role) for role in call.world.roles_of(guild_named(call)).values()]


def get_role(call: Call) -> object:
    role = call.world.roles_of(guild_named(call)).get(call.id("role_id"))
    if role is None:
        raise unknown("Role")
    return call.world.wire.role(role)


def list_members(call: Call) -> object:
    guild = guild_named(call)
    if not call.me.bot:
        raise missing_access()
    after = snowflake(call.query.get("after", "0"), "after")
    users = sorted((user for user in call.world.members(guild) if user.id > after), key=lambda user: user.id)
    return [call.world.wire.member(user, guild) for user in users[: _limit(call, 1, most=1000)]]


def get_member(call: Call) -> object:
    guild = guild_named(call)
    user = call.world.users.get(call.id("user_id"))
    if user is None or user.id in guild.strangers:
        raise unknown("Member")
    return call.world.wire.member(user, guild)


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
    wanted = listed if isinstance(listed, list) and listed else [call.fields.get("recipient_id")]
    others = [call.world.users.get(snowflake(each, "recipient_id")) for each in wanted]
    found = [other for other in others if other is not None and other.id != call.me.id]
    bots = call.me.bot or any(other.bot for other in found)
    if len(set(found)) < len(wanted) or (len(found) > 1 and bots):  # no bot is in a group
        raise invalid_form(["recipient_id"], "INVALID_RECIPIENT", "Invalid Recipient(s)")
    return call.world.wire.channel(call.world.direct_channel(call.me, *found), call.me)


def type_in_channel(call: Call) -> object:
    call.world.type_in(call.me, _channel(call, Permission.SEND_MESSAGES))
    return None


# Messages


def list_messages(call: Call) -> object:
    channel = _channel(call)
    limit = _limit(call, 50, most=100)
    bounds = {
        name: snowflake(call.query[name], name)
        for name in ("before", "after", "around")
        if name in call.query
    }
    if not call.world.permissions(call.me, channel) & Permission.READ_MESSAGE_HISTORY:
        return []  # that is how Discord refuses it
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
    if channel.kind is ChannelKind.FORUM:
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    body = dict(call.fields)
    nonce = body.get("nonce")
    if nonce is not None and not is_nonce(nonce):
        raise invalid_form(
            ["nonce"], "NONCE_TYPE_INVALID", "A nonce is a number, or a text of at most 25 characters"
        )
    if nonce is not None and body.get("enforce_nonce"):
        before = world.nonces.find(me.id, channel.id, nonce)
        if before in world.messages:
            return world.wire.message(world.messages[before])
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
        world.nonces.keep(message, nonce)
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


def bulk_delete(call: Call) -> object:
    """Delete 2 to 100 messages of the last two weeks at once; those that are gone already do not matter."""
    world = call.world
    if not call.me.bot:
        raise ApiError(403, 20002, "Only bots can use this endpoint")
    channel = _channel(call)
    if channel.direct:
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    _channel(call, Permission.MANAGE_MESSAGES)
    given = call.fields.get("messages")
    if not isinstance(given, list) or not 2 <= len(given) <= 100:
        raise invalid_form(["messages"], "BASE_TYPE_BAD_LENGTH", "Must be between 2 and 100 in length.")
    ids = [snowflake(value, "messages") for value in given]
    if len(set(ids)) < len(ids):
        raise invalid_form(["messages"], "SET_TYPE_ALREADY_CONTAINS_VALUE", "A message is named twice")
    if any(minted_at(number) < world.clock.now() - BULK_DELETE_SECONDS for number in ids):
        raise ApiError(400, 50034, "You can only bulk delete messages that are under 14 days old.")
    found = [world.messages[number] for number in ids if number in world.messages]
    gone = [message for message in found if message.channel == channel.id and not message.ephemeral]
    if gone:
        world.delete_many(channel, gone)
    return None


# What they share


def _channel(call: Call, *needs: Permission) -> Channel:
    return call.world.visit(call.me, call.id("channel_id"), *needs)


def _limit(call: Call, usual: int, *, most: int) -> int:
    text = call.query.get("limit", str(usual))
    limit = int(text) if is_snowflake(text) else 0
    if not 1 <= limit <= most:
        raise invalid_form(["limit"], "NUMBER_TYPE_MAX", f"int value should be between 1 and {most}.")
    return limit


def guild_named(call: Call) -> Guild:
    """The server that the path names, of which whoever asks is a member."""
    guild = call.world.guilds.get(call.id("guild_id"))
    if guild is None:
        raise unknown("Guild")
    if call.me.id in guild.strangers:
        raise missing_access()
    return guild


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


_MESSAGES = "/channels/{channel_id}/messages"
_TABLE = (
    ("GET", "/users/@me", get_me),
    ("GET", "/users/@me/guilds", list_my_guilds),
    ("GET", "/users/@me/channels", list_direct_channels),
    ("POST", "/users/@me/channels", open_direct_channel),
    ("PATCH", "/users/@me/settings", edit_settings),
    ("GET", "/users/{user_id}", get_user),
    ("GET", "/oauth2/applications/@me", get_application),
    ("GET", "/applications/@me", get_application),
    ("GET", "/gateway/bot", get_gateway_bot),
    ("GET", "/guilds/{guild_id}", get_guild),
    ("GET", "/guilds/{guild_id}/channels", get_guild_channels),
    ("GET", "/guilds/{guild_id}/roles", list_roles),
    ("GET", "/guilds/{guild_id}/roles/{role_id}", get_role),
    ("GET", "/guilds/{guild_id}/members", list_members),
    ("GET", "/guilds/{guild_id}/members/{user_id}", get_member),
    ("GET", "/channels/{channel_id}", get_channel),
    ("POST", "/channels/{channel_id}/typing", type_in_channel),
    ("GET", _MESSAGES, list_messages),
    ("POST", _MESSAGES, create_message),
    ("POST", _MESSAGES + "/bulk-delete", bulk_delete),
    ("GET", _MESSAGES + "/{message_id}", get_message),
    ("PATCH", _MESSAGES + "/{message_id}", edit_message),
    ("DELETE", _MESSAGES + "/{message_id}", delete_message),
)
ENDPOINTS = (
    *(Endpoint(method=method, path=path, handler=handler) for method, path, handler in _TABLE),
    Endpoint(method="GET", path="/gateway", handler=get_gateway, login=False),
)
