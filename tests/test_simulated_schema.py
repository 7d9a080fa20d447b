"""Minimal values of JSON schemas, judged by the jsonschema library."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.serve.simulated_schema import SchemaError, minimal

NODE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
            "additionalProperties": False,
        }
    },
}


def bounded() -> st.SearchStrategy[dict[str, Any]]:
    """Numbers between two bounds, in or exclusive, with or without a step."""

    def build(low: int, width: int, kind: str, *, exclusive: bool) -> dict[str, Any]:
        names = ("exclusiveMinimum", "exclusiveMaximum") if exclusive else ("minimum", "maximum")
        return {"type": kind, names[0]: low, names[1]: low + width}

    return st.builds(
        build,
        st.integers(-50, 50),
        st.integers(2, 60),
        st.sampled_from(["integer", "number"]),
        exclusive=st.booleans(),
    )


LEAVES = (
    bounded()
    | st.builds(
        lambda n, w: {"type": "string", "minLength": n, "maxLength": n + w},
        st.integers(0, 20),
        st.integers(0, 5),
    )
    | st.sampled_from(["date-time", "uuid", "email", "ipv4"]).map(
        lambda f: {"type": "string", "format": f}
    )
    | st.lists(st.integers() | st.text(max_size=4), min_size=1, max_size=4).map(
        lambda v: {"enum": v}
    )
    | st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"const": {"a": 1}}, True, {}])
    | st.integers(2, 9).map(lambda n: {"type": "integer", "minimum": 1, "multipleOf": n})
)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects, arrays and unions of inner schemas."""
    names = st.sampled_from("abcdef")
    objects = st.dictionaries(names, inner, max_size=4).flatmap(
        lambda properties: (
            st.lists(st.sampled_from(sorted(properties)), unique=True).map(
                lambda needed: {"type": "object", "properties": properties, "required": needed}
            )
            if properties
            else st.just({"type": "object"})
        )
    )
    arrays = st.builds(
        lambda items, least: {"type": "array", "items": items, "minItems": least},
        inner,
        st.integers(0, 3),
    )
    unions = st.lists(inner, min_size=1, max_size=3).map(lambda s: {"anyOf": s})
    merged = st.lists(objects, min_size=1, max_size=1).map(lambda s: {"allOf": s})
    return objects | arrays | unions | merged


@given(st.recursive(LEAVES, nested, max_leaves=8))
def test_values_satisfy_their_schema(schema):
    """Whatever is made of a schema is valid under it."""
    jsonschema.validate(minimal(schema), schema)


def test_recursive_schemas_end_early():
    """A list that may end, ends at its first node."""
    assert minimal(NODE) == {"value": 0, "next": None}


def test_merged_objects_keep_both_sides():
    """An allOf adds properties and requirements to what stands beside it."""
    schema = {
        "type": "object",
        "properties": {"a": {"const": 1}},
        "required": ["a"],
        "allOf": [{"properties": {"b": {"const": 2}}, "required": ["b"]}],
    }
    assert minimal(schema) == {"a": 1, "b": 2}


def test_unique_items_differ():
    """An array that must not repeat gets different values."""
    for items in ({"type": "string"}, {"type": "integer", "minimum": 4}, {"enum": [3, 1, 2]}):
        schema = {"type": "array", "items": items, "minItems": 3, "uniqueItems": True}
        jsonschema.validate(minimal(schema), schema)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/$defs/none"}, "leads nowhere"),
        ({"$ref": "https://example.com/schema"}, "leads nowhere"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "circle"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "no number"),
        (
            {"type": "object", "properties": {"me": {"$ref": "#"}}, "required": ["me"]},
            "requires itself",
        ),
    ],
)
def test_impossible_schemas_say_why(schema, said):
    """A schema without a finite value raises with the reason."""
    with pytest.raises(SchemaError, match=said):
        minimal(schema)
