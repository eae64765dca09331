"""The API's operations on threads, and on posts of forums."""

from __future__ import annotations

from playground import threads
from playground.api import Call, Endpoint, Reply
from playground.drafts import draft
from playground.endpoints import guild_named
from playground.errors import Form, invalid_form, missing_permissions
from playground.nouns import Channel, ChannelKind, Json
from playground.permissions import Permission


def start_thread(call: Call) -> object:
    """A thread without a message in a text channel; in a forum a post, with its first message."""
    world, me = call.world, call.me
    parent = world.visit(me, call.id("channel_id"))
    is_post = parent.kind is ChannelKind.FORUM
    form = Form()
    name = form.text(["name"], call.fields.get("name"), least=1, most=100, required=True)
    form.refuse()
    if not is_post and (parent.kind is not ChannelKind.TEXT or call.fields.get("type") != ChannelKind.THREAD):
        raise invalid_form(
            ["type"], "BASE_TYPE_CHOICES", "Only public threads of text channels are played here"
        )
    needs = [Permission.SEND_MESSAGES] if is_post else [Permission.CREATE_PUBLIC_THREADS]
    if call.uploads:
        needs.append(Permission.ATTACH_FILES)
    world.visit(me, parent.id, *needs)
    first = draft(form.fields(["message"], call.fields.get("message")), call.uploads) if is_post else None
    thread = threads.begin(world, me, parent, name)
    shown: Json = {}
    if first is not None:
        shown["message"] = world.wire.message(world.post(me, thread, first, number=thread.id))
    return Reply(body={**world.wire.thread(world.channels[thread.id]), **shown}, status=201)


def edit_thread(call: Call) -> object:
    """Rename, archive or lock it."""
    thread, form = _thread(call), Form()
    name = form.text(["name"], call.fields.get("name", thread.name), least=1, most=100, required=True)
    for key in ("archived", "locked"):
        if not isinstance(call.fields.get(key, False), bool):
            form.fail([key], "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
    form.refuse()
    changed = threads.change(
        call.world,
        call.me,
        thread,
        name=name,
        archived=call.fields.get("archived", thread.archived),
        locked=call.fields.get("locked", thread.locked),
    )
    return call.world.wire.thread(changed)


def delete_thread(call: Call) -> object:
    thread = _thread(call)
    if not call.world.permissions(call.me, thread) & Permission.MANAGE_THREADS:
        raise missing_permissions()
    shown = call.world.wire.thread(thread)
    threads.remove(call.world, thread)
    return shown


def list_active_threads(call: Call) -> object:
    found = threads.active(call.world, call.me, guild_named(call).id)
    return {"threads": [call.world.wire.thread(thread) for thread in found], "members": [], "has_more": False}


def _thread(call: Call) -> Channel:
    channel = call.world.visit(call.me, call.id("channel_id"))
    if not channel.thread:
        raise missing_permissions()
    return channel


_TABLE = (
    ("POST", "/channels/{channel_id}/threads", start_thread),
    ("GET", "/guilds/{guild_id}/threads/active", list_active_threads),
)
THREAD_ENDPOINTS = tuple(Endpoint(method=m, path=p, handler=h) for m, p, h in _TABLE)
