"""JSON as tables: the same value, key order and digits of numbers, in fewer characters."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples, json_texts, short_texts, table_json
from tokenthrift.compress import tables


class Digits(str):
    """A number by its digits."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digits) and str(self) == str(other)

    __hash__ = str.__hash__


def value_of(text: str) -> Any:
    """A JSON value with the digits of its numbers and the order of its keys."""
    return json.loads(
        text,
        parse_int=Digits,
        parse_float=Digits,
        object_pairs_hook=lambda pairs: ("object", pairs),
    )


@examples(400)
@given(json_texts())
def test_decode_undoes_encode(text: str) -> None:
    """What is encoded is shorter and decodes to the same value, digits and key order included."""
    encoded = tables.encode(text)
    if encoded is None:
        return
    assert len(encoded) < len(text)
    assert value_of(tables.decode(encoded)) == value_of(text)


@pytest.mark.parametrize("seed", range(40))
def test_typical_documents_round_trip_much_smaller(seed: int) -> None:
    """Arrays of like records get well under their size and decode to themselves."""
    text = table_json(random.Random(seed), 30)
    encoded = tables.encode(text)
    assert encoded is not None
    assert len(encoded) < 0.95 * len(text)
    assert value_of(tables.decode(encoded)) == value_of(text)


def test_optional_keys_do_not_prevent_a_table() -> None:
    """Rows that leave out different keys of one common order are a table."""
    rows = [
        {"id": 1, "user": "a", "price": 1},
        {"id": 2, "tags": "x", "price": 2},
        {"id": 3, "user": "b", "tags": "y", "price": 3},
        {"id": 4, "user": "c", "tags": "z", "price": 4},
    ]
    text = json.dumps(rows * 3)
    encoded = tables.encode(text)
    assert encoded is not None
    assert "rows|" in encoded
    assert value_of(tables.decode(encoded)) == value_of(text)


@examples(200)
@given(short_texts(), st.sampled_from(["{", "[", '{"a":', "", "[1,"]))
def test_what_is_not_json_is_left_alone(text: str, start: str) -> None:
    """Any text either is JSON that round-trips, or is not touched."""
    given_text = start + text
    encoded = tables.encode(given_text)
    if encoded is not None:
        assert value_of(tables.decode(encoded)) == value_of(given_text)


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1, "a": 2}, {"a": 1}]',
        '[{"a":  "\\ud800"}]',
        "[NaN,   1]",
        "[1,  -Infinity]",
        "   17   ",
        '   "text"   ',
        "",
        "[" * 100_000,
        '{"a": 1}  trailing',
    ],
    ids=["twice", "surrogate", "nan", "infinity", "number", "string", "empty", "deep", "trailing"],
)
def test_what_a_table_could_not_give_back_is_left_alone(text: str) -> None:
    """Repeated keys, surrogates, extensions and scalars are not encoded."""
    assert tables.encode(text) is None


def test_numbers_keep_their_digits() -> None:
    """No number passes through a float."""
    text = '[{"n": 1.10}, {"n": 1e400}, {"n": 12345678901234567890.000}, {"n": -0}, {"n": -0.0}]'
    encoded = tables.encode(text)
    assert encoded is not None
    assert value_of(tables.decode(encoded)) == value_of(text)


def test_cells_that_look_like_something_else_keep_their_type() -> None:
    """Strings that look like literals, numbers, borders and heads come back as strings."""
    cells = [
        "true",
        "null",
        "1",
        "-0",
        "1e5",
        "",
        " ",
        "a|b",
        "@1",
        '"',
        "{}",
        "x\ny",
        "\u2028",
        "=",
    ]
    text = json.dumps([{"a": cell, "b": 1} for cell in cells])
    encoded = tables.encode(text)
    assert encoded is not None
    assert value_of(tables.decode(encoded)) == value_of(text)


def test_rows_that_are_all_alike_are_still_counted() -> None:
    """A table without any varying column gives back as many rows."""
    text = json.dumps([{"a": "x", "b": True}] * 5)
    encoded = tables.encode(text)
    assert encoded is not None
    assert value_of(tables.decode(encoded)) == value_of(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [("@1\nnonsense", 2), ("@1\n@1 3 rows|a\n1\n2", 2), ("@1\n@1 1 rows|a\n1\nmore", 4)],
)
def test_damaged_tables_say_which_line(text: str, line: int) -> None:
    """Decoding what is no table names the line."""
    with pytest.raises(ValueError, match=f"line {line}"):
        tables.decode(text)


@pytest.mark.parametrize(
    "text", ["@2\n@1 1 rows|a\n1", "@1\n@1 1 rows|a|b\n1", "[@1]"], ids=["name", "cells", "missing"]
)
def test_torn_tables_are_value_errors(text: str) -> None:
    """A missing table or cell is a `ValueError` like any other damage."""
    with pytest.raises(ValueError, match=r"line|table"):
        tables.decode(text)


@examples(100)
@given(json_texts())
def test_minified_json_is_the_same_value(text: str) -> None:
    """White space inside strings stays, all other goes."""
    assert value_of(tables.minify(text)) == value_of(text)
