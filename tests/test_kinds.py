"""Kinds are told from content, and pieces cover the text they were cut from."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from strategies import examples, long_texts, texts
from tokenthrift.compress.kinds import kind_of, pieces
from tokenthrift.compress.names import recurring
from tokenthrift.compress.units import units_of
from tokenthrift.tokens import counter_for

if TYPE_CHECKING:
    from tokenthrift.types import Kind, Unit

EXPECTED = {
    "prose": strategies.prose,
    "log": strategies.log,
    "json": strategies.table_json,
    "table": strategies.csv,
    "diff": strategies.diff,
    "search": strategies.search,
    "html": strategies.html,
    "trace": strategies.trace,
    "code": strategies.code,
}
KINDS: tuple[Kind, ...] = (
    "prose",
    "code",
    "json",
    "table",
    "log",
    "diff",
    "search",
    "html",
    "markdown",
    "trace",
    "data_uri",
)


@pytest.mark.parametrize(("kind", "make"), EXPECTED.items())
def test_typical_texts_are_recognised(kind: str, make: object) -> None:
    """Texts of twenty seeds of each generator are of its kind."""
    assert callable(make)
    found = {kind_of(make(random.Random(seed), 30)) for seed in range(20)}
    assert found == {kind}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "prose"),
        ("   \n ", "prose"),
        ("[see below] and then more", "prose"),
        ("# Title\n\nSome text under it.", "markdown"),
        ("data:image/png;base64," + "QUJD" * 40, "data_uri"),
        ('{"a": 1}', "json"),
        ("[1, 2, 3]", "json"),
        ("Error: x\n    at f (/a/b.js:1:2)\n    at g (/a/b.js:3:4)", "trace"),
    ],
)
def test_short_texts_are_recognised(text: str, kind: str) -> None:
    """Borders between kinds that are easy to get wrong."""
    assert kind_of(text) == kind


@examples(150)
@given(texts(40))
def test_pieces_cover_the_text(text: str) -> None:
    """Spans are in order, without gaps and overlaps, none is empty, each has a known kind."""
    spans = pieces(text)
    assert "".join(text[start:end] for start, end, _ in spans) == text
    assert [start for start, _, _ in spans] == [0, *(end for _, end, _ in spans[:-1])]
    assert all(kind in KINDS for _, _, kind in spans)
    if text:
        assert all(end > start for start, end, _ in spans)


def test_fences_are_pieces_of_their_own() -> None:
    """A fenced block is of the kind its language names; the fences stay with the prose."""
    text = 'Look:\n```json\n[{"a": 1}]\n```\nand\n~~~\n+ x\n~~~\nend'
    kinds = [(text[a:b], kind) for a, b, kind in pieces(text)]
    assert ('[{"a": 1}]\n', "json") in kinds
    assert ("+ x\n", "code") in kinds


def test_a_body_behind_prose_is_a_piece_of_its_own() -> None:
    """JSON behind a line of prose is found."""
    text = 'Result of the call:\n[{"a": 1}, {"a": 2}]'
    assert [kind for _, _, kind in pieces(text)] == ["prose", "json"]


@examples(150)
@given(st.one_of(texts(40), long_texts(200)), st.sampled_from(KINDS))
def test_units_cover_the_text(text: str, kind: Kind) -> None:
    """Units cut a text of any kind without losing, repeating or emptying anything."""
    count = counter_for("gpt-4o")
    units = units_of(text, kind, count)
    assert "".join(text[u.start : u.end] for u in units) == text
    assert all(u.end > u.start for u in units)
    assert sum(u.tokens for u in units) == count(text)


def test_heads_of_tables_are_anchors() -> None:
    """The first line of a table, and each head of an encoded document, is an anchor."""
    count = counter_for("gpt-4o")

    def anchors(units: list[Unit], text: str) -> list[str]:
        return [text[u.start : u.end] for u in units if u.anchor]

    csv = "id,name\n1,a\n2,b\n"
    assert anchors(units_of(csv, "table", count), csv) == ["id,name\n"]
    encoded = '{"x":@1,"y":@2}\n@1 1 rows|a|b\n1|2\n@2 1 rows|c|d\n3|4'
    heads = ['{"x":@1,"y":@2}\n', "@1 1 rows|a|b\n", "@2 1 rows|c|d\n"]
    assert anchors(units_of(encoded, "json", count), encoded) == heads


def test_units_know_what_they_are_read_under() -> None:
    """Headings in force, and who speaks in the later pieces of a turn; not of the next line."""
    count = counter_for("gpt-4o")
    page = "# Ferries\nFew run.\n## Winter\nNone run.\n## Summer\nAll run.\n"
    carries = {page[u.start : u.end].strip(): u.carry for u in units_of(page, "markdown", count)}
    assert carries == {
        "# Ferries": "",
        "Few run.": "Ferries",
        "## Winter": "Ferries",
        "None run.": "Ferries Winter",
        "## Summer": "Ferries",
        "All run.": "Ferries Summer",
    }
    turn = "Ann Lee: " + "We talked at length about the boats and the weather. " * 8
    spoken = units_of(f"{turn}\nThen all went home.\n", "prose", count)
    assert [u.carry for u in spoken[:3]] == ["", "Ann Lee", "Ann Lee"]
    assert spoken[-1].carry == ""


def test_names_that_recur() -> None:
    """Names in at least two texts, most frequent first, as many as asked for."""
    texts = [
        "open src/app.py and fix parse_config",
        "run parse_config",
        "parse_config src/app.py v2",
    ]
    assert recurring(texts, 9) == ["parse_config", "src/app.py"]
    assert recurring(texts, 1) == ["parse_config"]
    assert recurring(["once src/app.py"], 9) == []
