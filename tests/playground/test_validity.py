"""What is quickly said to keep a schema is what jsonschema finds nothing wrong with."""

from __future__ import annotations

import json
import os
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from playground.validity import KEYWORDS, SILENT, Validity

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 5, 1.0, 1.5, "", "a", "ab", "12", "🎈🎈"),
    *([], [1], [1, 1.0], [1, True], [0, False], ["a", "b"], ["a", "a"], [[1], [1]], [{"a": 1}, {"a": True}]),
    *([{"a": 1}, {"a": 1.0}], [1, "a", None, [], {}], [[[]]]),
    *({}, {"a": 1}, {"a": True}, {"a": None}, {"a": "x", "b": 2}, {"b": 2}, {"a": {"a": {"a": 1}}}),
    *({"type": 1}, {"type": 2, "a": "x"}, {"type": 2, "a": 1}, {"type": 3, "c": [1, 2, 3]}),
]
SCHEMAS: list[Any] = [
    *(True, False, {}, {"title": "t", "description": "d", "format": "int32", "x-discord-union": "oneOf"}),
    *({"type": kind} for kind in ("null", "boolean", "integer", "number", "string", "array", "object")),
    *({"type": ["string", "null"]}, {"type": ["integer", "object"], "minimum": 1}),
    *({"const": value} for value in VALUES[:-12]),
    *({"enum": [1, "a", None]}, {"enum": [True, [1], {"a": 1}]}, {"enum": []}, {"enum": ["a", "12"]}),
    *({"minimum": 1}, {"maximum": 1}, {"minimum": 0.5, "maximum": 1.5}),
    *({"minLength": 1}, {"maxLength": 1}, {"minLength": 2, "maxLength": 2}, {"pattern": "^(0|[1-9][0-9]*)$"}),
    *({"minItems": 1}, {"maxItems": 1}, {"uniqueItems": True}, {"uniqueItems": False}),
    *({"items": {"type": "integer"}}, {"items": False}, {"items": {"items": {"maxItems": 0}}}),
    *({"required": ["a"]}, {"required": ["a", "b"]}, {"minProperties": 1}, {"maxProperties": 1}),
    *({"properties": {"a": {"type": "integer"}}}, {"properties": {"a": False, "b": {"minimum": 3}}}),
    *(
        {"properties": {"a": {}}, "additionalProperties": False},
        {"additionalProperties": {"type": "integer"}},
    ),
    {"allOf": [{"type": "object"}, {"required": ["a"]}]},
    {"anyOf": [{"type": "string"}, {"minimum": 1}]},
    {"oneOf": [{"type": "number"}, {"const": 1}, {"type": "string"}]},
    {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"type": "array"}},
    {"if": {"properties": {"type": {"enum": [2]}}, "type": "object"}, "then": {"$ref": "#/kinds/two"}},
    {"$ref": "#/kinds/nested"},
    {"$ref": "urn:of-this#/kinds/nested", "maxProperties": 1},
]
KINDS = {
    "two": {"properties": {"a": {"type": "string"}}},
    "nested": {"type": ["object", "integer"], "additionalProperties": {"$ref": "#/kinds/nested"}},
}
DOCUMENT = os.environ.get("DISCORD_OPENAPI")


def test_it_says_yes_where_jsonschema_finds_nothing_wrong_and_only_there() -> None:
    validity = Validity({"schemas": dict(enumerate_texts(SCHEMAS)), "kinds": KINDS}, "urn:of-this")
    yes = 0
    for name, schema in enumerate_texts(SCHEMAS):
        whole = {"$id": "urn:of-this", "kinds": KINDS, "allOf": [schema]}
        other = Draft202012Validator(whole)
        for value in VALUES:
            said = validity.keeps(f"#/schemas/{name}", value)
            assert said == other.is_valid(value), (schema, value)
            yes += said
    assert 500 < yes < len(SCHEMAS) * len(VALUES) - 500, "both answers are given often"


def test_every_keyword_is_among_those_that_are_compared() -> None:
    assert KEYWORDS.keys() <= set(chain(*(schema for schema in SCHEMAS if isinstance(schema, dict))))


def test_what_it_does_not_know_it_leaves_to_others() -> None:
    document = {
        "kinds": {"new": {"prefixItems": [{"type": "null"}]}, "known": {"type": "null"}},
        "odd": {"if": {"$ref": "#/kinds/new"}, "then": False},
    }
    validity = Validity(document, "urn:of-this")
    for reference in ("#/kinds/new", "#/odd", "#/kinds/none", "urn:of-another#/kinds/known"):
        assert not validity.keeps(reference, None)
    assert validity.keeps("#/kinds/known", None)


@pytest.mark.skipif(not DOCUMENT, reason="DISCORD_OPENAPI does not name Discord's OpenAPI document")
def test_every_keyword_of_discords_document_is_known() -> None:
    assert DOCUMENT is not None
    schemas = json.loads(Path(DOCUMENT).read_bytes())["components"]["schemas"]
    found: set[str] = set()

    def look(schema: Any) -> None:
        if not isinstance(schema, dict):
            return
        found.update(schema)
        lists = [schema.get(keyword, []) for keyword in ("oneOf", "anyOf", "allOf")]
        for each in chain(schema.get("properties", {}).values(), *lists):
            look(each)
        look(schema.get("items"))
        look(schema.get("additionalProperties"))

    for schema in schemas.values():
        look(schema)
    assert len(found) > 15
    assert found <= KEYWORDS.keys() | SILENT


def enumerate_texts(values: list[Any]) -> list[tuple[str, Any]]:
    return [(str(index), value) for index, value in enumerate(values)]
