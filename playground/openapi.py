"""Checks what the bot asks and what we answer against Discord's OpenAPI document.

The document is a preview that says less than Discord does (see playground/README.md): it has no gateway
events, and of the limits only some. Ids are compared as strings, because libraries send some as numbers,
and unions are decided by `type`, so that what is wrong is named where it is.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from playground.errors import Form
from playground.nouns import Json

log = logging.getLogger(__name__)

NAME = "urn:discord"
LONGEST_MESSAGE = 300
MISSING = re.compile(r"'([^']+)' is a required property")


class OpenApi:
    """Checks against the document at `path`; what violates it is added to `violations`, a sentence each."""

    def __init__(self, path: Path, violations: list[str]) -> None:
        self.violations = violations
        self._document = _read(path)

    def check_request(self, method: str, path: str, body: object) -> None:
        """Note how a request's JSON violates the document, and refuse it as Discord would (50035)."""
        operation = self._operation(method, path)
        described = (operation or {}).get("requestBody")
        if described is None:
            return
        form = Form()
        if body is None:
            if described.get("required"):
                self._note(method, path, "the request has no body")
                form.required([])
        elif "application/json" in described["content"]:
            pointer = _pointer(path, method, "requestBody", "content", "application/json", "schema")
            for error in self._document.errors(pointer, _with_text_ids(body)):
                where = list(error.absolute_path)
                code, sentence = _sentence(error)
                if error.validator == "required" and (missing := MISSING.match(error.message)):
                    where.append(missing[1])
                self._note(method, path, f"request{_place(where)}: {sentence}")
                form.fail(where, code, sentence)
        form.refuse()

    def check_response(self, method: str, path: str, status: int, body: object) -> None:
        """Note how our answer violates the document: that is a mistake of the playground."""
        operation = self._operation(method, path)
        if operation is None:
            return
        if status >= 400:
            pointer = "#/components/schemas/" + ("RatelimitedResponse" if status == 429 else "Error")
        elif str(status) not in operation["responses"]:
            self._note(method, path, f"{status} is not among the answers Discord gives")
            return
        elif "content" not in operation["responses"][str(status)]:
            if body is not None:
                self._note(method, path, f"{status} has a body, and should not")
            return
        else:
            pointer = _pointer(
                path, method, "responses", str(status), "content", "application/json", "schema"
            )
        for error in self._document.errors(pointer, body):
            place = _place(list(error.absolute_path))
            self._note(method, path, f"our {status} answer{place}: {error.message[:LONGEST_MESSAGE]}")

    def _note(self, method: str, path: str, what: str) -> None:
        sentence = f"{method} {path}: {what}"
        self.violations.append(sentence)
        log.warning("Against Discord's OpenAPI document: %s", sentence)

    def _operation(self, method: str, path: str) -> Json | None:
        operation: Json | None = self._document.contents["paths"].get(path, {}).get(method.lower())
        return operation


class _Document:
    """A document made ready, with a validator for each schema that was needed so far."""

    def __init__(self, contents: Json) -> None:
        self.contents = _discriminated(contents, contents["components"]["schemas"])
        resource = DRAFT202012.create_resource(self.contents)
        self._registry: Registry[Any] = Registry().with_resource(NAME, resource)
        self._validators: dict[str, Draft202012Validator] = {}
        self._quick: dict[str, jsonschema_rs.Draft202012Validator] = {}
        self._quick_registry = jsonschema_rs.Registry([(NAME, self.contents)])

    def errors(self, pointer: str, value: object) -> Iterator[ValidationError]:
        # Nearly all is as it should be, and jsonschema takes 15 ms to say so; what is wrong it says best.
        quick = self._quick.get(pointer)
        if quick is None:
            reference = {"$ref": NAME + pointer}
            quick = jsonschema_rs.Draft202012Validator(reference, registry=self._quick_registry)
            self._quick[pointer] = quick
        if quick.is_valid(value):
            return
        validator = self._validators.get(pointer)
        if validator is None:
            validator = Draft202012Validator({"$ref": NAME + pointer}, registry=self._registry)
            self._validators[pointer] = validator
        for error in validator.iter_errors(value):
            yield best_match([error]) or error


@functools.cache
def _read(path: Path) -> _Document:
    return _Document(json.loads(path.read_bytes()))


def _sentence(error: ValidationError) -> tuple[str, str]:
    """A code and a sentence of Discord's, as far as it has one for this kind of mistake."""
    limit = error.validator_value
    match error.validator:
        case "maxLength":
            return "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length."
        case "minLength" | "minItems":
            return "BASE_TYPE_MIN_LENGTH", f"Must be {limit} or more in length."
        case "maxItems":
            return "BASE_TYPE_BAD_LENGTH", f"Must be {limit} or fewer in length."
        case "maximum":
            return "NUMBER_TYPE_MAX", f"int value should be less than or equal to {limit}."
        case "minimum":
            return "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {limit}."
        case "required":
            return "BASE_TYPE_REQUIRED", "This field is required"
        case _:
            return "OPENAPI_VIOLATION", error.message[-LONGEST_MESSAGE:]


def _pointer(path: str, method: str, *steps: str) -> str:
    escaped = [step.replace("~", "~0").replace("/", "~1") for step in ("paths", path, method.lower(), *steps)]
    return "#/" + "/".join(escaped).replace("{", "%7B").replace("}", "%7D")


def _place(path: Sequence[str | int]) -> str:
    return " at " + ".".join(map(str, path)) if path else ""


def _discriminated(node: Any, schemas: Mapping[str, Json]) -> Any:
    """The document with unions of objects rewritten so that `type` decides which member applies."""
    if isinstance(node, list):
        return [_discriminated(child, schemas) for child in node]
    if not isinstance(node, dict):
        return node
    made = {key: _discriminated(value, schemas) for key, value in node.items()}
    for union in ("oneOf", "anyOf"):
        members: list[Json] = node[union] if isinstance(node.get(union), list) else []
        if cases := _cases(members, schemas):
            del made[union]
            kinds = [kind for case, _ in cases for kind in case]
            nullable = {"type": "null"} in members
            made["type"] = ["object", "null"] if nullable else "object"
            made["required"] = ["type"]
            made["properties"] = {"type": {"enum": kinds}}
            made["allOf"] = [
                {"if": {"properties": {"type": {"enum": case}}, "type": "object"}, "then": {"$ref": ref}}
                for case, ref in cases
            ]
    return made


def _cases(members: list[Json], schemas: Mapping[str, Json]) -> list[tuple[list[int], str]]:
    """For each member of a union the values of `type` it is for; nothing if `type` does not decide."""
    cases: list[tuple[list[int], str]] = []
    taken: set[int] = set()
    for member in members:
        if member == {"type": "null"}:
            continue
        reference = str(member.get("$ref", ""))
        schema: Json = schemas.get(reference.rsplit("/", 1)[-1], {})
        kinds: list[int] = schema.get("properties", {}).get("type", {}).get("enum") or []
        decides = kinds and "type" in schema.get("required", []) and not taken & set(kinds)
        if not decides:
            return []
        taken |= set(kinds)
        cases.append((kinds, NAME + reference))
    return cases


def _with_text_ids(value: Any, key: str = "") -> Any:
    """The body with every id as a string, as the document has them; ids of components stay numbers."""
    if isinstance(value, dict):
        return {name: _with_text_ids(child, name) for name, child in value.items()}
    if isinstance(value, list):
        if key in ("users", "roles"):
            return [str(item) if isinstance(item, int) else item for item in value]
        if key == "attachments":
            return [
                {**item, "id": str(item["id"])} if isinstance(item, dict) and "id" in item else item
                for item in value
            ]
        return [_with_text_ids(item) for item in value]
    if key.endswith("_id") and isinstance(value, int):
        return str(value)
    return value
