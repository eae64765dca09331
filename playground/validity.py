"""Tells quickly whether a value keeps a schema: what does need no sentence, and that is nearly everything.

jsonschema makes a validator anew at each step down a value, some 15 ms for a message. Here a schema becomes
functions, once, for those keywords that Discord's document uses. They only ever say yes or no: why not is
jsonschema's to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Sized
from itertools import combinations
from typing import Any
from urllib.parse import unquote

from playground.nouns import Json

Check = Callable[[Any], bool]

SILENT = frozenset({"title", "description", "format", "contentEncoding", "x-discord-union", "then", "else"})
"""Keywords that decide nothing, or nothing by themselves (`then` and `else` are `if`'s)."""


class Validity:
    """The schemas of one document, made ready as they are asked for."""

    def __init__(self, document: Json, name: str) -> None:
        """
        Args:
            name: what references may call the document, before the `#`.
        """
        self._document = document
        self._name = name
        self._ready: dict[str, Check] = {}
        self._unknown: set[str] = set()

    def keeps(self, reference: str, value: object) -> bool:
        """Whether a value surely keeps the schema at a reference; never if it has keywords unknown here."""
        if reference in self._unknown:
            return False
        if reference not in self._ready:
            making = _Making(self._document, self._name, dict(self._ready))
            try:
                making.referred(reference)
            except _UnknownError:
                self._unknown.add(reference)
                return False
            self._ready = making.ready
        return self._ready[reference](value)


class _UnknownError(Exception):
    """A keyword that is not among :data:`KEYWORDS`, or a reference that leads nowhere."""


class _Making:
    """Schemas on their way to functions. As some refer to themselves, a reference is followed when called."""

    def __init__(self, document: Json, name: str, ready: dict[str, Check]) -> None:
        self._document = document
        self._name = name
        self.ready = ready

    def referred(self, reference: str) -> Check:
        if reference not in self.ready:
            made: list[Check] = []
            self.ready[reference] = lambda value: made[0](value)
            made.append(self.check(self._found(reference)))
        return self.ready[reference]

    def check(self, schema: Any) -> Check:
        if isinstance(schema, bool):
            return lambda value: schema
        if schema.keys() - KEYWORDS.keys() - SILENT:
            raise _UnknownError
        checks = [KEYWORDS[key](self, schema[key], schema) for key in schema if key not in SILENT]
        return checks[0] if len(checks) == 1 else lambda value: all(check(value) for check in checks)

    def checks(self, schemas: Sequence[Any]) -> list[Check]:
        return [self.check(schema) for schema in schemas]

    def _found(self, reference: str) -> Any:
        name, _, pointer = reference.partition("#")
        if name not in ("", self._name):
            raise _UnknownError
        node: Any = self._document
        for step in pointer.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if not isinstance(node, dict) or key not in node:
                raise _UnknownError
            node = node[key]
        return node


# Keywords: each makes a check of its own value, and sees the schema in which it stands ---------------------


def _ref(making: _Making, reference: str, schema: Json) -> Check:
    return making.referred(reference)


def _type(making: _Making, names: str | list[str], schema: Json) -> Check:
    kinds = [TYPES[name] for name in ([names] if isinstance(names, str) else names)]
    return kinds[0] if len(kinds) == 1 else lambda value: any(kind(value) for kind in kinds)


def _const(making: _Making, wanted: object, schema: Json) -> Check:
    if isinstance(wanted, str):
        return lambda value: bool(value == wanted)
    return lambda value: _same(value, wanted)


def _enum(making: _Making, allowed: list[object], schema: Json) -> Check:
    if all(isinstance(each, str) for each in allowed):
        return lambda value: isinstance(value, str) and value in allowed
    return lambda value: any(_same(value, each) for each in allowed)


def _all_of(making: _Making, schemas: list[Any], schema: Json) -> Check:
    checks = making.checks(schemas)
    return lambda value: all(check(value) for check in checks)


def _any_of(making: _Making, schemas: list[Any], schema: Json) -> Check:
    checks = making.checks(schemas)
    return lambda value: any(check(value) for check in checks)


def _one_of(making: _Making, schemas: list[Any], schema: Json) -> Check:
    checks = making.checks(schemas)
    return lambda value: sum(check(value) for check in checks) == 1


def _if(making: _Making, condition: Any, schema: Json) -> Check:
    holds, then, otherwise = making.checks([condition, schema.get("then", True), schema.get("else", True)])
    return lambda value: then(value) if holds(value) else otherwise(value)


def _properties(making: _Making, properties: dict[str, Any], schema: Json) -> Check:
    checks = {name: making.check(each) for name, each in properties.items()}
    return lambda value: (
        not isinstance(value, dict) or all(checks[name](value[name]) for name in value if name in checks)
    )


def _additional(making: _Making, additional: Any, schema: Json) -> Check:
    check, named = making.check(additional), schema.get("properties", {})
    return lambda value: (
        not isinstance(value, dict) or all(check(value[name]) for name in value if name not in named)
    )


def _required(making: _Making, names: list[str], schema: Json) -> Check:
    return lambda value: not isinstance(value, dict) or all(name in value for name in names)


def _items(making: _Making, items: Any, schema: Json) -> Check:
    check = making.check(items)
    return lambda value: not isinstance(value, list) or all(check(each) for each in value)


def _unique(making: _Making, wanted: bool, schema: Json) -> Check:
    return lambda value: not (wanted and isinstance(value, list)) or _differ(value)


def _pattern(making: _Making, pattern: str, schema: Json) -> Check:
    found = re.compile(pattern).search
    return lambda value: not isinstance(value, str) or found(value) is not None


def _least(kind: type[Sized]) -> Callable[[_Making, int, Json], Check]:
    return lambda making, limit, schema: lambda value: not isinstance(value, kind) or len(value) >= limit


def _most(kind: type[Sized]) -> Callable[[_Making, int, Json], Check]:
    return lambda making, limit, schema: lambda value: not isinstance(value, kind) or len(value) <= limit


def _minimum(making: _Making, limit: float, schema: Json) -> Check:
    return lambda value: not _is_number(value) or value >= limit


def _maximum(making: _Making, limit: float, schema: Json) -> Check:
    return lambda value: not _is_number(value) or value <= limit


KEYWORDS: dict[str, Callable[[_Making, Any, Json], Check]] = {
    "$ref": _ref,
    "type": _type,
    "const": _const,
    "enum": _enum,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "if": _if,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "minProperties": _least(dict),
    "maxProperties": _most(dict),
    "items": _items,
    "uniqueItems": _unique,
    "minItems": _least(list),
    "maxItems": _most(list),
    "minLength": _least(str),
    "maxLength": _most(str),
    "pattern": _pattern,
    "minimum": _minimum,
    "maximum": _maximum,
}


# What JSON means by them -----------------------------------------------------------------------------------


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return (isinstance(value, float) and value.is_integer()) or (isinstance(value, int) and _is_number(value))


TYPES: dict[str, Check] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON has it: 1 is 1.0, but true is not 1, however deep."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


def _differ(values: list[Any]) -> bool:
    if all(isinstance(value, str) for value in values):
        return len(set(values)) == len(values)
    return not any(_same(one, other) for one, other in combinations(values, 2))
