"""Commands: which may be registered, and whether what a person filled in fits them (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from playground.errors import Form
from playground.nouns import CommandKind, Json, OptionKind, is_snowflake

NAME = re.compile(r"[-_'\w]{1,32}")
MOST_PER_KIND = {CommandKind.CHAT: 100, CommandKind.USER: 15, CommandKind.MESSAGE: 15}
MOST_CHARACTERS = 8000
NESTING = (OptionKind.SUBCOMMAND, OptionKind.GROUP)
TYPED = (OptionKind.STRING, OptionKind.INTEGER, OptionKind.NUMBER)
"""What is typed, and so may have choices or be completed."""
MOST_NUMBER = 2**53
ENTITIES = (OptionKind.USER, OptionKind.CHANNEL, OptionKind.ROLE, OptionKind.MENTIONABLE)


def check_commands(form: Form, shapes: Sequence[Json]) -> None:
    """Note what is wrong with a whole set of commands."""
    names: set[tuple[str, str]] = set()
    for index, shape in enumerate(shapes):
        check_command(form, [index], shape)
        key = (str(shape.get("type") or 1), str(shape.get("name")))
        if key in names:
            form.fail(
                [index, "name"],
                "APPLICATION_COMMANDS_DUPLICATE_NAME",
                "Application command names must be unique",
            )
        names.add(key)
    for kind, most in MOST_PER_KIND.items():
        if sum(1 for found, _ in names if found == str(int(kind))) > most:
            form.fail([], "APPLICATION_COMMANDS_LIMIT", f"At most {most} commands of type {int(kind)}.")


def check_command(form: Form, path: Sequence[str | int], shape: Json) -> None:
    kind = shape.get("type") or CommandKind.CHAT
    if kind not in tuple(CommandKind):
        form.fail([*path, "type"], "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3}.")
        return
    name = form.text([*path, "name"], shape.get("name"), least=1, most=32, required=True)
    _check_localizations(form, path, shape)
    needs = shape.get("default_member_permissions")
    if needs is not None and not is_snowflake(needs):
        form.fail([*path, "default_member_permissions"], "NUMBER_TYPE_COERCE", "Value is not int.")
    for key, known in (("contexts", (0, 1, 2)), ("integration_types", (0, 1))):
        values = shape.get(key)
        if values is not None and not (isinstance(values, list) and all(v in known for v in values)):
            form.fail([*path, key], "BASE_TYPE_CHOICES", f"Value must be a list of {known}.")
    if kind == CommandKind.CHAT:
        _check_name(form, path, name)
        form.text([*path, "description"], shape.get("description"), least=1, most=100, required=True)
        _check_options(form, path, shape, depth=0)
        if form.clean and _characters(shape) > MOST_CHARACTERS:
            form.fail(
                path,
                "APPLICATION_COMMAND_TOO_LARGE",
                f"Command exceeds maximum size ({MOST_CHARACTERS})",
            )
    elif shape.get("description") or shape.get("options"):
        form.fail(
            [*path, "description" if shape.get("description") else "options"],
            "APPLICATION_COMMAND_INVALID_FIELD",
            "Context menu commands have neither a description nor options",
        )


@dataclass(slots=True)
class Filled:
    """The options a person filled in, checked; and the ids among them, by what they name."""

    options: list[Json]
    entities: dict[OptionKind, list[str]] = field(default_factory=dict)


def fill(form: Form, shape: Json, given: Sequence[Json], *, autocomplete: bool) -> Filled:
    """Note what does not fit the command's definition. With `autocomplete`, it need not be complete."""
    filled = Filled([])
    filled.options = _fill(form, ["data", "options"], shape, given, filled, autocomplete)
    return filled


def leaf(shape: Json, given: Sequence[Json]) -> tuple[Json, Sequence[Json]]:
    """The definition and the options of the sub-command that was chosen, or of the command itself."""
    for option in given:
        for definition in shape.get("options") or ():
            if definition["name"] == option.get("name") and definition["type"] in NESTING:
                return leaf(definition, option.get("options") or ())
    return shape, given


def _check_localizations(form: Form, path: Sequence[str | int], shape: Json) -> None:
    for key, most in (("name_localizations", 32), ("description_localizations", 100)):
        for locale, text in form.fields([*path, key], shape.get(key)).items():
            form.text([*path, key, locale], text, least=1, most=most, required=True)


def _check_name(form: Form, path: Sequence[str | int], name: str) -> None:
    if name and (not NAME.fullmatch(name) or name != name.lower()):
        form.fail(
            [*path, "name"],
            "APPLICATION_COMMAND_INVALID_NAME",
            "Command name is invalid: lower case letters, digits, - and _ only",
        )


def _check_options(form: Form, path: Sequence[str | int], shape: Json, *, depth: int) -> None:
    options = form.many([*path, "options"], shape.get("options"), most=25)
    names: set[str] = set()
    optional_seen = False
    nests = any(option.get("type") in NESTING for option in options)
    for index, option in enumerate(options):
        at = [*path, "options", index]
        name = form.text([*at, "name"], option.get("name"), least=1, most=32, required=True)
        _check_name(form, at, name)
        _check_localizations(form, at, option)
        form.text([*at, "description"], option.get("description"), least=1, most=100, required=True)
        if name in names:
            form.fail([*at, "name"], "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
                      "Option name already exists")  # fmt: skip
        names.add(name)
        kind = option.get("type")
        if kind not in tuple(OptionKind):
            form.fail([*at, "type"], "BASE_TYPE_CHOICES", "Value must be a type from 1 to 11.")
        elif nests and kind not in NESTING:
            form.fail([*at, "type"], "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
                      "Sub-command and sub-command group option types are mutually exclusive "
                      "to all other types")  # fmt: skip
        elif kind in NESTING:
            if depth > (0 if kind == OptionKind.GROUP else 1):
                form.fail([*at, "type"], "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
                          "Sub-commands nest at most two deep")  # fmt: skip
            elif kind == OptionKind.GROUP and any(
                child.get("type") != OptionKind.SUBCOMMAND
                for child in form.many([*at, "options"], option.get("options"), most=25)
            ):
                form.fail([*at, "options"], "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
                          "A sub-command group has sub-commands only")  # fmt: skip
            else:
                _check_options(form, at, option, depth=depth + 1)
        else:
            _check_values(form, at, option, OptionKind(kind))
            if option.get("required") and optional_seen:
                form.fail([*at, "required"], "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                          "Required options must be placed before non-required options")  # fmt: skip
        optional_seen = optional_seen or not option.get("required")


def _check_values(form: Form, at: list[str | int], option: Json, kind: OptionKind) -> None:
    """Note which choices and bounds of an option do not fit its type."""
    choices = form.many([*at, "choices"], option.get("choices"), most=25)
    if kind not in TYPED and (choices or option.get("autocomplete")):
        field = "choices" if choices else "autocomplete"
        form.fail([*at, field], "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
                  "Only texts and numbers may have choices or autocomplete")  # fmt: skip
        return
    for number, choice in enumerate(choices):
        place = [*at, "choices", number]
        form.text([*place, "name"], choice.get("name"), least=1, most=100, required=True)
        names = form.fields([*place, "name_localizations"], choice.get("name_localizations"))
        for locale, text in names.items():
            form.text([*place, "name_localizations", locale], text, least=1, most=100, required=True)
        _check_choice(form, [*place, "value"], choice.get("value"), kind)
    if choices and option.get("autocomplete"):
        form.fail([*at, "choices"], "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES",
                  "Options with autocomplete cannot have choices")  # fmt: skip
    for bound, lowest in (("min_length", 0), ("max_length", 1)):
        form.number([*at, bound], option.get(bound), least=lowest, most=6000)
    for bound in ("min_value", "max_value"):
        if option.get(bound) is not None and not _fits(option[bound], kind):
            form.fail([*at, bound], "NUMBER_TYPE_COERCE", f'Value "{option[bound]!r:.80}" does not fit.')
    for low, high in (("min_length", "max_length"), ("min_value", "max_value")):
        least, most = option.get(low), option.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            form.fail([*at, low], "APPLICATION_COMMAND_OPTIONS_MIN_MAX_INVALID",
                      f"{low} must not be greater than {high}")  # fmt: skip


def _check_choice(form: Form, path: Sequence[str | int], value: object, kind: OptionKind) -> None:
    if value is None:
        form.required(path)
    elif kind is OptionKind.STRING:
        form.text(path, value, least=1, most=100)
    elif not _fits(value, kind):
        form.fail(path, "NUMBER_TYPE_COERCE", f'Value "{value!r:.80}" does not fit.')


def _fits(value: object, kind: OptionKind) -> bool:
    """Whether a number is one that a choice or a bound of such an option may be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    whole = isinstance(value, int) or value.is_integer()
    return abs(value) <= MOST_NUMBER and (kind is OptionKind.NUMBER or (kind is OptionKind.INTEGER and whole))


def _characters(shape: Json) -> int:
    own = _longest(shape, "name") + _longest(shape, "description")
    choices = sum(len(str(c.get("value"))) + _longest(c, "name") for c in shape.get("choices") or ())
    return own + choices + sum(_characters(option) for option in shape.get("options") or ())


def _longest(shape: Json, key: str) -> int:
    texts = [shape.get(key) or "", *(shape.get(f"{key}_localizations") or {}).values()]
    return max(len(text) for text in texts)


def _fill(
    form: Form,
    path: list[str | int],
    shape: Json,
    given: Sequence[Json],
    filled: Filled,
    autocomplete: bool,
) -> list[Json]:
    defined = {option["name"]: option for option in shape.get("options") or ()}
    nested = any(option["type"] in NESTING for option in defined.values())
    answers: list[Json] = []
    for index, option in enumerate(given):
        at = [*path, index]
        name = option.get("name")
        definition = defined.get(name) if isinstance(name, str) else None
        if definition is None:
            form.fail([*at, "name"], "INTERACTION_APPLICATION_COMMAND_OPTION_MISSING", "Unknown option")
            continue
        kind = OptionKind(definition["type"])
        answer: Json = {"name": name, "type": int(kind)}
        if kind in NESTING:
            inner = form.many([*at, "options"], option.get("options"), most=25)
            answer["options"] = _fill(form, [*at, "options"], definition, inner, filled, autocomplete)
        else:
            focused = autocomplete and bool(option.get("focused")) and bool(definition.get("autocomplete"))
            answer["value"] = _value(form, [*at, "value"], definition, option.get("value"), focused)
            if focused:
                answer["focused"] = True
            if kind in (*ENTITIES, OptionKind.ATTACHMENT):
                filled.entities.setdefault(kind, []).append(str(answer["value"]))
        answers.append(answer)
    names = [answer["name"] for answer in answers]
    if nested and len(names) != 1:
        form.fail(path, "APPLICATION_COMMAND_SUBCOMMAND_REQUIRED", "Choose one of its sub-commands")
    for name, definition in defined.items():
        if definition.get("required") and name not in names and not autocomplete:
            form.fail([*path, name], "BASE_TYPE_REQUIRED", f"The option {name} is required")
    if len(set(names)) != len(names):
        form.fail(path, "APPLICATION_COMMAND_OPTIONS_DUPLICATE", "An option is given twice")
    return answers


def _value(form: Form, path: list[str | int], option: Json, value: object, focused: bool) -> object:
    if focused:
        return "" if value is None else str(value)
    for problem in _problems(option, value):
        form.fail(path, *problem)
    return value


def _problems(option: Json, value: object) -> Iterator[tuple[str, str]]:
    kind = option["type"]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == OptionKind.STRING:
        if not isinstance(value, str):
            yield "STRING_TYPE_CONVERT", f'Could not interpret "{value!r:.80}" as string.'
            return
        least, most = option.get("min_length") or 0, option.get("max_length") or 6000
        if not least <= len(value) <= most:
            yield "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length."
    elif kind == OptionKind.INTEGER and not (number and float(str(value)).is_integer()):
        yield "NUMBER_TYPE_COERCE", f'Value "{value!r:.80}" is not int.'
        return
    elif kind == OptionKind.NUMBER and not number:
        yield "NUMBER_TYPE_COERCE", f'Value "{value!r:.80}" is not float.'
        return
    elif kind == OptionKind.BOOLEAN and not isinstance(value, bool):
        yield "BOOLEAN_TYPE_CONVERT", "Must be either true or false."
    elif kind in (*ENTITIES, OptionKind.ATTACHMENT) and not is_snowflake(value):
        yield "NUMBER_TYPE_COERCE", f'Value "{value!r:.80}" is not snowflake.'
    if isinstance(value, int | float) and not isinstance(value, bool):
        if option.get("min_value") is not None and value < option["min_value"]:
            yield (
                "NUMBER_TYPE_MIN",
                f"int value should be greater than or equal to {option['min_value']}.",
            )
        if option.get("max_value") is not None and value > option["max_value"]:
            yield "NUMBER_TYPE_MAX", f"int value should be less than or equal to {option['max_value']}."
        if kind == OptionKind.INTEGER and abs(value) > MOST_NUMBER:
            yield "NUMBER_TYPE_MAX", "int value should be less than or equal to 9007199254740992."
    choices = option.get("choices")
    if choices and value not in [choice["value"] for choice in choices]:
        yield "APPLICATION_COMMAND_OPTION_CHOICE_INVALID", "Choose one of the choices."
