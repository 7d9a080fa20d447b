"""Unified diffs, as git and diff write them: files, hunks, changed lines and their surroundings.

A changed line hangs on the header of its hunk, that on the header of its file. Lines of context
hang on the next one towards a change, so that what is kept of them lies around the changes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.outlines import CHANGED, CONTEXT, Line, line_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

# Merges have a column of signs, and one at sign more, for each parent.
_HUNK = re.compile(
    r"(?P<at>@@+) -\d+(?:,(?P<old>\d+))? (?:-\d+(?:,\d+)? )*\+\d+(?:,(?P<new>\d+))? (?P=at)"
    r"(?P<section>[^\n]*)"
)
_FILE = re.compile(
    r"diff --?\S|diff \S+ \S|index |Index: |===+$|old mode |new mode |deleted file |new file "
    r"|similarity |dissimilarity |rename |copy |Binary files |--- |\+\+\+ ",
    re.MULTILINE,
)
_OPENS_FILE = re.compile(r"diff --?\S|diff \S+ \S|Index: ")
_PATH = re.compile(r"^(?:\+\+\+|---) (?:[abciow]/)?(?P<path>[^\t\n]+)", re.MULTILINE)
_GIT_PATH = re.compile(r"^diff --\S+ (?:\S+ )?(?:[ab]/)?(?P<path>\S+)$", re.MULTILINE)
SIGNATURE: Final = "--"  # the line above the version that ends a patch sent by mail


@dataclass(slots=True)
class _Hunk:
    """A hunk while it is read: where its lines are, and how many are to come on each side."""

    header: int
    columns: int
    old: int
    new: int
    carry: str
    first: int

    def takes(self, line: str, text_after: str) -> bool:
        """Whether a line belongs to it; models miscount, so signs may go on behind the counts."""
        sign = line[:1]
        if sign not in " +-\\\n\r":
            return False
        if self.columns > 1:
            return sign not in "\n\r" and not _opens_file(line, text_after)
        if self.old > 0 or self.new > 0:
            return True
        return sign in " +-\\" and line.rstrip() != SIGNATURE and not _opens_file(line, text_after)

    def count(self, line: str) -> None:
        """Note a line that belongs to it."""
        self.old -= line[:1] not in "+\\"
        self.new -= line[:1] not in "-\\"


def _opens_file(line: str, text_after: str) -> bool:
    if line.startswith("--- "):
        return text_after.startswith("+++ ")
    return _OPENS_FILE.match(line) is not None


def _goes_on(text: str, at: int) -> bool:
    """Whether a line goes on with the header of a file."""
    return _FILE.match(text, at) is not None and _OPENS_FILE.match(text, at) is None


def is_diff(text: str, share: float) -> bool:
    """Whether at least a share of the lines that are not blank stand in diffs that change any."""
    if "@@ " not in text and "diff --git " not in text:
        return False
    lines = [line for line in diff_lines(text) if text[line.start : line.end].strip()]
    inside = [line for line in lines if line.anchor or line.part]
    return len(inside) >= max(2, share * len(lines)) and any(ln.part == CHANGED for ln in inside)


def diff_lines(text: str) -> list[Line]:
    """The lines of a text in which diffs stand; other lines have no part.

    The header of a file is one, and a line belongs to what is said of its missing line break.
    """
    lines: list[Line] = []
    spans = list(line_spans(text))
    file, path, hunk = -1, "", None
    at = 0
    while at < len(spans):
        start, end = spans[at]
        line = text[start:end]
        after = text[end : end + 4]
        if hunk is not None and hunk.takes(line, after):
            _add(lines, hunk, line, (start, end))
            at += 1
            continue
        if hunk is not None:
            _hang_context(lines, hunk)
            hunk = None
        opened = _HUNK.match(line)
        if opened:
            section = opened["section"].strip()
            hunk = _Hunk(
                len(lines),
                len(opened["at"]) - 1,
                int(opened["old"] or 1),
                int(opened["new"] or 1),
                f"{path} {section}".strip(),
                len(lines) + 1,
            )
            lines.append(Line(start, end, head=file, carry=path, anchor=True))
        elif _opens_file(line, after):
            last = at
            while last + 1 < len(spans) and _goes_on(text, spans[last + 1][0]):
                last += 1
                if text.startswith("+++ ", spans[last][0]):
                    break
            file, path = len(lines), _path(text[start : spans[last][1]])
            lines.append(Line(start, spans[last][1], anchor=True))
            at = last
        else:
            file, path = -1, ""
            lines.append(Line(start, end))
        at += 1
    if hunk is not None:
        _hang_context(lines, hunk)
    _alone(lines)
    return lines


def _add(lines: list[Line], hunk: _Hunk, line: str, span: tuple[int, int]) -> None:
    hunk.count(line)
    if line[:1] == "\\" and len(lines) > hunk.first:
        lines[-1].end = span[1]
        return
    changed = any(sign in "+-" for sign in line[: hunk.columns])
    part = CHANGED if changed else CONTEXT
    lines.append(Line(*span, part, hunk.header, hunk.carry, opens=False))


def _path(header: str) -> str:
    """The path that a file's header names, by the new name where there is one."""
    paths = [m["path"] for m in _PATH.finditer(header)] + [
        m["path"] for m in _GIT_PATH.finditer(header)
    ]
    named = [p.strip() for p in paths if p.strip() != "/dev/null"]
    return named[min(1, len(named) - 1)] if named else ""


def _hang_context(lines: list[Line], hunk: _Hunk) -> None:
    """Let each line of context hang on its neighbour towards the nearest change."""
    body = range(hunk.first, len(lines))
    changed = [n for n in body if lines[n].part == CHANGED]
    if not changed:
        return
    for before, behind in zip([None, *changed], [*changed, None], strict=True):
        first = hunk.first if before is None else before + 1
        stop = len(lines) if behind is None else behind
        middle = first if before is None else stop if behind is None else (first + stop + 1) // 2
        for n in range(first, stop):
            near = n - 1 if n < middle else n + 1
            if lines[near].part == CONTEXT and hunk.first <= near < len(lines):
                lines[n].head = near


def _alone(lines: Sequence[Line]) -> None:
    """A header with nothing under it (a file renamed, a binary one) is what changed itself."""
    heads = {line.head for line in lines}
    for n, line in enumerate(lines):
        if line.anchor and n not in heads:
            line.anchor, line.part = False, CHANGED
