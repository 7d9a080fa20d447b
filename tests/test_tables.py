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
from tokenthrift.compress.blocks import blocks_of


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


# -------------------------------------------------------------------------------- texts inside JSON
PRINTED = """import pytest

@pytest.mark.slow
def test_it():
    assert "a|b" == 'a|b'
    assert "\\n" != "n"
    assert "c" in {"a": "b", "c": "d"}
"""
ODD_LINES = st.sampled_from(
    [
        *("@1 2 rows|a|b", "@2 3 lines", "@1", "", "a\tb", '"x"', "\\n", "cr\r", "\u2028"),
        *("\x1b[0m", "\x00"),
    ]
)


def text_blocks(encoded: str) -> list[str]:
    """The texts that stand below the JSON as they are."""
    return [encoded[b.body : b.end] for b in blocks_of(encoded) if b.is_text]


def test_a_text_inside_json_stands_below_it_as_it_is() -> None:
    """What a command printed has its own lines, without escapes."""
    text = json.dumps({"stdout": PRINTED, "stderr": "", "exitCode": 0})
    encoded = tables.encode(text)
    assert encoded == f'{{"stdout":@1,"stderr":"","exitCode":0}}\n@1 8 lines\n{PRINTED}'
    assert value_of(tables.decode(encoded)) == value_of(text)
    assert text_blocks(encoded) == [PRINTED]


@examples(200)
@given(
    texts=st.lists(st.lists(ODD_LINES, min_size=3, max_size=12).map("\n".join), max_size=3),
    rows=st.integers(0, 6),
    end=st.sampled_from(["", "\n"]),
)
def test_texts_round_trip(texts: list[str], rows: int, end: str) -> None:
    """Whatever their lines look like, between tables and at the end of what is sent."""
    table = [{"id": n, "at": f"@{n}"} for n in range(rows)]
    text = json.dumps({"texts": [*texts, PRINTED], "rows": table, "last": PRINTED})
    encoded = tables.encode(text)
    assert encoded is not None
    assert value_of(tables.decode(encoded + end)) == value_of(text)
    assert "\x00" not in encoded


@pytest.mark.parametrize(
    "value", ["a\nb", "short\nlines\nof\ntext", "one line " * 50], ids=["two", "few", "long"]
)
def test_texts_of_few_lines_stay_strings(value: str) -> None:
    """A head would cost more than the escapes."""
    encoded = tables.encode(json.dumps({"a": value, "b": [1, 2]}))
    assert encoded is not None
    assert text_blocks(encoded) == []


def test_a_text_ends_where_the_next_begins() -> None:
    """Also where pointers have taken the place of some of its lines."""
    encoded = tables.encode(json.dumps({"out": PRINTED, "err": PRINTED, "code": 1}))
    assert encoded is not None
    shorter = encoded.replace(PRINTED, "[m3 lines 1-5]\n", 1)
    assert text_blocks(shorter) == ["[m3 lines 1-5]\n\n", PRINTED]
