"""Fenced blocks of a text: what stands between two lines of backticks or tildes."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(r"^(?:`{3,}+(?![^\n`]*`)|~{3,}+)", re.MULTILINE)
_LANGUAGE = re.compile(r"[ \t]*([\w+#.-]*)")


@dataclass(frozen=True, slots=True)
class Fenced:
    """The lines inside a fenced block, ``text[start:end]``, and the language that is named."""

    start: int
    end: int
    language: str


def may_hold_fences(text: str) -> bool:
    """Whether a text may hold a fenced block: a quick look."""
    return "```" in text or "~~~" in text


def fenced(text: str) -> Iterator[Fenced]:
    """The fenced blocks of a text that are closed and not empty, in order.

    A block is closed by a line with a run of the same sign that is at least as long and says
    nothing more (CommonMark 0.31, section 4.5).
    """
    fences = list(_fences(text)) if may_hold_fences(text) else []
    closing = _closing(fences)
    n = 0
    while n < len(fences):
        if closing[n] < 0:
            n += 1
            continue
        start, end = fences[n].end, fences[closing[n]].start
        if start < end:
            yield Fenced(start, end, fences[n].says)
        n = closing[n] + 1


@dataclass(frozen=True, slots=True)
class _Fence:
    """A line that may open or close a block: where it stands, its run, its first word."""

    start: int
    end: int
    sign: str
    length: int
    says: str


def _fences(text: str) -> Iterator[_Fence]:
    for match in _FENCE.finditer(text):
        end = text.find("\n", match.end()) + 1 or len(text)
        info = text[match.end() : end]
        language = _LANGUAGE.match(info)
        says = language[1].lower() if language else ""
        yield _Fence(match.start(), end, match[0][0], len(match[0]), says or info.strip())


def _closing(fences: list[_Fence]) -> list[int]:
    """Of each fence the number of the next that would close it, or -1.

    Read from the last to the first. Those that may close one wait in a stack by sign, the next one
    on top; it covers all behind it that are not longer, so lengths fall from the bottom to the top.
    """
    out = [-1] * len(fences)
    able: dict[str, list[int]] = {"`": [], "~": []}

    def shortness(n: int) -> int:
        return -fences[n].length

    for n in range(len(fences) - 1, -1, -1):
        stack = able[fences[n].sign]
        long_enough = bisect_right(stack, shortness(n), key=shortness)
        if long_enough:
            out[n] = stack[long_enough - 1]
        if not fences[n].says:
            while stack and shortness(stack[-1]) >= shortness(n):
                stack.pop()
            stack.append(n)
    return out
