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
    return _encoded(_written(text, _skip(text, 0), given, changed))


def _written(text: str, at: int, given: Any, changed: Any) -> str:
    if isinstance(given, dict) and isinstance(changed, dict):
        return _object(text, at, given, changed)
    if isinstance(given, list) and isinstance(changed, list):
        return _list(text, at, given, changed)
    return _dumped(changed)


def _object(text: str, at: int, given: dict[str, Any], changed: dict[str, Any]) -> str:
    spans, close = _members(text, at)
    places = {span.key: n for n, span in enumerate(spans)}
    if len(places) != len(spans):  # a key that comes twice: the last one counts, but which is read?
        return _dumped(changed)
    made = _Joined(text, at, spans, close)
    for key, value in changed.items():
        place = places.get(key)
        if place is None:
            made.add(None, f"{_dumped(key)}:{_dumped(value)}")
        else:
            span = spans[place]
            lead = text[span.start : span.value]
            made.add(place, lead + _member(text, span, given[key], value))
    return made.text()


def _list(text: str, at: int, given: list[Any], changed: list[Any]) -> str:
    spans, close = _items(text, at)
    places = {id(item): n for n, item in enumerate(given)}
    made, last = _Joined(text, at, spans, close), -1
    for n, value in enumerate(changed):
        place = places.get(id(value))
        if place is not None:
            last = place
            made.add(place, text[spans[place].value : spans[place].end])
            continue
        # A changed item stands where it stood, unless items before it went.
        where = n if len(changed) == len(given) else last + 1
        last += 1
        if where < len(spans) and type(given[where]) is type(value):
            made.add(where, _member(text, spans[where], given[where], value))
        else:
            made.add(None, _dumped(value))
    return made.text()


class _Joined:
    """Members put together again, with the blanks that stood between them."""

    def __init__(self, text: str, at: int, spans: list[_Span], close: int) -> None:
        self._text, self._at, self._spans, self._close = text, at, spans, close
        self._pieces: list[str] = []
        self._last: int | None = -1

    def add(self, place: int | None, piece: str) -> None:
        """One more member, and the place where it stood."""
        if place is not None and self._last is not None and place == self._last + 1:
            begin = self._at + 1 if place == 0 else self._spans[place - 1].end
            self._pieces.append(self._text[begin : self._spans[place].start])
        elif self._pieces:
            self._pieces.append(",")
        self._pieces.append(piece)
        self._last = place

    def text(self) -> str:
        """All of it, in its brackets."""
        whole = self._last == len(self._spans) - 1
        begin = self._spans[-1].end if whole and self._spans else self._close
        tail = self._text[begin : self._close + 1]
        return self._text[self._at] + "".join(self._pieces) + tail


def _member(text: str, span: _Span, given: Any, changed: Any) -> str:
    same = changed is given or (type(changed) is type(given) and _is_scalar(given, changed))
    return text[span.value : span.end] if same else _written(text, span.value, given, changed)


def _is_scalar(given: Any, changed: Any) -> bool:
    return not isinstance(given, dict | list) and bool(given == changed)


def _members(text: str, at: int) -> tuple[list[_Span], int]:
    """The members of the object that begins at a place, and where it ends."""
    spans: list[_Span] = []
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
    return spans, at


def _items(text: str, at: int) -> tuple[list[_Span], int]:
    """The items of the list that begins at a place, and where it ends."""
    spans: list[_Span] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _scan(text, at)[1]
        spans.append(_Span("", at, at, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return spans, at


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
