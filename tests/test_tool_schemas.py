"""Compaction of tool schemas: the same validates, strict stays strict, what counts stays."""

from __future__ import annotations

import json
from collections import Counter
from copy import deepcopy
from typing import Any, Final

import jsonschema
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from strategies import examples, short_texts
from tokenthrift.compress.descriptions import shortened, tidied
from tokenthrift.compress.tool_schemas import compacted
from tokenthrift.tokens import counter_for

COUNT = counter_for("gpt-4o")
DRAFT_7: Final = "http://json-schema.org/draft-07/schema#"


def verdict(schema: Any, instance: Any) -> bool:
    """Whether a schema, read by the dialect it names, takes an instance."""
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    return bool(kind(schema).is_valid(instance))


def parameters_after(schema: Any, *, strict: bool = False, name: str = "find_orders") -> Any:
    """The parameters of a function after compaction."""
    function = {"name": name, "description": "Find them.", "parameters": schema}
    made = compacted(function, COUNT, strict=strict)
    return schema if made is None else made.function["parameters"]


# -------------------------------------------------------------------------------- random schemas
KEYS: Final = ("user_id", "limit", "title", "default", "$ref", "required", "items")
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 60), st.sampled_from(["a", "user_id", "open", ""])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=8,
)
NOISE: Final = {
    "title": st.sampled_from(["User Id", "userId", "Limit", "An order", "find_ordersArguments"]),
    "description": st.sampled_from(
        ["The user id", "limit: how many", "items: all", "", "a\n\n\n   b", "Order"]
    ),
    "default": st.one_of(st.none(), VALUES),
    "examples": st.lists(VALUES, max_size=2),
    "$comment": st.just("generated"),
    "minLength": st.sampled_from([0, 2, 0.0, False]),
    "minItems": st.sampled_from([0, 1]),
    "uniqueItems": st.booleans(),
    "readOnly": st.booleans(),
    "required": st.one_of(st.just([]), st.lists(st.sampled_from(KEYS), unique=True, max_size=3)),
}
TYPES = st.sampled_from(["object", "array", "string", "integer", "null", "boolean"])


def _schema_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            **NOISE,
            "type": TYPES,
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "const": VALUES,
            "properties": st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
            "patternProperties": st.dictionaries(st.sampled_from(["^u", "t$"]), inner, max_size=1),
            "additionalProperties": st.one_of(st.booleans(), st.just({}), inner),
            "items": inner,
            "anyOf": some,
            "oneOf": some,
            "allOf": some,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    )


SCHEMAS = st.recursive(
    st.one_of(
        st.fixed_dictionaries({"type": TYPES}, optional=NOISE),
        st.sampled_from(["#/$defs/order", "#/definitions/order"]).map(lambda r: {"$ref": r}),
    ),
    _schema_of,
    max_leaves=12,
)


@st.composite
def roots(draw: st.DrawFn) -> dict[str, Any]:
    """Schemas of parameters, with definitions that may be unused and a dialect that may matter."""
    root: dict[str, Any] = dict(draw(_schema_of(SCHEMAS)))
    dialects = [DRAFT_7, "https://json-schema.org/draft/2020-12/schema"]
    dialects += ["http://json-schema.org/draft-04/schema#", "https://example.com/own"]
    if draw(st.booleans()):
        root["$schema"] = draw(st.sampled_from(dialects))
    if draw(st.integers(0, 7)) == 0:
        root["unevaluatedProperties"] = False
    root["$defs"] = {"order": draw(st.fixed_dictionaries({"type": TYPES}, optional=NOISE))}
    root["definitions"] = {"order": {"type": "integer"}, "unused": {"type": "null"}}
    return root


INSTANCES = st.one_of(VALUES, st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))


@examples(300)
@given(schema=roots(), instances=st.lists(INSTANCES, min_size=4, max_size=8))
def test_the_same_validates(schema: dict[str, Any], instances: list[Any]) -> None:
    """What a schema took it takes afterwards, and nothing else; the given one is as it was."""
    before = deepcopy(schema)
    after = parameters_after(schema)
    assert schema == before
    assert [verdict(after, i) for i in instances] == [verdict(schema, i) for i in instances]


def test_the_schemas_above_use_every_rule() -> None:
    """The property is about every rule and both verdicts, so its examples must hold them all."""
    seen: Counter[str] = Counter()
    verdicts: Counter[bool] = Counter()

    @examples(1500)
    @given(schema=roots(), instance=INSTANCES)
    def collect(schema: dict[str, Any], instance: Any) -> None:
        made = compacted({"name": "find_orders", "parameters": schema}, COUNT)
        seen.update(made.rules if made else {})
        verdicts[verdict(schema, instance)] += 1

    collect()
    assert min(verdicts[True], verdicts[False]) > 60
    assert {
        "$schema",
        "comments",
        "titles",
        "descriptions that repeat the name",
        "names before descriptions",
        "white space",
        "defaults of null",
        "examples of the enum",
        "keywords at their default",
        "empty required",
        "empty properties",
        "additionalProperties that allow all",
        "definitions nothing refers to",
    } <= set(seen)


# --------------------------------------------------------------------------------- one by one
OBJECT: Final = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.mark.parametrize(
    ("given_schema", "expected"),
    [
        ({**OBJECT, "$schema": DRAFT_7}, OBJECT),
        ({**OBJECT, "title": "find_ordersArguments"}, OBJECT),
        ({**OBJECT, "title": "Find Orders"}, OBJECT),
        ({**OBJECT, "description": " Find\n them."}, OBJECT),
        ({**OBJECT, "required": []}, OBJECT),
        ({**OBJECT, "additionalProperties": True}, OBJECT),
        ({**OBJECT, "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "null"}}}, OBJECT),
    ],
)
def test_what_says_nothing_at_the_root_goes(given_schema: Any, expected: Any) -> None:
    """Dialects, titles, repeated descriptions, empty lists, unused definitions."""
    assert parameters_after(given_schema) == expected


@pytest.mark.parametrize(
    ("given_schema", "expected"),
    [
        ({"type": "string", "title": "User Id"}, {"type": "string"}),
        ({"type": "string", "description": "The user ID."}, {"type": "string"}),
        ({"description": "user_id: whose"}, {"description": "whose"}),
        ({"type": "string", "default": None}, {"type": "string"}),
        ({"enum": ["a", "b"], "examples": ["a"]}, {"enum": ["a", "b"]}),
        ({"type": "array", "minItems": 0, "uniqueItems": False}, {"type": "array"}),
        (
            {"anyOf": [{"type": "string", "title": "User Id"}, {"type": "null"}], "default": None},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
    ],
)  # fmt: skip
def test_what_says_nothing_of_a_parameter_goes(given_schema: Any, expected: Any) -> None:
    """What its name, its other keywords or the standard say already."""
    root = {"type": "object", "properties": {"user_id": given_schema}}
    after = parameters_after(root)
    assert after == {"type": "object", "properties": {"user_id": expected}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"o": {"type": "object", "additionalProperties": True}}},
        {"properties": {"title": {"type": "string"}, "default": {"type": "null"}}},
        {"type": "object", "properties": {"a": {"title": "Who pays", "default": 3, "minItems": 1}}},
        {"type": "object", "properties": {"a": {"default": None}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"enum": [1], "examples": [True]}}},
        {"type": "object", "properties": {"a": {"const": {"title": "A", "required": []}}}},
        {**OBJECT, "additionalProperties": True, "unevaluatedProperties": False},
        {**OBJECT, "$schema": "http://json-schema.org/draft-04/schema#"},
        {"$schema": DRAFT_7, "type": "array", "items": [{"type": "null"}]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"type": "null"}}},
        {"$ref": "#/properties/a", "$defs": {"a": {"type": "null"}}, "required": []},
        {"type": "object", "properties": {"a": {"description": "Same as\n- one\n- two"}}},
    ],
)  # fmt: skip
def test_what_says_something_stays(schema: Any) -> None:
    """Names of properties, data, free objects, values of their own, what far keywords heed."""
    assert parameters_after(schema) is schema


class Address(BaseModel):
    """Where to."""

    street: str
    zip_code: str | None = None


class FindOrders(BaseModel):
    """Find orders.

    Newest first, and never more of them than the limit that is given with the call, which must
    be a number.
    """

    customer: str = Field(description="The customer")
    to: Address
    tags: list[str] = []


def is_strict(schema: Any) -> bool:
    """Whether every object of a schema is closed and names all it has, as strict mode demands."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        names = list(schema.get("properties", {}))
        if schema.get("additionalProperties") is not False or schema.get("required") != names:
            return False
    return all(map(is_strict, schema.values()))


def test_strict_tools_stay_strict() -> None:
    """Of a strict tool (also one without parameters) only words go."""
    for model in (FindOrders, type("Ping", (BaseModel,), {})):
        tool: Any = openai.pydantic_function_tool(model)
        assert is_strict(tool["function"]["parameters"])
        made = compacted(tool["function"], COUNT, strict=True)
        assert made is not None
        after = made.function["parameters"]
        assert is_strict(after)
        assert "title" not in json.dumps(after)
        assert list(after["properties"]) == list(model.model_fields)


def test_generated_schemas_shrink() -> None:
    """A pydantic schema loses titles, null defaults and the docstring that stands twice."""
    schema = FindOrders.model_json_schema()
    function = {"name": "FindOrders", "description": FindOrders.__doc__, "parameters": schema}
    made = compacted(function, COUNT)
    assert made is not None
    before, after = (COUNT(json.dumps(f)) for f in (function, made.function))
    assert after < 0.7 * before
    assert made.function["description"].endswith("with the call, which must be a number.")
    assert made.reason.startswith("titles (6), defaults of null")
    assert made.shortened == 0


# --------------------------------------------------------------------------------------------- text
@examples(200)
@given(short_texts())
def test_tidying_takes_white_space_only(text: str) -> None:
    """Every other character stays, in its order; tidy text is left alone."""
    assert "".join(tidied(text).split()) == "".join(text.split())
    assert tidied(tidied(text)).split() == text.split()


def test_layout_that_means_something_stays() -> None:
    """Lists, tables, fenced code and lines of code keep their lines and their blanks."""
    for text in (
        "Options:\n- a\n- b",
        "```py\nx  = 1\n\n\ny = 2\n```",
        "| a   | b |\n| 1   | 2 |",
        "Call it like this, with the name of the customer and nothing else in it\nfind(name)",
    ):
        assert tidied(text) == text


def test_long_descriptions_are_cut_at_a_sentence() -> None:
    """Whole sentences that fit, at least one, with an ellipsis; abbreviations are no ends."""
    text = "Finds orders, e.g. open ones. Newest first. 最新の順です。" + "More of it. " * 40
    assert shortened(text, 14, COUNT) == "Finds orders, e.g. open ones. Newest first.…"
    assert shortened(text, 1, COUNT) == "Finds orders, e.g. open ones.…"
    function = {"name": "f", "description": text, "parameters": OBJECT}
    made = compacted(function, COUNT, description_tokens=20)
    assert made is not None
    assert COUNT(made.function["description"]) <= 20
    assert (made.shortened, made.reason) == (1, "white space, descriptions cut")
    assert (
        compacted({"name": "f", "description": "word" + " word" * 90}, COUNT, description_tokens=8)
        is None
    )
