"""What a person asks of the bot: commands, presses, choices being typed and modals, checked and complete."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from playground import components as parts
from playground import invocations, threads
from playground.drafts import FILE_LIMIT
from playground.errors import Form, invalid_form, too_large, unknown
from playground.installs import owners_of_command, owners_of_press
from playground.nouns import (
    Channel,
    Command,
    CommandKind,
    Interaction,
    InteractionKind,
    Json,
    Message,
    OptionKind,
    Snowflake,
    Upload,
    User,
    is_nonce,
    is_snowflake,
)
from playground.permissions import Permission
from playground.resolved import Resolved
from playground.world import World


def read_question(
    world: World, modals: dict[Snowflake, Interaction], user: User, body: Json, uploads: Sequence[Upload]
) -> Interaction:
    """The body of POST /interactions as an interaction; raise `ApiError` if Discord would refuse it."""
    try:
        kind = InteractionKind(body.get("type") or 0)
    except ValueError:
        raise invalid_form(["type"], "BASE_TYPE_CHOICES", "Value must be one of (2, 3, 4, 5).") from None
    if any(len(upload.content) > FILE_LIMIT for upload in uploads):
        raise too_large()
    if body.get("nonce") is not None and not is_nonce(body["nonce"]):
        raise invalid_form(
            ["nonce"], "NONCE_TYPE_INVALID", "A nonce is a number, or a text of at most 25 characters"
        )
    if str(body.get("application_id")) != str(world.bot.id):
        raise unknown("Application")
    channel = world.visit(
        user, snowflake(body.get("channel_id"), "channel_id"), Permission.USE_APPLICATION_COMMANDS
    )
    place = None if channel.direct else str(channel.guild)
    if body.get("guild_id") not in (None, place):
        raise unknown("Guild")
    threads.check_open(world, user, channel)
    data = body.get("data")
    if not isinstance(data, dict):
        raise invalid_form(["data"], "BASE_TYPE_REQUIRED", "This field is required")
    question = _Question(world, modals, user, channel, uploads)
    match kind:
        case InteractionKind.COMMAND | InteractionKind.AUTOCOMPLETE:
            return question.command(kind, body, data)
        case InteractionKind.COMPONENT:
            return question.component(body, data)
        case InteractionKind.MODAL:
            return question.modal(body, data)


def snowflake(value: object, field: str) -> Snowflake:
    if is_snowflake(value):
        return Snowflake(int(str(value)))
    raise invalid_form([field], "NUMBER_TYPE_COERCE", f'Value "{value!r:.40}" is not snowflake.')


class _Question:
    def __init__(
        self,
        world: World,
        modals: dict[Snowflake, Interaction],
        user: User,
        channel: Channel,
        uploads: Sequence[Upload],
    ) -> None:
        self.world = world
        self.modals = modals
        self.user = user
        self.channel = channel
        self.uploads = {upload.key: upload for upload in uploads}

    def command(self, kind: InteractionKind, body: Json, data: Json) -> Interaction:
        command = self.world.commands.get(snowflake(data.get("id"), "id"))
        owners = {} if command is None else owners_of_command(self.world, self.user, command, self.channel)
        if command is None or not owners:
            raise unknown("application command")
        if data.get("version") not in (None, str(command.version)):
            raise invalid_form(
                ["data", "version"],
                "INTERACTION_APPLICATION_COMMAND_INVALID_VERSION",
                "This command is outdated, please try again in a few minutes",
            )
        if data.get("name") not in (None, command.name):
            raise invalid_form(["data", "name"], "INTERACTION_APPLICATION_COMMAND_INVALID_NAME", "Wrong name")
        asked: Json = {"id": str(command.id), "name": command.name, "type": int(command.kind)}
        if command.guild is not None:
            asked["guild_id"] = str(command.guild)
        resolved = Resolved(self.world, self.user, self.channel)
        extra: Json = {}
        if command.kind is CommandKind.CHAT:
            form = Form()
            given = form.many(["data", "options"], data.get("options"), most=25)
            autocomplete = kind is InteractionKind.AUTOCOMPLETE
            filled = invocations.fill(form, command.shape, given, autocomplete=autocomplete)
            self._resolve(form, resolved, filled.entities, data.get("attachments"))
            form.refuse()
            if filled.options:
                asked["options"] = filled.options
                self._renumber(filled.options, resolved)
        else:
            target = snowflake(data.get("target_id"), "target_id")
            asked["target_id"] = str(target)
            if command.kind is CommandKind.USER:
                resolved.user(target)
                extra["target_user"] = self.world.wire.user(self.world.users[target])
            else:
                message = self._visible(target)
                resolved.add("messages", target, self.world.wire.message(message))
                extra["target_message_id"] = str(target)
        if resolved.found:
            asked["resolved"] = resolved.found
        return self._made(kind, body, asked, owners, command=command, extra=extra)

    def component(self, body: Json, data: Json) -> Interaction:
        message = self._visible(snowflake(body.get("message_id"), "message_id"))
        if message.author != self.world.bot.id:
            raise unknown("Message")
        custom_id = data.get("custom_id")
        part = next((p for p in parts.walk(message.components) if p.get("custom_id") == custom_id), None)
        if part is None or part.get("disabled") or data.get("component_type") != part["type"]:
            raise invalid_form(
                ["data", "custom_id"],
                "COMPONENT_VALIDATION_FAILED",
                "The message has no such component, or it is disabled",
            )
        asked: Json = {"custom_id": custom_id, "component_type": part["type"], "id": part["id"]}
        if part["type"] in parts.SELECTS:
            resolved = Resolved(self.world, self.user, self.channel)
            asked["values"] = self._selected(["data", "values"], part, data.get("values"), resolved)
            if resolved.found:
                asked["resolved"] = resolved.found
        extra = {"interacted_message_id": str(message.id)}
        owners = owners_of_press(self.world, message, self.channel)
        return self._made(InteractionKind.COMPONENT, body, asked, owners, source=message.id, extra=extra)

    def modal(self, body: Json, data: Json) -> Interaction:
        opened = self.modals.get(snowflake(data.get("id"), "id"))
        if opened is None or opened.user != self.user.id or opened.channel != self.channel.id:
            raise unknown("interaction")
        definition = opened.modal
        if definition is None or data.get("custom_id") != definition["custom_id"]:
            raise invalid_form(["data", "custom_id"], "COMPONENT_VALIDATION_FAILED", "No such modal is open")
        submitted = {
            part["custom_id"]: part
            for part in parts.walk(data.get("components") or ())
            if isinstance(part.get("custom_id"), str)
        }
        resolved = Resolved(self.world, self.user, self.channel)
        form = Form()
        answers = [self._answered(form, part, submitted, resolved) for part in definition["components"]]
        form.refuse()
        asked: Json = {"custom_id": definition["custom_id"], "components": answers}
        if resolved.found:
            asked["resolved"] = resolved.found
        extra = {"triggering_interaction_metadata": opened.metadata}
        owners = opened.metadata["authorizing_integration_owners"]
        return self._made(InteractionKind.MODAL, body, asked, owners, source=opened.source, extra=extra)

    def _made(
        self,
        kind: InteractionKind,
        body: Json,
        asked: Json,
        owners: Json,
        *,
        command: Command | None = None,
        source: Snowflake | None = None,
        extra: Json | None = None,
    ) -> Interaction:
        made = self.world.mint()
        metadata: Json = {
            "id": str(made),
            "type": int(kind),
            "user": self.world.wire.user(self.user),
            "authorizing_integration_owners": owners,
            **(extra or {}),
        }
        if command is not None:
            metadata |= {"name": command.name, "command_type": int(command.kind)}
        return Interaction(
            id=made,
            token=secrets.token_urlsafe(48),
            kind=kind,
            user=self.user.id,
            channel=self.channel.id,
            data=asked,
            nonce=body.get("nonce"),
            asked_at=self.world.clock.now(),
            metadata=metadata,
            command=command,
            source=source,
        )

    def _visible(self, message_id: Snowflake) -> Message:
        message = self.world.messages.get(message_id)
        if message is None or message.channel != self.channel.id:
            raise unknown("Message")
        if message.only_to not in (None, self.user.id):
            raise unknown("Message")
        return message

    def _resolve(
        self, form: Form, resolved: Resolved, entities: dict[OptionKind, list[str]], attachments: object
    ) -> None:
        for kind, ids in entities.items():
            for value in (Snowflake(int(i)) for i in ids if is_snowflake(i)):
                if kind is OptionKind.ATTACHMENT:
                    upload = self._uploaded(value, attachments)
                    if upload is None:
                        form.fail(
                            ["data", "options"], "ATTACHMENT_NOT_FOUND", f"No file was sent for {value}"
                        )
                    else:
                        resolved.attachment(value, self.world.lend(self.channel, upload))
                elif not resolved.entity(kind, value):
                    form.fail(["data", "options"], "NUMBER_TYPE_COERCE", f"There is no {value} here")

    def _uploaded(self, number: Snowflake, attachments: object) -> Upload | None:
        """The file for an attachment option: its value is an id listed in `attachments`, or an index.

        The name it is listed under counts, not that of the part it came in.
        """
        listed = attachments if isinstance(attachments, list) else []
        for index, entry in enumerate(listed):
            if isinstance(entry, dict) and str(entry.get("id")) == str(number):
                found = self.uploads.get(int(number)) or self.uploads.get(index)
                name = entry.get("filename")
                return replace(found, filename=name) if found and isinstance(name, str) and name else found
        return self.uploads.get(int(number))

    def _renumber(self, options: Iterable[Json], resolved: Resolved) -> None:
        """Give attachment options the id under which their file was kept."""
        for option in options:
            if option["type"] == OptionKind.ATTACHMENT:
                option["value"] = resolved.kept_as[str(int(option["value"]))]
            self._renumber(option.get("options") or (), resolved)

    def _selected(
        self, path: Sequence[str | int], part: Json, values: object, resolved: Resolved
    ) -> list[str]:
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise invalid_form(path, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        least, most = part.get("min_values", 1), part.get("max_values", 1)
        if not least <= len(values) <= most:
            raise invalid_form(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
        if part["type"] == parts.STRING_SELECT:
            allowed = [option["value"] for option in part["options"]]
            known = all(value in allowed for value in values)
        else:
            kind = {
                parts.USER_SELECT: OptionKind.USER,
                parts.ROLE_SELECT: OptionKind.ROLE,
                parts.MENTIONABLE_SELECT: OptionKind.MENTIONABLE,
                parts.CHANNEL_SELECT: OptionKind.CHANNEL,
            }[part["type"]]
            known = all(is_snowflake(v) and resolved.entity(kind, Snowflake(int(v))) for v in values)
        if not known:
            raise invalid_form(path, "SELECT_COMPONENT_INVALID_VALUE", "The select has no such value")
        return values

    def _answered(self, form: Form, part: Json, submitted: dict[str, Json], resolved: Resolved) -> Json:
        """One component of the modal, with what the person put into it."""
        if part["type"] == parts.ROW:
            inner = [self._answered(form, child, submitted, resolved) for child in part["components"]]
            return {"type": part["type"], "id": part["id"], "components": inner}
        if part["type"] == parts.LABEL:
            inside = self._answered(form, part["component"], submitted, resolved)
            return {"type": part["type"], "id": part["id"], "component": inside}
        if part["type"] == parts.TEXT:
            return {"type": part["type"], "id": part["id"]}
        custom_id = part["custom_id"]
        path = ["data", "components", custom_id]
        given = submitted.get(custom_id, {})
        chosen: list[Any] = given["values"] if isinstance(given.get("values"), list) else []
        answer: Json = {"type": part["type"], "id": part["id"], "custom_id": custom_id}
        required = part.get("required", part["type"] != parts.CHECKBOX)
        if part["type"] == parts.TEXT_INPUT:
            value = given.get("value") or ""
            least, most = part.get("min_length") or 0, part.get("max_length") or 4000
            if required and not value:
                form.required(path)
            elif value:
                form.text(path, value, least=max(least, 1), most=most)
            answer["value"] = value
        elif part["type"] == parts.CHECKBOX:
            answer["value"] = bool(given.get("value"))
        elif part["type"] == parts.RADIO_GROUP:
            answer["value"] = given.get("value")
            if answer["value"] is None and required:
                form.required(path)
            elif answer["value"] not in (None, *(option["value"] for option in part["options"])):
                form.fail(path, "RADIO_GROUP_INVALID_VALUE", "The group has no such value")
        elif part["type"] == parts.FILE_UPLOAD:
            answer["values"] = self._lent(form, path, part, chosen, resolved, required)
        elif part["type"] == parts.CHECKBOX_GROUP:
            allowed = [option["value"] for option in part["options"]]
            answer["values"] = [value for value in chosen if value in allowed]
            if required and not answer["values"]:
                form.required(path)
        elif chosen or required:
            answer["values"] = self._selected(path, part, chosen, resolved)
        else:
            answer["values"] = []
        return answer

    def _lent(
        self,
        form: Form,
        path: Sequence[str | int],
        part: Json,
        values: list[object],
        resolved: Resolved,
        required: bool,
    ) -> list[str]:
        least = part.get("min_values", 1 if required else 0)
        if not least <= len(values) <= part.get("max_values", 1):
            form.fail(path, "BASE_TYPE_BAD_LENGTH", "Wrong number of files")
        kept = []
        for value in values:
            upload = self.uploads.get(int(str(value))) if is_snowflake(value) else None
            if upload is None:
                form.fail(path, "ATTACHMENT_NOT_FOUND", f"No file was sent for {value!r:.40}")
                continue
            attachment = self.world.lend(self.channel, upload)
            resolved.attachment(Snowflake(int(str(value))), attachment)
            kept.append(str(attachment.id))
        return kept
