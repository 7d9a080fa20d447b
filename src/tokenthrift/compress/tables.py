"""Lossless JSON: no white space, like objects as tables, long texts as they are, with a decoder.

Numbers keep their very digits. `decode(encode(x))` is the same JSON value as ``x``, key order
included; only insignificant white space and the escaping of strings are not kept. Documents that
cannot be told apart from their table form (repeated keys, lone surrogates) are left alone.

Form of a table, where an array of objects stood::

    {"count":2,"items":@1}
    @1 2 rows|id|user.name|state="open"
    17|Ann
    18|Bob

Cells: nothing = the key is absent; JSON literals, quoted strings, arrays and objects as in JSON;
anything else is a plain string. ``key=value`` in the head is the same in every row; a dotted key is
a path into nested objects.

A string of many lines, such as a file or what a command printed, stands below without its escapes::

    {"stdout":@1,"exitCode":0}
    @1 3 lines
    def main():
        print("hello")

"""

from __future__ import annotations

import heapq
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.compress.blocks import BREAK, TEXT_HEAD

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["decode", "encode", "minify"]

MIN_ROWS: Final = 3  # fewer rows do not pay for the head
MAX_COLUMNS: Final = 64
MAX_DEPTH: Final = 3  # of nested objects that become dotted columns
SHARED_KEYS: Final = 0.6  # least share of cells that are filled
MIN_BREAKS: Final = 3  # lines less one of a string that stands below
MIN_ESCAPES: Final = 16  # characters that it saves there; its head takes as many

_WHITE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_LITERALS: Final = {"true": True, "false": False, "null": None}
# A string that may stand in a cell as it is: no border, no control characters, no white space at
# its ends, and nothing that would read as a literal.
_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_PLAIN = re.compile(rf'[^\s"{{\[@|={_CONTROL}](?:[^|{_CONTROL}]*[^\s|{_CONTROL}])?')
_PLAIN_KEY = re.compile(r"[\w $@/:#-]*[\w$@/:#-]")
_HEAD = re.compile(r"@(\d+) (\d+) rows\|(.*)")
# In a text that stands as it is: what no message may hold, and what is no line of text.
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
_REFERENCE = re.compile(r'("(?:[^"\\]|\\.)*")|@(\d+)')


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number by its digits where Python would write another one: 1.10, 1e5, -0."""

    digits: str


class _RepeatedKeyError(ValueError):
    """An object names a key twice: a table could not tell."""


ABSENT: Final = object()
_NESTED: Final = (dict, list)
_written = json.JSONEncoder(ensure_ascii=False).encode
_minified = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def minify(text: str) -> str:
    """The text without white space outside strings; the input must be JSON."""
    return _WHITE.sub(lambda m: m.group(1) or "", text)


def parse(text: str) -> Any:
    """Parse JSON keeping number digits.

    Raises:
        ValueError: not JSON, or holds what a table could not give back.
    """
    if _SURROGATE.search(text):
        raise ValueError("holds surrogate escapes")
    return json.loads(
        text,
        parse_float=_fraction,
        parse_int=_whole if "-0" in text else int,
        parse_constant=_refuse,
        object_pairs_hook=_object,
    )


def _whole(digits: str) -> int | Number:
    return Number(digits) if digits == "-0" else int(digits)


def _fraction(digits: str) -> float | Number:
    value = float(digits)
    return value if value and repr(value) == digits else Number(digits)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _RepeatedKeyError("an object repeats a key")
    return made


def dump(value: Any) -> str:
    """Minified JSON of a parsed value."""
    try:
        return _minified(value)
    except TypeError:
        return _by_digits(value)


def _by_digits(value: Any) -> str:
    """The same where a number stands by its digits."""
    if isinstance(value, Number):
        return value.digits
    if isinstance(value, dict):
        return "{" + ",".join([f"{_written(k)}:{_by_digits(v)}" for k, v in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_by_digits, value)) + "]"
    return _written(value)


def encode(text: str) -> str | None:
    """The shortest lossless form, or None if the text is not JSON or cannot be made smaller.

    Args:
        text: one JSON document.

    Returns:
        Minified JSON, or its table form where arrays of like objects or long texts are in it.
    """
    try:
        value = parse(text)
        tables: list[str] = []
        skeleton = _skeleton(value, tables)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict | list):
        return None
    out = "\n".join([skeleton, *tables]) if tables else minify(text)
    return out if len(out) < len(text) else None


def _skeleton(value: Any, tables: list[str]) -> str:
    if isinstance(value, list):
        columns = _columns(value)
        if columns:
            name = f"@{len(tables) + 1}"
            tables.append("")
            tables[int(name[1:]) - 1] = _table(name, columns)
            return name
        return "[" + ",".join(_skeleton(v, tables) for v in value) + "]"
    if isinstance(value, dict):
        inner = [f"{_written(k)}:{_skeleton(v, tables)}" for k, v in value.items()]
        return "{" + ",".join(inner) + "}"
    if isinstance(value, str) and _is_text(value):
        name = f"@{len(tables) + 1}"
        tables.append(f"{name} {value.count(BREAK) + 1} lines\n{value}")
        return name
    return dump(value)


def _is_text(value: str) -> bool:
    """Whether a string of JSON is worth standing below."""
    if value.count(BREAK) < MIN_BREAKS or _UNSEEN.search(value):
        return False
    return len(_written(value)) - len(value) >= MIN_ESCAPES


# ---------------------------------------------------------------------------------------- encoding
def _columns(rows: list[Any]) -> dict[tuple[str, ...], list[Any]] | None:
    """The columns by their paths if the rows can be a table, else None."""
    if len(rows) < MIN_ROWS or not all(isinstance(r, dict) and r for r in rows):
        return None
    columns = _paths(rows, (), MAX_DEPTH)
    if columns is None or not 0 < len(columns) <= MAX_COLUMNS:
        return None
    values = {path: _values(rows, path) for path in columns}
    absent = sum(v.count(ABSENT) for v in values.values())
    cells = len(rows) * len(columns)
    return values if cells - absent >= SHARED_KEYS * cells else None


def _paths(
    rows: list[dict[str, Any]], prefix: tuple[str, ...], depth: int
) -> list[tuple[str, ...]] | None:
    """Columns in an order that every row's own key order agrees with, or None."""
    order = _common_order(rows)
    if order is None:
        return None
    if len(order) > MAX_COLUMNS:  # no table, whatever is in them
        return [(*prefix, key) for key in order]
    out: list[tuple[str, ...]] = []
    for key in order:
        if not _PLAIN_KEY.fullmatch(key):
            return None
        cells = [r[key] for r in rows if key in r]
        nested = depth > 0 and all(isinstance(c, dict) and c for c in cells)
        below = _paths(cells, (*prefix, key), depth - 1) if nested else None
        out += below if below is not None else [(*prefix, key)]
    return out


def _common_order(rows: list[dict[str, Any]]) -> list[str] | None:
    """One order of all keys that each row's order is a part of, or None.

    A topological sort of "stands right before", with ties in the order of first appearance.
    """
    first = list(rows[0])
    if all(list(row) == first for row in rows):
        return first
    after: dict[str, set[str]] = {}
    waiting: dict[str, int] = {}
    for row in rows:
        previous: str | None = None
        for key in row:
            waiting.setdefault(key, 0)
            after.setdefault(key, set())
            if previous is not None and key not in after[previous]:
                after[previous].add(key)
                waiting[key] += 1
            previous = key
    seen = {key: n for n, key in enumerate(waiting)}
    ready = [n for key, n in seen.items() if waiting[key] == 0]
    names = list(seen)
    order: list[str] = []
    heapq.heapify(ready)
    while ready:
        key = names[heapq.heappop(ready)]
        order.append(key)
        for follower in after[key]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, seen[follower])
    return order if len(order) == len(seen) else None


def _values(rows: Sequence[dict[str, Any]], path: tuple[str, ...]) -> list[Any]:
    """What stands at a path in each row."""
    values: list[Any] = [row.get(path[0], ABSENT) for row in rows]
    for key in path[1:]:
        values = [v.get(key, ABSENT) if isinstance(v, dict) else ABSENT for v in values]
    return values


def _table(name: str, columns: dict[tuple[str, ...], list[Any]]) -> str:
    cells = [list(map(_cell, values)) for values in columns.values()]
    heads: list[str] = []
    varying = []
    for path, column in zip(columns, cells, strict=True):
        head = ".".join(path)
        if column[0] and column.count(column[0]) == len(column):
            heads.append(f"{head}={column[0]}")
        else:
            heads.append(head)
            varying.append(column)
    if not varying:  # all rows alike: one column must show how many there are
        heads[0] = ".".join(next(iter(columns)))
        varying = [cells[0]]
    body = ["|".join(row) for row in zip(*varying, strict=True)]
    return "\n".join([f"{name} {len(cells[0])} rows|{'|'.join(heads)}", *body])


def _cell(value: Any) -> str:
    return _quoted(dump(value)) if isinstance(value, _NESTED) else _plain_cell(value)


@lru_cache(maxsize=16_384, typed=True)
def _plain_cell(value: Any) -> str:
    """The cell of a scalar; tables repeat their values."""
    if value is ABSENT:
        return ""
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and not _NUMBER.fullmatch(value) and value not in _LITERALS
        return value if plain else _quoted(_written(value))
    return _quoted(dump(value))


def _quoted(lexeme: str) -> str:
    """A lexeme without the cell border; JSON strings can spell it as an escape."""
    return lexeme.replace("|", "\\u007c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


# ---------------------------------------------------------------------------------------- decoding
def decode(text: str) -> str:
    """Minified JSON of an encoded document.

    Raises:
        ValueError: the text is no table form; says which line is wrong.
    """
    lines = text.split("\n")
    skeleton, at = lines[0], 1
    tables: dict[str, str] = {}
    if len(lines) > 1 and lines[-1] == "" and not _rows_reach(lines):
        lines.pop()  # the line break that a sent document may end with
    while at < len(lines):
        text_head = TEXT_HEAD.fullmatch(lines[at])
        head = text_head or _HEAD.fullmatch(lines[at])
        if head is None:
            raise ValueError(f"line {at + 1}: expected the head of a table")
        number, rows = head.group(1), int(head.group(2))
        body = lines[at + 1 : at + 1 + rows]
        if len(body) != rows:
            raise ValueError(f"line {at + 1}: {rows} rows promised, {len(body)} found")
        if text_head:
            tables[number] = _written(BREAK.join(body))
        else:
            columns = [_head_cell(h) for h in _cells(head.group(3))]
            tables[number] = "[" + ",".join(dump(_row(line, columns)) for line in body) + "]"
        at += 1 + rows

    def put(match: re.Match[str]) -> str:
        if match.group(1):
            return match.group(1)
        if match.group(2) not in tables:
            raise ValueError(f"line 1: no table @{match.group(2)} follows")
        return tables[match.group(2)]

    return _REFERENCE.sub(put, skeleton)


def _rows_reach(lines: list[str]) -> bool:
    """Whether the last line is a row of a single absent column, or the last line of a text."""
    at = 1
    while at < len(lines):
        head = TEXT_HEAD.fullmatch(lines[at]) or _HEAD.fullmatch(lines[at])
        if head is None:
            return False
        at += 1 + int(head.group(2))
    return at == len(lines)


def _head_cell(head: str) -> tuple[tuple[str, ...], str | None]:
    path, equals, constant = head.partition("=")
    return tuple(path.split(".")), constant if equals else None


def _cells(line: str) -> list[str]:
    return line.split("|")


def _row(line: str, columns: list[tuple[tuple[str, ...], str | None]]) -> dict[str, Any]:
    cells = iter(_cells(line))
    row: dict[str, Any] = {}
    for path, constant in columns:
        cell = next(cells, None) if constant is None else constant
        if cell is None:
            raise ValueError(f"a table's row has too few cells: {line[:80]!r}")
        if cell == "":
            continue
        target = row
        for key in path[:-1]:
            target = target.setdefault(key, {})
        target[path[-1]] = _value(cell)
    return row


def _value(cell: str) -> Any:
    if cell in _LITERALS:
        return _LITERALS[cell]
    if _NUMBER.fullmatch(cell):
        return parse(cell)
    if cell[0] in '"{[':
        return parse(cell)
    return cell
