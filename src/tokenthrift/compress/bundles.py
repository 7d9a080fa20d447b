"""Minified JavaScript and CSS: lines of thousands of characters that nobody reads.

A line is told by its size and its signs. JSON, tables, markup and scripts without spaces have
other ones and are left alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.blobs import Blob

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_LINE: Final = 2_000  # characters
BANNER_CHARACTERS: Final = 600  # of a comment in front, which says what the file is
# Shares of a line's characters; set on scripts and styles of recorded web pages.
MOST_SPACE: Final = 0.10
MOST_MARKUP: Final = 0.01  # of "<"
LEAST_BRACKETS: Final = 0.03  # of "{}()"
LEAST_ENDS: Final = 0.002  # of ";"

_BANNER = re.compile(r"\s*/\*!?[^*]{0,600}\*+(?:[^/*][^*]{0,600}\*+){0,20}/")
_SOURCE_MAP = re.compile(r"\s*(?://[#@]|/\*[#@]) ?sourceMappingURL=\S{0,300}\s*$")
_ELEMENT = re.compile(r"<(?P<name>script|style)\b[^<>]{0,2000}>", re.IGNORECASE)
_SCRIPT = re.compile(r"function\b|=>|\breturn\b|\bvar |\bconst |\blet ")


def bundles_in(text: str) -> list[Blob]:
    """Minified code, line by line, less comments in front and the name of a source map behind."""
    found = (_trimmed(text, start, end) for start, end in _long_spans(text))
    return [
        Blob(start, end, f"minified {_language(text, start, end)}", end - start)
        for start, end in found
        if end - start >= LONG_LINE and _is_minified(text[start:end])
    ]


def _long_spans(text: str) -> Iterator[tuple[int, int]]:
    """Long lines; of a line with scripts or styles in markup what stands in these."""
    step = LONG_LINE // 2  # a long line holds one whole step without a break
    at = 0
    while len(text) - at >= step:
        if text.find("\n", at, at + step) >= 0:
            at += step
            continue
        start = text.rfind("\n", max(0, at - step), at) + 1 or max(0, at - step)
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if end - start >= LONG_LINE:
            inner = [*_elements(text, start, end)]
            yield from inner or [(start, end)]
        at = max(end, at + step)


def _elements(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """What stands in scripts and styles; from one that is never closed on there are none."""
    opened = _ELEMENT.search(text, start, stop)
    while opened:
        closed = re.compile(f"</{opened['name']}", re.IGNORECASE).search(text, opened.end(), stop)
        if not closed:
            return
        yield opened.end(), closed.start()
        opened = _ELEMENT.search(text, closed.end(), stop)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    banner = _BANNER.match(text, start, end)
    if banner and banner.end() - start <= BANNER_CHARACTERS:
        start = banner.end()
    behind = _SOURCE_MAP.search(text, max(start, end - 400), end)
    return start, behind.start() if behind else end


def _is_minified(line: str) -> bool:
    size = len(line)
    space = sum(map(line.count, " \t\r"))
    brackets = sum(map(line.count, "{}()"))
    return (
        space <= MOST_SPACE * size
        and line.count("<") <= MOST_MARKUP * size
        and brackets >= LEAST_BRACKETS * size
        and line.count(";") >= LEAST_ENDS * size
        and not line.lstrip().startswith(('{"', "[{", '["', "{'"))
    )


def _language(text: str, start: int, end: int) -> str:
    return "js" if _SCRIPT.search(text, start, min(end, start + 20_000)) else "css"
