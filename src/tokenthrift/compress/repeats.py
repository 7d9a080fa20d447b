"""Runs of lines that an earlier segment already holds, found by looking lines up.

Greedy and one pass: at each line the longest run that continues an earlier copy is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tokenthrift.history import PLACES, SHORT_LINE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tokenthrift.draft import Draft
    from tokenthrift.history import History
    from tokenthrift.types import Segment

MIN_LINES: Final = 3


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
        segments: those behind the draft's history whose lines are sent word for word, in order.
        sources: ids of those among them that may be pointed at.
        draft: tells which are open, the floor, how tokens are counted, and what is frozen.
        min_tokens: a run must be worth at least as much.
    """
    known = _Known(draft.history, draft.segments)
    for segment in segments:
        lines = segment.text.splitlines(keepends=True)
        runs: list[Run] = []
        if draft.is_open(segment) and segment.tokens >= max(min_tokens, draft.floor_tokens):
            runs = _runs(lines, known)
            runs = [r for r in runs if _worth(lines, r, draft, min_tokens)]
            if runs:
                yield segment, runs
        if segment.id in sources:
            # Later pointers count lines as they are sent: a run has become one line, its pointer.
            known.add(segment, _sent(lines, runs))


@dataclass(slots=True)
class _Known:
    """Where lines stand: in the frozen history, and in what has been read of the window."""

    past: History
    frozen: Sequence[Segment]
    segments: list[Segment] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, segment: Segment, lines: list[str]) -> None:
        """One more text that may be pointed at."""
        number = len(self.texts)
        self.segments.append(segment)
        self.texts.append(lines)
        for n, line in enumerate(lines):
            if len(line) > SHORT_LINE:
                places = self.places.setdefault(line, [])
                if len(places) < PLACES:
                    places.append((number, n))

    def copies(self, line: str) -> Iterator[tuple[str, Sequence[str], int]]:
        """The earlier texts that hold a line, the oldest first: id, lines, and where it stands."""
        for number, n in self.past.places(line):
            yield self.frozen[number].id, self.past.lines(number), n
        for number, n in self.places.get(line, ()):
            yield self.segments[number].id, self.texts[number], n


def _sent(lines: Sequence[str], runs: Sequence[Run]) -> list[str]:
    """The lines as they will be sent; a pointer stands as an empty line that nothing equals."""
    out: list[str] = []
    at = 0
    for run in runs:
        out += [*lines[at : run.start], ""]
        at = run.start + run.lines
    return [*out, *lines[at:]]


def _runs(lines: Sequence[str], known: _Known) -> list[Run]:
    runs: list[Run] = []
    past, here = known.past.known_lines, known.places
    end = 0
    for at in [n for n, line in enumerate(lines) if line in past or line in here]:
        if at < end:
            continue
        best = Run(at, 0, "", 0)
        for source, other, first in known.copies(lines[at]):
            n = _same(lines, at, other, first)
            if n > best.lines:
                best = Run(at, n, source, first + 1)
        if best.lines >= MIN_LINES:
            runs.append(best)
            end = at + best.lines
    return runs


def _same(lines: Sequence[str], at: int, other: Sequence[str], first: int) -> int:
    n = 0
    while at + n < len(lines) and first + n < len(other) and lines[at + n] == other[first + n]:
        n += 1
    return n


def _worth(lines: Sequence[str], run: Run, draft: Draft, min_tokens: int) -> bool:
    return draft.count("".join(lines[run.start : run.start + run.lines])) >= min_tokens
