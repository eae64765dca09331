"""What Discord's own client sends when somebody asks something of a bot (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from playground.components import LABEL, ROW, TEXT_INPUT
from playground.nouns import CommandKind, Json, OptionKind

File = Path | tuple[str, bytes]
"""A file to send: where it is, or its name and its bytes."""


class PersonError(Exception):
    """Something a person would notice; the message says what."""


def filename(file: File) -> str:
    return file.name if isinstance(file, Path) else file[0]


def command(
    commands: Sequence[Json], name: str, options: Mapping[str, object], target: str | None
) -> tuple[Json, list[File]]:
    """The `data` of a command and the files that go with it.

    `name` may name sub-commands ("group sub"). The value of an attachment option is a `File`.
    """
    first, *rest = [name] if target else name.split(" ")
    wanted = (CommandKind.USER, CommandKind.MESSAGE) if target else (CommandKind.CHAT,)
    chosen = next((c for c in commands if c["name"] == first and c["type"] in wanted), None)
    if chosen is None:
        known = ", ".join(c["name"] for c in commands) or "none"
        raise PersonError(f"The bot has no command {name!r}; it has {known}.")
    definition, path = chosen, []
    for step in rest:
        found = next((o for o in definition.get("options", ()) if o["name"] == step), None)
        if found is None:
            raise PersonError(f"/{first} has no sub-command {step!r}.")
        definition = found
        path.append(found)
    files: list[File] = []
    defined = {option["name"]: option["type"] for option in definition.get("options", ())}
    filled: list[Json] = []
    for key, value in options.items():
        option = {"type": defined.get(key, int(OptionKind.STRING)), "name": key, "value": value}
        if option["type"] == OptionKind.ATTACHMENT and isinstance(value, Path | tuple):
            option["value"] = str(len(files))
            files.append(value)
        filled.append(option)
    for step in reversed(path):
        filled = [{"type": step["type"], "name": step["name"], "options": filled}]
    data: Json = {key: chosen[key] for key in ("id", "version", "name", "type")}
    data["options"] = filled
    data["attachments"] = [{"id": str(index), "filename": filename(file)} for index, file in enumerate(files)]
    if target is not None:
        data["target_id"] = target
    return data, files


def focus(data: Json, name: str) -> None:
    """Say that the option of this name is the one being typed."""
    options = data["options"]
    while options and options[0]["type"] in (OptionKind.SUBCOMMAND, OptionKind.GROUP):
        options = options[0]["options"]
    next(option for option in options if option["name"] == name)["focused"] = True


def modal(definition: Json, values: Mapping[str, object]) -> tuple[Json, list[File]]:
    """The `data` of a modal, and the files that go with it; `values` by label or custom_id.

    What is not named keeps what was in it. The value of a file upload is a `File`, or a list of them.
    """
    files: list[File] = []
    left = {name: _sent(value, files) for name, value in values.items()}
    components = [_filled(part, left, part.get("label")) for part in definition["components"]]
    if left:
        raise PersonError(f"The modal has no field {', '.join(left)}.")
    data: Json = {"id": definition["id"], "custom_id": definition["custom_id"], "components": components}
    data["attachments"] = [{"id": str(index), "filename": filename(file)} for index, file in enumerate(files)]
    return data, files


def _sent(value: object, files: list[File]) -> object:
    """The value as it is sent: files as their places among `files`, which they join."""
    given = value if isinstance(value, list) else [value]
    brought = [one for one in given if isinstance(one, Path | tuple)]
    if not brought:
        return value
    files += brought
    return [str(number) for number in range(len(files) - len(brought), len(files))]


def _filled(part: Json, left: dict[str, object], label: str | None) -> Json:
    """A component of a modal as a client sends it; takes its value out of `left`."""
    answer: Json = {"type": part["type"], "id": part["id"]}
    if part["type"] == ROW:
        children = part["components"]
        return {**answer, "components": [_filled(child, left, child.get("label")) for child in children]}
    if part["type"] == LABEL:
        return {**answer, "component": _filled(part["component"], left, label)}
    if "custom_id" not in part:
        return answer
    answer["custom_id"] = part["custom_id"]
    named = next((name for name in (part["custom_id"], label) if name in left), None)
    value = left.pop(named) if named is not None else None
    if part["type"] == TEXT_INPUT:
        answer["value"] = part.get("value", "") if named is None else value
    elif isinstance(value, list | tuple):
        answer["values"] = list(value)
    elif named is None:
        chosen = [option["value"] for option in part.get("options", ()) if option.get("default")]
        answer |= {"values": chosen, "value": chosen[0] if chosen else None}
    else:
        answer |= {"value": value, "values": [value]}
    return answer
