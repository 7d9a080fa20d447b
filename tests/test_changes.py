"""Lines that differ from their copies by numbers, indents or marks of quotation."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from strategies import examples
from tokenthrift.compress.changes import (
    WORDS,
    Behind,
    Numbered,
    Unnumbered,
    Without,
    bare,
    change_between,
    key_of,
    read_change,
)

PREFIXES = ("", "12:", "    12\t", "12→", "  7 | ", "13-", "    ", "\t", "> ", ">> ", "007:", "12 ")
CODE = ("return self.value(1)", "", "7: a mapping", "  x", "> quoted", "def f():")


@examples(400)
@given(
    here=st.tuples(st.sampled_from(PREFIXES), st.sampled_from(CODE)).map("".join),
    there=st.tuples(st.sampled_from(PREFIXES), st.sampled_from(CODE)).map("".join),
    more=st.sampled_from(CODE),
    offset=st.integers(0, 2_000),
)
def test_a_change_makes_the_line_of_its_copy(here: str, there: str, more: str, offset: int) -> None:
    """What is found makes the line again, and so does what its words in a pointer say."""
    change = change_between(here, there)
    assume(change is not None and here != there)
    assert change is not None
    assert key_of(here) == key_of(there) or here.strip(" \t>") == there.strip(" \t>")
    assert change.line(there, 0) == here
    words = re.fullmatch(WORDS, change.written(there))
    assert words is not None
    read = read_change(words.groupdict(), there)
    assert read is not None
    assert read.line(there, 0) == here
    assert read.line(more, offset) == change.line(more, offset)
    assert change.moved(3).moved(-3) == change


@pytest.mark.parametrize(
    ("line", "copy", "change"),
    [
        ("    15\tx = 1", "    12\tx = 1", Numbered(15, 6, "\t")),
        ("15:x = 1", "x = 1", Numbered(15, 0, ":")),
        ("x = 1", "15:x = 1", Unnumbered()),
        ("> x = 1", "x = 1", Behind("> ")),
        ("x = 1", "        x = 1", Without("        ")),
        ("x = 1", "y = 1", None),
        ("\tx = 1", "    x = 1", None),
        ("007:x = 1", "x = 1", None),
    ],
)
def test_what_makes_a_line_of_its_copy(line: str, copy: str, change: object) -> None:
    """Numbers and signs are told from what is another text."""
    assert change_between(line, copy) == change


def test_numbers_rise_and_keep_their_place() -> None:
    """Numbers that are filled up stay in their column, others just get longer."""
    filled, plain = Numbered.like("     9\tx"), Numbered.like("9:x")
    assert filled is not None
    assert plain is not None
    assert [filled.line("y", n) for n in (0, 1, 91)] == ["     9\ty", "    10\ty", "   100\ty"]
    assert [plain.line("7:y", n) for n in (0, 1, 91)] == ["9:y", "10:y", "100:y"]


def test_empty_lines_behind_signs() -> None:
    """A quotation marks its empty lines, an indent does not."""
    assert [Behind(s).line("", 0) for s in ("> ", "    ")] == [">", ""]
    assert [Without(s).line(c, 0) for s, c in (("> ", ">"), ("    ", ""))] == ["", ""]


@pytest.mark.parametrize("line", ["12", "12 x", "x12:", "12345678:x", "", "a:b", "[12]"])
def test_what_is_no_number_of_a_line(line: str) -> None:
    """Digits elsewhere, or with nothing that parts them from a text, are part of it."""
    assert bare(line) == line
