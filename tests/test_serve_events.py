"""Events pass byte for byte, however they are cut on the way."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenthrift.serve.events import Event, Splitter

ENDS = ("\n\n", "\r\n\r\n")
TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)
EVENTS = st.one_of(
    st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda d: f"data: {json.dumps(d)}"),
    st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda d: f"event: x\ndata:{json.dumps(d)}"),
    st.just(": keep-alive"),
    st.just("data: [DONE]"),
)


@given(
    st.lists(st.tuples(EVENTS, st.sampled_from(ENDS)), max_size=6),
    st.lists(st.integers(0, 300), max_size=8),
    st.booleans(),
)
def test_pieces_make_up_the_same_events(
    parts: list[tuple[str, str]],
    cuts: list[int],
    unfinished: bool,  # noqa: FBT001 - drawn
) -> None:
    """Cut anywhere, the events are those of the whole, and nothing of them is lost."""
    raw = "".join(text + end for text, end in parts).encode() + (b"data: {" if unfinished else b"")
    whole = Splitter()
    expected = [*whole.feed(raw), *whole.end()]
    pieces = Splitter()
    found: list[Event] = []
    start = 0
    for cut in sorted(min(c, len(raw)) for c in cuts):
        found += pieces.feed(raw[start:cut])
        start = cut
    found += [*pieces.feed(raw[start:]), *pieces.end()]
    assert b"".join(e.raw for e in found) == raw
    assert [dict(e) for e in found if e] == [dict(e) for e in expected if e]
    for look in (True, False):
        assert b"".join(e.written(looks_closely=look) for e in found) == raw


@pytest.mark.parametrize("spaced", [True, False])
def test_usage_that_was_asked_for_behind_the_callers_back(*, spaced: bool) -> None:
    """Without its usage a chunk has the bytes that it would have had."""
    data = {"id": "a", "choices": [{"delta": {"content": '"usage":null'}}], "usage": None}
    separators = (", ", ": ") if spaced else (",", ":")
    event = Event(b"data: " + json.dumps(data, separators=separators).encode() + b"\n\n")
    event.pop("usage")
    data.pop("usage")
    expected = b"data: " + json.dumps(data, separators=separators).encode() + b"\n\n"
    assert event.written(looks_closely=False) == expected


def test_a_changed_event_keeps_its_name() -> None:
    """What is written anew has the name of the event and the changed data."""
    event = Event(b'event: content_block_delta\ndata: {"type":"x","delta":{"text":"[A]"}}\n\n')
    event["delta"]["text"] = "secret"
    made = Event(event.written(looks_closely=True))
    assert made.raw.startswith(b"event: content_block_delta\n")
    assert made == {"type": "x", "delta": {"text": "secret"}}
