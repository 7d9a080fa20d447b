"""Writing a changed JSON body so that everything that did not change keeps its bytes.

A plan changes a copy of the parsed body that shares all the rest with it, so what is the same
object has the same text. Only along the way to a change is the text read again, to find where the
members of an object or a list begin and end.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

BLANK: Final = re.compile(r"[ \t\n\r]*")
_scan = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class _Span:
    """Where a member stands: with its key, where it has one, and the value alone."""

    key: str
    start: int
    value: int
    end: int


def spliced(raw: bytes, given: Any, changed: Any) -> bytes:
    """The JSON of a changed value, made from that of the given one.

    Args:
        raw: a JSON text in UTF-8.
        given: what it parses to.
        changed: a value that may share parts with it; those keep their text.
    """
    if changed is given:
        return raw
    text = raw.decode()
    return _encoded(_written(text, BLANK.match(text).end(), given, changed))  # type: ignore[union-attr]


def _written(text: str, at: int, given: Any, changed: Any) -> str:
    if isinstance(given, dict) and isinstance(changed, dict):
        return _object(text, at, given, changed)
    if isinstance(given, list) and isinstance(changed, list):
        return _list(text, at, given, changed)
    return _dumped(changed)


def _object(text: str, at: int, given: dict[str, Any], changed: dict[str, Any]) -> str:
    spans = _members(text, at)
    known = {span.key: span for span in spans}
    if len(known) != len(spans):  # a key that comes twice: the last one counts, but which is read?
        return _dumped(changed)
    pieces = []
    for key, value in changed.items():
        span = known.get(key)
        if span is None:
            pieces.append(f"{_dumped(key)}:{_dumped(value)}")
        else:
            lead = text[span.start : span.value]
            pieces.append(lead + _member(text, span, given[key], value))
    return "{" + ",".join(pieces) + "}"


def _list(text: str, at: int, given: list[Any], changed: list[Any]) -> str:
    spans = _items(text, at)
    places = {id(item): n for n, item in enumerate(given)}
    pieces, last = [], -1
    for n, value in enumerate(changed):
        place = places.get(id(value))
        if place is not None:
            last = place
            pieces.append(text[spans[place].value : spans[place].end])
            continue
        # A changed item stands where it stood, unless items before it went.
        where = n if len(changed) == len(given) else last + 1
        last += 1
        if where < len(spans) and type(given[where]) is type(value):
            pieces.append(_member(text, spans[where], given[where], value))
        else:
            pieces.append(_dumped(value))
    return "[" + ",".join(pieces) + "]"


def _member(text: str, span: _Span, given: Any, changed: Any) -> str:
    same = changed is given or (type(changed) is type(given) and _is_scalar(given, changed))
    return text[span.value : span.end] if same else _written(text, span.value, given, changed)


def _is_scalar(given: Any, changed: Any) -> bool:
    return not isinstance(given, dict | list) and bool(given == changed)


def _members(text: str, at: int) -> list[_Span]:
    """The members of the object that begins at a place."""
    spans = []
    at = _skip(text, at + 1)
    while text[at] != "}":
        start = at
        key, at = _scan(text, at)
        value = _skip(text, _skip(text, at) + 1)  # behind the colon
        end = _scan(text, value)[1]
        spans.append(_Span(key, start, value, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return spans


def _items(text: str, at: int) -> list[_Span]:
    """The items of the list that begins at a place."""
    spans = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _scan(text, at)[1]
        spans.append(_Span("", at, at, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return spans


def _skip(text: str, at: int) -> int:
    found = BLANK.match(text, at)
    return at if found is None else found.end()


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can only escape
        return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text).encode()
