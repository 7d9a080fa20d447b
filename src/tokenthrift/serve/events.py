"""Server-sent events as they pass: the bytes of each, and the JSON that its ``data`` holds.

Source: WHATWG HTML, "Server-sent events": events end at an empty line, lines at LF, CR LF or CR.
Nothing is put together anew: what is not changed goes on byte for byte, comments included.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r(?!\n)|\n\r\n")
DONE: Final = b"[DONE]"
# Of Messages and of Responses; Chat says `DONE`.
LAST: Final = ("message_stop", "response.completed", "response.incomplete", "response.failed")
NO_USAGE: Final = re.compile(rb',\s*"usage"\s*:\s*null')


class Event(dict[str, Any]):
    """One event: what its data parses to (empty where that is no JSON object), and its bytes.

    Attributes:
        raw: as it came, the empty line behind it included.
        is_last: whether it says that the answer is over.
    """

    def __init__(self, raw: bytes) -> None:
        data = _data(raw)
        super().__init__(_parsed(data))
        self.raw = raw
        self.is_last = data == DONE or self.get("type") in LAST
        self._size = len(self)

    def written(self, *, looks_closely: bool) -> bytes:
        """Its bytes; written anew where its data is no longer what it was.

        Args:
            looks_closely: whether more than its usage may have been changed.
        """
        if not self._size:  # a comment, or the word that ends a stream
            return self.raw
        if looks_closely:
            return self.raw if self == _parsed(_data(self.raw)) else self._anew()
        if len(self) == self._size:
            return self.raw
        # OpenAI writes it into every chunk of a stream that was asked for its usage.
        without, times = NO_USAGE.subn(b"", self.raw)
        return without if times == 1 else self._anew()

    def _anew(self) -> bytes:
        name = re.search(rb"^event:[^\r\n]*", self.raw, re.MULTILINE)
        data = json.dumps(self, separators=(",", ":")).encode()
        return (name[0] + b"\n" if name else b"") + b"data: " + data + b"\n\n"


class Splitter:
    """Cuts a stream of bytes into events."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Event]:
        """The events that are whole now that a piece has come."""
        text = self._rest + piece
        events, start = [], 0
        for end in END.finditer(text, max(0, len(self._rest) - 3)):
            if end.end() > start:
                events.append(Event(text[start : end.end()]))
                start = end.end()
        self._rest = text[start:]
        return events

    def end(self) -> list[Event]:
        """What is left where the stream is over: an event that was never finished."""
        rest, self._rest = self._rest, b""
        return [Event(rest)] if rest else []


def _data(raw: bytes) -> bytes:
    lines = re.findall(rb"(?:^|[\r\n])data:[ ]?([^\r\n]*)", raw)
    return b"\n".join(lines)


def _parsed(data: bytes) -> dict[str, Any]:
    if not data or data == DONE:
        return {}
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
