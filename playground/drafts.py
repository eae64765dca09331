"""A message as a request describes it: checked, and made complete (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from playground import components, media
from playground.embeds import check_embeds, is_visible, stored_embed
from playground.errors import Form, empty_message, too_large
from playground.nouns import Attachment, Json, Message, MessageFlag, Snowflake, Upload, is_snowflake

FILE_LIMIT = 10 * 1024 * 1024
"""Bytes one file may have."""
REQUEST_LIMIT = 25 * 1024 * 1024
"""Bytes one request may have, all its parts together."""
MOST_CONTENT = 2000
SETTABLE = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.COMPONENTS_V2

USER_MENTION = re.compile(r"<@!?([0-9]{1,20})>")
ROLE_MENTION = re.compile(r"<@&([0-9]{1,20})>")
ADDRESS = re.compile(r"http://(?:127\.0\.0\.1|localhost)(?::\d+)?/attachments/\d+/(\d+)/")
EVERYONE = re.compile(r"@(everyone|here)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file of the request and what the request says about it; it has no id yet."""

    upload: Upload
    filename: str
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a message shall say. `kept` are attachments it had before and keeps."""

    content: str
    embeds: tuple[Json, ...]
    components: tuple[Json, ...]
    flags: MessageFlag
    kept: tuple[Attachment, ...]
    files: tuple[NewFile, ...]
    allowed_mentions: Json | None

    @property
    def text(self) -> str:
        """Everything in it that may mention somebody."""
        displays = (part["content"] for part in components.walk(self.components) if part["type"] == 10)
        return "\n".join((self.content, *displays))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    users: tuple[Snowflake, ...] = ()
    roles: tuple[Snowflake, ...] = ()
    everyone: bool = False


def draft(body: Json, uploads: Sequence[Upload], before: Message | None = None, *, path: str = "") -> Draft:
    """Read a create (`before` is None) or an edit; raise `ApiError` with all that is wrong.

    An edit changes only what the body names. `path` is where errors lie (`data` in callbacks).
    """
    root: list[str | int] = [path] if path else []
    if any(len(upload.content) > FILE_LIMIT for upload in uploads):
        raise too_large()
    form = Form()
    flags = _flags(form, body, before, root)
    v2 = MessageFlag.COMPONENTS_V2 in flags

    content = body.get("content") if "content" in body or before is None else before.content
    content = content.strip() if isinstance(content, str) else content
    embeds = body.get("embeds") if "embeds" in body or before is None else list(before.embeds)
    form.text([*root, "content"], content, most=MOST_CONTENT)
    if "embeds" in body:
        check_embeds(form, root, embeds)
    for field, value in (("content", content), ("embeds", embeds), ("poll", body.get("poll"))):
        if v2 and value:
            form.fail(
                [*root, field],
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                f"The '{field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
            )

    allowed_mentions = _allowed_mentions(form, root, body.get("allowed_mentions"))
    kept, files = _attachments(form, root, body, uploads, before)
    names = frozenset([*(a.filename for a in kept), *(f.filename for f in files)])
    tree = before.components if before is not None and body.get("components", 0) == 0 else None
    if tree is None:
        new_tree = form.many([*root, "components"], body.get("components"), most=components.MOST_COMPONENTS)
        components.check_message(form, [*root, "components"], new_tree, v2=v2, files=names)
        form.refuse()
        tree = components.stored(new_tree)
    form.refuse()
    made = Draft(
        content=content or "",
        embeds=tuple(stored_embed(embed) for embed in embeds or ()),
        components=tree,
        flags=flags,
        kept=kept,
        files=files,
        allowed_mentions=allowed_mentions,
    )
    if not (made.content or any(map(is_visible, made.embeds)) or made.components or made.kept or made.files):
        raise empty_message()
    return made


def mentions(
    made: Draft,
    *,
    users: Mapping[Snowflake, object],
    roles: Mapping[Snowflake, object],
    everyone: bool,
    replied_to: Snowflake | None = None,
) -> Mentions:
    """Who is pinged: who is named in the text, as far as `allowed_mentions` lets them be.

    `everyone`: whether the author may ping everyone here.
    """
    named_users = _known(USER_MENTION, made.text, users)
    named_roles = _known(ROLE_MENTION, made.text, roles)
    named_all = bool(EVERYONE.search(made.text))
    allowed = made.allowed_mentions
    if allowed is None:
        allowed = {"parse": ["users", "roles", "everyone"], "replied_user": True}
    parse = allowed.get("parse") or ()
    listed_users = {int(user) for user in allowed.get("users") or ()}
    listed_roles = {int(role) for role in allowed.get("roles") or ()}
    pinged = [user for user in named_users if "users" in parse or user in listed_users]
    if replied_to is not None and allowed.get("replied_user") and replied_to not in pinged:
        pinged.append(replied_to)
    return Mentions(
        users=tuple(pinged),
        roles=tuple(role for role in named_roles if "roles" in parse or role in listed_roles),
        everyone=everyone and named_all and "everyone" in parse,
    )


def attach(files: Iterable[NewFile], mint: Mapping[int, Snowflake]) -> tuple[Attachment, ...]:
    """The files as attachments, under the ids that were minted for them."""
    made = []
    for new in files:
        size = media.dimensions(new.upload.content) or (None, None)
        made.append(
            Attachment(
                id=mint[new.upload.key],
                filename=new.filename,
                size=len(new.upload.content),
                content_type=media.content_type(new.filename, new.upload.content),
                description=new.description,
                width=size[0],
                height=size[1],
            )
        )
    return tuple(made)


def relinked(part: Json, attachments: Sequence[Attachment]) -> Json:
    """The part with addresses of these attachments as `attachment://name`: addresses change, names do not."""
    by_id = {str(attachment.id): attachment.filename for attachment in attachments}

    def relink(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: relink(child) for key, child in value.items()}
        if isinstance(value, list):
            return [relink(child) for child in value]
        if isinstance(value, str) and (found := ADDRESS.match(value)) and found[1] in by_id:
            return components.REFERENCE + by_id[found[1]]
        return value

    linked: Json = relink(part)
    return linked


def _allowed_mentions(form: Form, root: list[str | int], given: object) -> Json | None:
    if given is None:
        return None
    path = [*root, "allowed_mentions"]
    allowed = dict(form.fields(path, given))
    for key in ("parse", "users", "roles"):
        values = allowed.get(key) or []
        words = isinstance(values, list) and all(isinstance(value, str | int) for value in values)
        if not words or (key != "parse" and not all(map(is_snowflake, values))):
            form.fail([*path, key], "LIST_TYPE_CONVERT", "Only lists of names or snowflakes may be used here")
            allowed[key] = []
        elif len(values) > 100:
            form.fail([*path, key], "BASE_TYPE_BAD_LENGTH", "Must be 100 or fewer in length.")
    return allowed


def _flags(form: Form, body: Json, before: Message | None, root: list[str | int]) -> MessageFlag:
    asked = body.get("flags")
    form.number([*root, "flags"], asked, least=0, most=2**31 - 1)
    wanted = MessageFlag(asked & SETTABLE) if isinstance(asked, int) else None
    if before is None:
        return wanted or MessageFlag(0)
    if wanted is None:
        return before.flags
    if MessageFlag.COMPONENTS_V2 in before.flags:
        wanted |= MessageFlag.COMPONENTS_V2
    return (before.flags & ~SETTABLE) | wanted


def _known(pattern: re.Pattern[str], text: str, known: Mapping[Snowflake, object]) -> list[Snowflake]:
    found = dict.fromkeys(Snowflake(int(match)) for match in pattern.findall(text))
    return [snowflake for snowflake in found if snowflake in known]


def _attachments(
    form: Form,
    root: list[str | int],
    body: Json,
    uploads: Sequence[Upload],
    before: Message | None,
) -> tuple[tuple[Attachment, ...], tuple[NewFile, ...]]:
    had = {attachment.id: attachment for attachment in before.attachments} if before else {}
    by_key = {upload.key: upload for upload in uploads}
    described: dict[int, Json] = {}
    kept = [] if "attachments" in body and body["attachments"] is not None else list(had.values())
    for index, entry in enumerate(form.many([*root, "attachments"], body.get("attachments"), most=10)):
        at = [*root, "attachments", index]
        form.text([*at, "description"], entry.get("description"), most=1024)
        form.text([*at, "filename"], entry.get("filename"), most=1024)
        number = entry.get("id")
        if not is_snowflake(number):
            form.fail([*at, "id"], "NUMBER_TYPE_COERCE", f'Value "{number!r:.40}" is not snowflake.')
            continue
        old = had.get(Snowflake(int(str(number))))
        if old is not None:
            kept.append(replace(old, description=entry["description"]) if "description" in entry else old)
        elif int(str(number)) in by_key:
            described[int(str(number))] = entry
        else:
            form.fail(
                [*at, "id"],
                "ATTACHMENT_NOT_FOUND",
                f"Neither a file of this request nor an attachment: {number}",
            )
    files = []
    for upload in uploads:
        about = described.get(upload.key, {})
        name = about.get("filename")
        files.append(
            NewFile(
                upload=upload,
                filename=media.safe_filename(name if isinstance(name, str) and name else upload.filename),
                description=about.get("description"),
            )
        )
    if len(kept) + len(files) > 10:
        form.fail([*root, "attachments"], "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    return tuple(kept), tuple(files)
