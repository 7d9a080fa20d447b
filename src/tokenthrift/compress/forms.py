"""Lossless logs: the words that many lines share are written once, with an exact decoder.

Form of the text, where ``*`` stands for what a line says of its own::

    [2 forms of lines; "1|a|b" is line form 1 with a and b for its stars]
    1: * INFO request completed path=/items status=200 ms=*
    2: * DEBUG cache hit key=item:*
    1|10:00:01|35
    2|10:00:01|771
    a line of no form stands as it is

Only whole words, or what stands in a word before a sign such as ``=`` or ``:``, are factored out,
so every id, path and number still stands in its line as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FEWEST_LINES: Final = 6  # of one form; fewer do not pay for it
SHORTEST_LINE: Final = 20  # characters
LEAST_GAIN: Final = 0.2  # share of the characters; for less, plain lines read better
STAR: Final = "*"

_ZEROS: Final = str.maketrans("123456789", "000000000")
_HEAD = re.compile(r'\[(\d+) forms of lines; "1\|a\|b" is line form 1 with a and b for its stars\]')
_ROW = re.compile(r"(\d+)\|")
# What stands before a value in its word: "ms=35", "uid:7", "(12".
_BEFORE = re.compile(r".*?[^\w./-](?=[\w./-]*\d)")


@dataclass(frozen=True, slots=True)
class _Form:
    """Text around the stars, one piece more than there are stars."""

    pieces: tuple[str, ...]

    def written(self) -> str:
        """The form as it stands in the text."""
        return STAR.join(self.pieces)

    def filled(self, cells: Sequence[str]) -> str:
        """The line that has these cells."""
        out = [""] * (2 * len(self.pieces) - 1)
        out[::2] = self.pieces
        out[1::2] = cells
        return "".join(out)


def encode(text: str) -> str | None:
    """The text with the forms of its lines factored out, or None where that does not pay.

    Args:
        text: a log.
    """
    if _HEAD.match(text):
        return None
    lines = text.split("\n")
    forms: list[_Form] = []
    row_of: dict[int, str] = {}
    for numbers, words in _alike(lines):
        form, cells = _factored(words)
        barred = "|" in text and any("|" in c for row in cells for c in row)
        if barred or STAR in "".join(form.pieces):
            continue
        forms.append(form)
        for number, row in zip(numbers, cells, strict=True):
            row_of[number] = f"{len(forms)}|{'|'.join(row)}"
    if not forms:
        return None
    head = f'[{len(forms)} forms of lines; "1|a|b" is line form 1 with a and b for its stars]'
    body = [row_of.get(n) or _as_it_is(line) for n, line in enumerate(lines)]
    out = "\n".join([head, *(f"{n}: {f.written()}" for n, f in enumerate(forms, 1)), *body])
    return out if len(out) <= (1 - LEAST_GAIN) * len(text) else None


def decode(text: str) -> str:
    """The text that was encoded.

    Raises:
        ValueError: the text is not of that form; says which line is wrong.
    """
    forms, lines = _read(text)
    return "\n".join([_line(row, forms, n) for n, row in enumerate(lines, len(forms) + 2)])


class Row(NamedTuple):
    """A line of an encoded text; a tuple, as there are thousands of them.

    Attributes:
        start: where it begins.
        end: where it ends, behind its line break.
        said: the line as it was; of a head and of forms, as they stand.
        head: number of the line that says its form, or -1.
        anchor: whether it is a head or a form.
    """

    start: int
    end: int
    said: str
    head: int = -1
    anchor: bool = False


def rows_of(text: str) -> Sequence[Row]:
    """The lines of an encoded text with what they say; empty where it is not encoded."""
    return _rows(text) if _HEAD.match(text) else ()


@lru_cache(maxsize=64)
def _rows(text: str) -> tuple[Row, ...]:
    """The rows of a text; remembered, as every stage of a turn reads them."""
    try:
        forms, lines = _read(text)
        said = [_line(row, forms, n) for n, row in enumerate(lines, len(forms) + 2)]
    except ValueError:
        return ()
    every = text.split("\n")
    first = len(forms) + 1  # behind the head and the forms
    ends = [*accumulate(len(line) + 1 for line in every)]
    ends[-1] -= 1
    starts = [0, *ends]
    rows = [Row(starts[n], ends[n], every[n], anchor=True) for n in range(first)]
    rows += [
        Row(start, end, line, int(row[: row.index("|")]) if _ROW.match(row) else -1)
        for start, end, line, row in zip(starts[first:], ends[first:], said, lines, strict=False)
    ]
    return tuple(rows) if rows[-1].end > rows[-1].start else tuple(rows[:-1])


def _read(text: str) -> tuple[list[_Form], list[str]]:
    head, *rest = text.split("\n")
    match = _HEAD.fullmatch(head)
    if match is None:
        raise ValueError("line 1: expected the head of forms")
    count = int(match[1])
    forms = []
    for n, line in enumerate(rest[:count], 1):
        number, sep, form = line.partition(": ")
        if number != str(n) or not sep:
            raise ValueError(f"line {n + 1}: expected form {n}")
        forms.append(_Form(tuple(form.split(STAR))))
    if len(forms) != count:
        raise ValueError(f"line {len(rest) + 1}: {count} forms promised, {len(forms)} found")
    return forms, rest[count:]


def _line(row: str, forms: Sequence[_Form], number: int) -> str:
    head, bar, rest = row.partition("|")
    if not bar or not (head.isdecimal() or not head):
        return row
    if not head:
        return rest
    at = int(head) - 1
    form = forms[at] if 0 <= at < len(forms) else None
    # A form without a star: all of its lines are alike.
    cells = rest.split("|") if rest or form is None or len(form.pieces) > 1 else []
    if form is None or len(cells) != len(form.pieces) - 1:
        raise ValueError(f"line {number}: no form has these cells: {row[:60]!r}")
    return form.filled(cells)


def _as_it_is(line: str) -> str:
    """A line of no form, marked where it could be taken for a row."""
    return f"|{line}" if line.startswith("|") or _ROW.match(line) else line


def _alike(lines: Sequence[str]) -> Iterable[tuple[list[int], list[list[str]]]]:
    """Lines that differ in words with digits only: their numbers and their words."""
    groups: dict[tuple[str, ...], list[int]] = {}
    keys: dict[str, tuple[str, ...]] = {}
    for n, shape in enumerate("\n".join(lines).translate(_ZEROS).split("\n")):
        if len(shape) < SHORTEST_LINE:
            continue
        key = keys.get(shape)
        if key is None:
            key = keys[shape] = tuple("0" if "0" in w else w for w in shape.split(" "))
        groups.setdefault(key, []).append(n)
    for numbers in groups.values():
        if len(numbers) >= FEWEST_LINES:
            yield numbers, [lines[n].split(" ") for n in numbers]


def _factored(rows: Sequence[Sequence[str]]) -> tuple[_Form, Sequence[Sequence[str]]]:
    """The form of lines of as many words, and what each has in its stars' places."""
    pieces = [""]
    cells: list[Sequence[str]] = []
    for place, column in enumerate(zip(*rows, strict=True)):
        space = " " if place else ""
        first = column[0]
        if column.count(first) == len(column):
            pieces[-1] += space + first
            continue
        before = _BEFORE.match(first)
        prefix = before.group() if before else ""
        if prefix and not all(word.startswith(prefix) for word in column):
            prefix = ""
        pieces[-1] += space + prefix
        pieces.append("")
        cells.append([word[len(prefix) :] for word in column] if prefix else column)
    own = list(zip(*cells, strict=True)) if cells else [()] * len(rows)
    return _Form(tuple(pieces)), own
