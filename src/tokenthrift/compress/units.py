"""Cut a text into units: lines; long lines into sentences; long sentences into pieces.

Units cover the text without gaps, so keeping all of them is keeping the text, and what is kept is
verbatim.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.html_units import html_spans
from tokenthrift.types import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tokenthrift.types import Kind, TokenCounter

LONG_LINE: Final = 240  # characters; a longer line of prose is cut into sentences
LONG_SENTENCE: Final = 240  # characters; a longer sentence is cut into pieces
PIECE: Final = 120  # characters; least size of such a piece

# Ends of sentences: western marks before white space, CJK full stops anywhere.
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*\s+|[。！？]+[”』」）]*\s*")
# Good places to cut what has no sentences: after commas and closing brackets, else white space.
_PIECE_END = re.compile(r"[,;>}\]]\s*|\s+")


def units_of(text: str, kind: Kind, count: TokenCounter) -> list[Unit]:
    """The units of a segment's text, in order.

    Args:
        text: the current text of the segment.
        kind: its kind; tables are cut by rows only, their heads are anchors.
        count: counts each unit on its own.
    """
    rows_only = kind == "table" or (kind == "json" and text.count("\n") > 2 and _is_table(text))
    spans = html_spans(text) if kind == "html" else _spans(text, rows_only=rows_only)
    units = []
    for start, end in spans:
        piece = text[start:end]
        anchor = rows_only and _is_head(piece, first=start == 0)
        units.append(Unit(start, end, count(piece), anchor=anchor))
    return units


def _is_table(text: str) -> bool:
    return text.startswith("@") or "\n@" in text


def _is_head(line: str, *, first: bool) -> bool:
    return first or line.startswith("@")


def _spans(text: str, *, rows_only: bool) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        if end - at <= LONG_LINE or rows_only:
            yield at, end
        else:
            yield from _sentences(text, at, end)
        at = end


def _sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    for match in _SENTENCE_END.finditer(text, start, end):
        if match.end() - at >= 20 or match.end() == end:
            yield from _cut(text, at, match.end())
            at = match.end()
    if at < end:
        yield from _cut(text, at, end)


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    at = start
    while end - at > LONG_SENTENCE:
        match = _PIECE_END.search(text, at + PIECE, at + LONG_SENTENCE)
        stop = match.end() if match else at + LONG_SENTENCE
        yield at, stop
        at = stop
    yield at, end
