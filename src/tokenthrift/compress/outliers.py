"""Rows of a table that are not like the others: a cell of a shape that its column seldom has.

Most rows of a listing are alike but for their values; the one that failed, or that points somewhere
else, is what the listing was asked for.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.blocks import blocks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_ROWS: Final = 6  # of fewer none is ordinary
RARE_SHARE: Final = 0.04  # of the rows; a shape that more of them have is none of a few
TYPICAL_SHARE: Final = 0.6  # of the rows that must have one value or shape: elsewhere all differ
LONGEST_CELL: Final = 160  # characters that are looked at

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_DIGIT = re.compile(r"\d")
_WORDS = re.compile(r"[^\W\d_]+")
_HEX = re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,}\b")


def odd_rows(rows: Sequence[Sequence[str]]) -> list[bool]:
    """Whether each row has a cell of a shape that hardly any other row has in its place.

    Args:
        rows: cells of each.
    """
    out = [False] * len(rows)
    if len(rows) < FEWEST_ROWS:
        return out
    few = max(1, int(RARE_SHARE * len(rows)))
    for column in range(max(map(len, rows))):
        cells = [row[column] if column < len(row) else "" for row in rows]
        for shapes in (cells, [_shape(cell) for cell in cells]):
            counts = Counter(shapes)
            if max(counts.values()) >= TYPICAL_SHARE * len(rows):
                out = [o or counts[shape] <= few for o, shape in zip(out, shapes, strict=True)]
                break
    return out


def odd_in_tables(text: str) -> list[tuple[int, int]]:
    """Where the odd rows of JSON written as tables stand (the form of `tables`)."""
    spans: list[tuple[int, int]] = []
    for block in blocks_of(text):
        if block.is_text:
            continue
        lines, end = [], block.body
        while end < block.end:
            start, end = end, text.find("\n", end) + 1 or len(text)
            lines.append((start, end))
        odd = odd_rows([text[a:b].rstrip("\n").split("|") for a, b in lines])
        spans += [span for span, is_odd in zip(lines, odd, strict=True) if is_odd]
    return spans


def _shape(cell: str) -> str:
    """A cell without what varies from value to value: digits, and words of a sentence."""
    text = cell[:LONGEST_CELL]
    if _DIGIT.search(text):
        text = _NUMBER.sub("0", _HEX.sub("0", text))
    return _WORDS.sub("a", text) if text.count(" ") >= 3 else text
