"""Pointers: what is written can be read back, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress import forms
from tokenthrift.compress.changes import Behind, Change, Numbered, Unnumbered, Without
from tokenthrift.compress.pointers import Pointer, decode, holds_pointers, lines_of, with_pointers
from tokenthrift.compress.units import units_of
from tokenthrift.tokens import counter_for

FILE = [f"    {n}\tvalue_{n} = compute(value_{n - 1})" for n in range(10, 30)]
CHANGES: tuple[Change | None, ...] = (
    None,
    Numbered(98, 6, "\t"),
    Numbered(3, 0, ":"),
    Unnumbered(),
    Behind("> "),
    Without("    "),
)


@examples(200)
@given(
    first=st.integers(1, 20),
    count=st.integers(1, 20),
    change=st.sampled_from(CHANGES),
    words=st.text(max_size=30).map(lambda s: s.replace('"', "'").replace("\n", " ")),
)
def test_what_is_written_reads_back(
    first: int, count: int, change: Change | None, words: str
) -> None:
    """A pointer decodes to the lines it was made for, with its change and between other lines."""
    last = min(first + count - 1, len(FILE))
    pointer = Pointer("m3.1", first, last, change=change, words=words)
    there = FILE[first - 1 : last]
    stands_for = [change.line(c, n) if change else c for n, c in enumerate(there)]
    text = f"before\n{pointer.written(there[0])}\n\nafter\n"
    sent = {"m3.1": "\n".join(FILE)}
    assert pointer.lines(FILE) == stands_for
    assert decode(text, sent) == "\n".join(["before", *stands_for, "", "after", ""])


@pytest.mark.parametrize(
    ("pointer", "text"),
    [
        (Pointer("m3", words="def foo"), '[same as m3: "def foo"]'),
        (Pointer("m3", 10, 42, words="def foo"), '[same as m3 lines 10-42: "def foo"]'),
        (Pointer("m3", 44, 60), "[m3 lines 44-60]"),
        (Pointer("m3", 44, 44), "[m3 line 44]"),
        (Pointer("m3", 1, 2, change=Numbered(15, 6, "\t")), "[m3 lines 1-2 numbered from 15]"),
        (Pointer("m3", 1, 2, change=Numbered(15, 0, "→")), '[m3 lines 1-2 numbered from "15→"]'),
        (Pointer("m3", 1, 2, change=Unnumbered()), "[m3 lines 1-2 without numbers]"),
        (Pointer("m3", 1, 2, change=Behind("> ")), '[m3 lines 1-2 each behind "> "]'),
        (Pointer("m3", 1, 2, change=Without("  ")), '[m3 lines 1-2 each without "  "]'),
        (Pointer("m3", 1, 2, say=True, words="10:00"), '[what m3 lines 1-2 say: "10:00"]'),
    ],
)
def test_pointers_read_like_this(pointer: Pointer, text: str) -> None:
    """Each form, word by word; a text that holds one is told from others."""
    assert pointer.written(FILE[0]) == text
    assert holds_pointers(f"a\n{text}\nb")
    assert not holds_pointers(f"a\n {text}\nb")


def test_rows_of_a_form_stand_for_lines() -> None:
    """Lines of a log that was written by forms are counted as sent and read as they were."""
    log = "".join(
        f"10:00:{n} INFO request completed path=/items ms={n * 7}\n" for n in range(10, 40)
    )
    sent = forms.encode(log)
    assert sent is not None
    lines = lines_of(sent)
    assert lines.in_rows
    assert len(lines.said) == len(sent.split("\n"))
    at = lines.said.index("10:00:20 INFO request completed path=/items ms=140")
    pointer = Pointer("m3", at + 1, at + 5, say=True, words="10:00:20").written()
    assert decode(pointer, {"m3": sent}) == "\n".join(log.split("\n")[10:15])
    assert decode('[same as m3: "10:00:10"]\n', {"m3": sent}) == log


def test_a_whole_copy_may_hold_pointers() -> None:
    """The copy of a text that became pointers itself is read through."""
    sent = {"m1": "a\nb\nc", "m2": "x\n[m1 lines 2-3]"}
    assert decode('[same as m2: "x"]', sent) == "x\nb\nc"


@pytest.mark.parametrize(
    ("text", "says"),
    [("a\n[m7 lines 1-2]", "line 2: there is no m7"), ("[m3 lines 19-21]", "none is 21")],
)
def test_pointers_at_nothing_are_errors(text: str, says: str) -> None:
    """The error says which line points at what."""
    with pytest.raises(ValueError, match=says):
        decode(text, {"m3": "\n".join(FILE)})


def test_pointers_are_anchors_of_their_text() -> None:
    """They stay with whatever is kept; other units are as they were."""
    text = "one line of text\n[m3 lines 1-2]\nanother line of text\n"
    units = units_of(text, "prose", counter_for("gpt-4o"))
    assert [u.anchor for u in with_pointers(text, units)] == [False, True, False]
    plain = "one line of text\nanother line of text\n"
    own = units_of(plain, "prose", counter_for("gpt-4o"))
    assert with_pointers(plain, own) == own
