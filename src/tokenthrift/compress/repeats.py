"""Runs of lines that an earlier segment already holds, found by hashing lines.

Greedy and one pass: at each line the longest run that continues an earlier copy is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tokenthrift.draft import Draft
    from tokenthrift.types import Segment

MIN_LINES: Final = 3
DISTINCT_CHARACTERS: Final = 12  # shorter lines (braces, blanks) never start a run
PLACES: Final = 8  # earlier places of one line that are tried


@dataclass(frozen=True, slots=True)
class Run:
    """``lines`` lines from ``start`` (0-based) stand in ``source`` at ``first_line`` (1-based)."""

    start: int
    lines: int
    source: str
    first_line: int


def repeated_runs(
    segments: Sequence[Segment], sources: Collection[str], draft: Draft, min_tokens: int
) -> Iterator[tuple[Segment, list[Run]]]:
    """Open segments that repeat runs of lines of earlier ones, with those runs.

    Args:
        segments: those whose lines are sent word for word, in order.
        sources: ids of those that may be pointed at.
        draft: tells which are open, the floor, and how tokens are counted.
        min_tokens: a run must be worth at least as much.
    """
    known: dict[str, list[tuple[int, int]]] = {}
    texts: list[list[str]] = []
    for number, segment in enumerate(segments):
        lines = segment.text.splitlines(keepends=True)
        runs: list[Run] = []
        if draft.is_open(segment) and segment.tokens >= max(min_tokens, draft.floor_tokens):
            runs = _runs(lines, known, texts, segments)
            runs = [r for r in runs if _worth(lines, r, draft, min_tokens)]
            if runs:
                yield segment, runs
        # Later pointers count lines as they are sent: a run has become one line, its pointer.
        texts.append(_sent(lines, runs))
        for n, line in enumerate(texts[number] if segment.id in sources else ()):
            if len(line) > DISTINCT_CHARACTERS:
                places = known.setdefault(line, [])
                if len(places) < PLACES:
                    places.append((number, n))


def _sent(lines: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """The lines as they will be sent; a pointer stands as an empty line that nothing equals."""
    out: list[str] = []
    at = 0
    for run in runs:
        out += [*lines[at : run.start], ""]
        at = run.start + run.lines
    return [*out, *lines[at:]]


def _runs(
    lines: Sequence[str],
    known: dict[str, list[tuple[int, int]]],
    texts: Sequence[Sequence[str]],
    segments: Sequence[Segment],
) -> list[Run]:
    runs: list[Run] = []
    at = 0
    while at < len(lines):
        best = Run(at, 0, "", 0)
        for source, first in known.get(lines[at], ()):
            n = _same(lines, at, texts[source], first)
            if n > best.lines:
                best = Run(at, n, segments[source].id, first + 1)
        if best.lines >= MIN_LINES:
            runs.append(best)
            at += best.lines
        else:
            at += 1
    return runs


def _same(lines: Sequence[str], at: int, other: Sequence[str], first: int) -> int:
    n = 0
    while at + n < len(lines) and first + n < len(other) and lines[at + n] == other[first + n]:
        n += 1
    return n


def _worth(lines: Sequence[str], run: Run, draft: Draft, min_tokens: int) -> bool:
    return draft.count("".join(lines[run.start : run.start + run.lines])) >= min_tokens
