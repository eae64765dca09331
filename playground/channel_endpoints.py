"""The API's operations that change channels, for who manages them, and threads."""

from __future__ import annotations

from dataclasses import replace

from playground.api import Call, Endpoint
from playground.asking import snowflake
from playground.errors import invalid_form
from playground.nouns import Channel, Json, Overwrite
from playground.permissions import Permission
from playground.thread_endpoints import delete_thread, edit_thread
from playground.world import World


def edit_channel(call: Call) -> object:
    """Change a channel's name, topic, age restriction and overwrites; what is not named stays."""
    if call.world.visit(call.me, call.id("channel_id")).thread:
        return edit_thread(call)
    channel = _managed(call)
    if "nsfw" in call.fields:
        if not isinstance(nsfw := call.fields["nsfw"], bool):
            raise invalid_form(["nsfw"], "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
        channel = replace(channel, nsfw=nsfw)
    if isinstance(name := call.fields.get("name"), str):
        channel = replace(channel, name=name)
    if isinstance(topic := call.fields.get("topic"), str):
        channel = replace(channel, topic=topic)
    if (listed := call.fields.get("permission_overwrites")) is not None:
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            reason = "Must be a list of overwrites."
            raise invalid_form(["permission_overwrites"], "LIST_TYPE_CONVERT", reason)
        channel = replace(channel, overwrites=tuple(map(_overwrite, listed)))
    _change(call.world, channel)
    return call.world.wire.channel(channel, call.me)


def remove_channel(call: Call) -> object:
    """Remove a channel with all that is said in it."""
    if call.world.visit(call.me, call.id("channel_id")).thread:
        return delete_thread(call)
    channel = _managed(call)
    shown = call.world.wire.channel(channel, call.me)
    _remove(call.world, channel)
    return shown


def _managed(call: Call) -> Channel:
    return call.world.visit(call.me, call.id("channel_id"), Permission.MANAGE_CHANNELS)


def _overwrite(fields: Json) -> Overwrite:
    return Overwrite(
        target=snowflake(fields.get("id"), "permission_overwrites"),
        role=fields.get("type") == 0,
        allow=int(fields.get("allow") or 0),
        deny=int(fields.get("deny") or 0),
    )


def _change(world: World, channel: Channel) -> None:
    """A channel is like this from now on; who sees it, or saw it, is told."""
    before = world.audience(world.channels[channel.id])
    world.put_channel(channel)
    shown = world.wire.channel(channel, world.bot)  # the same for everybody
    world.tell("CHANNEL_UPDATE", shown, before | world.audience(channel))


def _remove(world: World, channel: Channel) -> None:
    audience, shown = world.audience(channel), world.wire.channel(channel, world.bot)
    for thread in [each for each in world.channels.values() if each.parent == channel.id]:
        world.drop_channel(thread)
    world.drop_channel(channel)
    world.tell("CHANNEL_DELETE", shown, audience)


CHANNEL_ENDPOINTS = (
    Endpoint(method="PATCH", path="/channels/{channel_id}", handler=edit_channel),
    Endpoint(method="DELETE", path="/channels/{channel_id}", handler=remove_channel),
)
