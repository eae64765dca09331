"""The API's operations on threads, and on posts of forums."""

from __future__ import annotations

from playground import threads
from playground.api import Call, Endpoint, Reply
from playground.drafts import draft
from playground.endpoints import guild_named
from playground.errors import Form, invalid_form, missing_access, missing_permissions, thread_begun
from playground.nouns import Channel, ChannelKind, Json, Snowflake
from playground.permissions import Permission

_BEGUN_WITH = {
    ChannelKind.THREAD: Permission.CREATE_PUBLIC_THREADS,
    ChannelKind.PRIVATE_THREAD: Permission.CREATE_PRIVATE_THREADS,
}


def start_thread(call: Call) -> object:
    """A thread in a text channel, private unless it is said; in a forum a post, with its first message."""
    world, me = call.world, call.me
    parent = world.visit(me, call.id("channel_id"))
    is_post = parent.kind is ChannelKind.FORUM
    form = Form()
    name = form.text(["name"], call.fields.get("name"), least=1, most=100, required=True)
    form.refuse()
    kind = ChannelKind.THREAD if is_post else call.fields.get("type", ChannelKind.PRIVATE_THREAD)
    is_known = isinstance(kind, int) and kind in _BEGUN_WITH
    if not is_known or not (is_post or parent.kind is ChannelKind.TEXT):
        raise invalid_form(["type"], "BASE_TYPE_CHOICES", "Only threads of text channels are played here")
    needs = [Permission.SEND_MESSAGES if is_post else _BEGUN_WITH[ChannelKind(kind)]]
    if call.uploads:
        needs.append(Permission.ATTACH_FILES)
    world.visit(me, parent.id, *needs)
    first = draft(form.fields(["message"], call.fields.get("message")), call.uploads) if is_post else None
    thread = threads.begin(world, me, parent, name, ChannelKind(kind))
    shown: Json = {}
    if first is not None:
        shown["message"] = world.wire.message(world.post(me, thread, first, number=thread.id))
    return Reply(body={**world.wire.thread(world.channels[thread.id]), **shown}, status=201)


def start_thread_from_message(call: Call) -> object:
    """A thread in a text channel that has the id of one of its messages, and outlives it."""
    world, form = call.world, Form()
    parent = world.visit(call.me, call.id("channel_id"), Permission.CREATE_PUBLIC_THREADS)
    message = world.message_in(parent, call.id("message_id"))
    name = form.text(["name"], call.fields.get("name"), least=1, most=100, required=True)
    form.refuse()
    if parent.kind is not ChannelKind.TEXT:
        raise missing_permissions()
    if message.id in world.channels:
        raise thread_begun()
    thread = threads.begin(world, call.me, parent, name, number=message.id)
    world.tell("MESSAGE_UPDATE", world.wire.message(message), world.audience(parent))
    return Reply(body=world.wire.thread(thread), status=201)


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


def add_member(call: Call) -> None:
    """Let somebody into a thread, who is in its server and sees where it is."""
    thread = _thread(call)
    call.world.visit(call.me, thread.id, Permission.SEND_MESSAGES)
    member = call.world.users.get(call.id("user_id"))
    if member is None or not call.world.may_see(member, call.world.channels[_parent(thread)]):
        raise missing_access()
    threads.add(call.world, thread, member)


def _parent(thread: Channel) -> Snowflake:
    assert thread.parent is not None, "it is a thread"
    return thread.parent


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
    ("POST", "/channels/{channel_id}/messages/{message_id}/threads", start_thread_from_message),
    ("PUT", "/channels/{channel_id}/thread-members/{user_id}", add_member),
    ("GET", "/guilds/{guild_id}/threads/active", list_active_threads),
)
THREAD_ENDPOINTS = tuple(Endpoint(method=m, path=p, handler=h) for m, p, h in _TABLE)
