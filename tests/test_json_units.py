"""Cutting JSON: between members, records apart, with the paths that lead to them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress import tables
from tokenthrift.compress.json_units import json_pieces, members_of
from tokenthrift.compress.relevance.material import Units
from tokenthrift.compress.relevance.rungs import Question, score_units
from tokenthrift.compress.units import units_of
from tokenthrift.compress.worth import groups_of
from tokenthrift.tokens import counter_for
from tokenthrift.types import Segment

if TYPE_CHECKING:
    from typing import Any

LONGEST = 240

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=40,
)


def people(n: int, *, filler: int = 12) -> list[dict[str, Any]]:
    """Records that are longer than a piece, whose id stands last."""
    return [
        {
            "profile": {"city": f"town{i}", "created": f"2014-08-{i + 1:02d}"},
            "notes": {f"n{k}": "words that say nothing here" for k in range(filler)},
            "id": f"u{5000 + i}",
        }
        for i in range(n)
    ]


@examples(150)
@given(st.one_of(values.map(json.dumps), st.text('"{}[],:\\ ab\n@|', max_size=400)))
def test_pieces_cover_the_text(text: str) -> None:
    """Pieces cut JSON, valid or not, without gaps and without empty ones."""
    cut = list(json_pieces(text, LONGEST))
    assert "".join(text[p.start : p.end] for p in cut) == text
    assert all(p.end > p.start for p in cut)


@examples(60)
@given(st.lists(st.dictionaries(st.sampled_from("abcd"), values, min_size=1), max_size=6))
def test_pieces_cover_tables(rows: list[dict[str, Any]]) -> None:
    """So do the pieces of the table form, long rows included."""
    text = tables.encode(json.dumps({"n": len(rows), "rows": rows})) or ""
    assert "".join(text[p.start : p.end] for p in json_pieces(text, LONGEST)) == text


def test_long_records_are_apart() -> None:
    """Each long record begins a piece, and so does what follows the last one."""
    text = json.dumps({"items": people(3), "next": {"page": 2, "of": 3, "link": "x" * 80}})
    opening = [text[p.start :][:12] for p in json_pieces(text, LONGEST) if p.opens]
    assert opening == ['{"items": [{', '{"profile": ', '{"profile": ', '"next": {"pa']


def test_short_records_go_together() -> None:
    """Records shorter than half a piece share one, and none of them is cut."""
    text = json.dumps([{"id": i, "name": f"name {i}"} for i in range(40)])
    cut = [text[p.start : p.end].strip() for p in json_pieces(text, LONGEST)]
    assert all(piece.strip("[]").startswith("{") for piece in cut)
    assert all(LONGEST // 2 <= len(piece) <= LONGEST for piece in cut[:-1])


@pytest.mark.parametrize("indent", [None, 1])
def test_members_know_their_path(indent: int | None) -> None:
    """Paths are those from the record, with the places of nested lists."""
    text = json.dumps([{"a": {"b": [{"c": 1}]}}, {"a": {"b": []}, "d": 2}], indent=indent)
    paths = [m.path for m in members_of(text, 0, len(text)) if m.path]
    assert paths == ["a", "a.b", "a.b[0].c", "a", "a.b", "d"]


def test_entries_of_a_map_are_records() -> None:
    """A map of like objects holds records, an object with a few sections does not."""
    like = json.dumps({f"key{i}": {"version": i, "kind": "x"} for i in range(5)})
    assert len({m.record for m in members_of(like, 0, len(like)) if m.record}) == 5
    other = json.dumps({"user": {"id": 1}, "links": {"self": "x"}, "meta": {"n": 3}})
    assert {m.record for m in members_of(other, 0, len(other))} == {0}


def test_a_long_skeleton_is_no_head() -> None:
    """What stands above small tables can be cut where it is long; their heads go with the rows."""
    small = [{"k": i, "v": i * 7} for i in range(4)]
    text = tables.encode(json.dumps({"small": small, "other": people(2)})) or ""
    anchors = [text[p.start : p.end] for p in json_pieces(text, LONGEST) if p.anchor]
    assert anchors == ["@1 4 rows|k|v\n"]


def test_long_rows_are_cut_at_their_objects() -> None:
    """Plain cells of a long row stay whole; the members of its long object know their column."""
    rows = [
        {"id": i, "name": f"n{i}", "body": [{"word": f"w{k} {i}", "at": k} for k in range(80)]}
        for i in range(3)
    ]
    text = tables.encode(json.dumps(rows)) or ""
    cut = [p for p in json_pieces(text, LONGEST) if not p.anchor]
    assert [text[p.start : p.end] for p in cut if p.opens] == ["0|n0|", "1|n1|", "2|n2|"]
    inner = [p for p in cut if not p.opens and text[p.start] == "{"]
    assert inner
    assert all(p.carry.startswith("body[") for p in inner)


def test_the_field_of_the_named_record_is_found() -> None:
    """The asked field of the record with the asked id scores best, though both stand far apart."""
    text = json.dumps(people(6))
    count = counter_for("gpt-4o")
    span = (0, len(text))
    segment = Segment("s", 0, 0, span, "json", "tool", 0, text, text, count(text))
    units = units_of(text, "json", count)
    parts = [text[u.start : u.end] for u in units]
    material = Units(
        parts,
        [u.tokens for u in units],
        groups_of([segment], [units]),
        records=[True] * len(units),
        carries=[u.carry for u in units],
    )
    question = Question('What is "profile.created" of the item whose "id" is "u5003"?')
    scores = score_units(question, material).values
    dated = {
        parts[n].split('"created": "')[1][:10]: scores[n]
        for n in range(len(parts))
        if "created" in parts[n]
    }
    assert max(dated, key=dated.__getitem__) == "2014-08-04"
    named = [
        s for s, unit in zip(scores, units, strict=True) if "u5003" in text[unit.start : unit.end]
    ]
    assert min(*named, dated["2014-08-04"]) > max(s for d, s in dated.items() if d != "2014-08-04")


def test_cutting_takes_linear_time() -> None:
    """Open strings, deep nesting and long flat lists are read once."""
    for text in ('["\\"' * 60_000, "[" * 100_000, '{"a":' * 50_000, "[" + "1," * 100_000 + "1]"):
        started = time.process_time()
        assert list(json_pieces(text, LONGEST))
        assert time.process_time() - started < 8


def test_lines_of_a_text_inside_json_are_units() -> None:
    """They are cut like any text; what refers to them and their head stay with them."""
    printed = "".join(f'line {n} | of "a listing" @{n}\n@property\n' for n in range(8))
    text = tables.encode(json.dumps({"stdout": printed, "rows": [{"a": n} for n in range(5)]}))
    assert text is not None
    cut = list(json_pieces(text, LONGEST, names_alone=True))
    assert "".join(text[p.start : p.end] for p in cut) == text
    said = [text[p.start : p.end] for p in cut]
    assert said[2:18] == printed.splitlines(keepends=True)
    assert [p.anchor for p in cut] == [True, True, *[False] * 17, True, *[False] * 5]
