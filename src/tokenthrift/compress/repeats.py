"""Runs of lines that an earlier segment already holds, found by looking lines up.

Greedy and one pass: at each line the longest run that continues an earlier copy is taken. Lines
that are equal but for their numbers or their indent are copies too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from tokenthrift.compress.changes import change_between
from tokenthrift.compress.pointers import Pointer, holds_pointers, lines_of, words_of
from tokenthrift.history import Lines, note_places

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from tokenthrift.compress.changes import Change
    from tokenthrift.draft import Draft
    from tokenthrift.history import Copies
    from tokenthrift.types import Segment

FEW_LINES: Final = 32  # up to here each is looked for in a text before its lines are read
LEAST_TOKENS: Final = 24  # of a run; its pointer costs about 8
LEAST_CHANGED: Final = 3  # lines of a run that differs from its copy in numbers or indent


class Copy(NamedTuple):
    """A line that reads like another: in which text, and which of its lines (0-based)."""

    source: str
    lines: Lines
    at: int


@dataclass(frozen=True, slots=True)
class Run:
    """``lines`` lines from ``start`` (0-based) are a copy of those from ``copy`` on.

    Attributes:
        change: how the lines differ from it.
    """

    start: int
    lines: int
    copy: Copy
    change: Change | None = None

    @property
    def end(self) -> int:
        """The line behind it."""
        return self.start + self.lines

    def pointer(self, words: str = "") -> str:
        """What stands in its place."""
        source, lines, at = self.copy
        made = Pointer(
            source,
            at + 1,
            at + self.lines,
            say=lines.in_rows,
            change=self.change,
            words=words,
        )
        return made.written(lines.said[at])


def repeated_runs(
    segments: Sequence[Segment], sources: Collection[str], draft: Draft, min_tokens: int
) -> Iterator[tuple[Segment, str, int]]:
    """Open segments that repeat lines of earlier ones.

    Args:
        segments: those behind the draft's history whose lines are sent word for word, in order.
        sources: ids of those among them that may be pointed at.
        draft: tells which are open, the floor, how tokens are counted, and what is frozen.
        min_tokens: what a segment shares with another must be worth at least as much.

    Returns:
        Each with its text as it is to be sent, and how many of its lines became pointers.
    """
    known = _Known(draft.history.copies(lines_of), draft.segments)
    least = max(min_tokens, draft.floor_tokens)
    large = [n for n, s in enumerate(segments) if s.tokens >= least and draft.may_point(s)]
    last = large[-1] if large else -1  # nothing behind it points, so nothing else is a source
    for n, segment in enumerate(segments[: last + 1]):
        pointing = n in large and known.may_stand_in(segment.text)
        sourcing = segment.id in sources and n < last
        if not pointing and not sourcing:
            continue
        lines = lines_of(segment.text)
        if pointing:
            runs = _paying(_runs(segment, lines, known, draft), min_tokens)
            if runs and not holds_pointers(segment.text):
                text = _with_pointers(lines.said, [run for run, _ in runs])
                yield segment, text, sum(run.lines for run, _ in runs)
                # Later pointers count lines as they are sent.
                lines = _sent(lines, [run for run, _ in runs])
        if sourcing:
            known.add(segment, lines)


@dataclass(slots=True)
class _Known:
    """Where lines stand: in the frozen history, and in what has been read of the window."""

    past: Copies
    frozen: Sequence[Segment]
    segments: list[Segment] = field(default_factory=list)
    texts: list[Lines] = field(default_factory=list)
    here: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, segment: Segment, lines: Lines) -> None:
        """One more text that may be pointed at."""
        note_places(self.here, len(self.texts), lines.keys)
        self.segments.append(segment)
        self.texts.append(lines)

    def copies(self, key: str) -> Iterator[Copy]:
        """The earlier lines of a key, the oldest first."""
        for number, n in self.past.places(key):
            yield Copy(self.frozen[number].id, self.past.lines(number), n)
        for number, n in self.here.get(key, ()):
            yield Copy(self.segments[number].id, self.texts[number], n)

    def may_stand_in(self, text: str) -> bool:
        """Whether a text may hold a copy: a quick look where few lines are known."""
        past, here = self.past.known, self.here
        if len(past) + len(here) > FEW_LINES:
            return True
        return any(key in text for key in (*past, *here))

    def seeds(self, keys: Sequence[str]) -> list[int]:
        """The lines among these of which there may be copies."""
        past, here = self.past.known, self.here
        return [n for n, key in enumerate(keys) if key in past or key in here]


def _runs(segment: Segment, lines: Lines, known: _Known, draft: Draft) -> list[tuple[Run, int]]:
    """Runs that do not overlap, in order, with the tokens of each."""
    seeds = known.seeds(lines.keys)
    if not seeds or lines.in_rows:
        return []
    sizes = _sizes(segment.text, lines.said, draft)
    runs: list[tuple[Run, int]] = []
    end, source = 0, ""
    for at in seeds:
        if at < end:
            continue
        best: Run | None = None
        for copy in known.copies(lines.keys[at]):
            run = _run(lines.said, at, end, copy)
            if run and (best is None or _rank(run, source) > _rank(best, source)):
                best = run
        if best is None:
            continue
        tokens = sizes[best.end] - sizes[best.start]
        if tokens >= LEAST_TOKENS:
            runs.append((best, tokens))
            end, source = best.end, best.copy.source
    return runs


def _sizes(text: str, lines: Sequence[str], draft: Draft) -> list[int]:
    """Tokens of a text before each of its lines, and of all of it."""
    ends = [*accumulate(len(line) + 1 for line in lines)]
    ends[-1] = len(text)
    return [0, *accumulate(draft.count.pieces(text, ends))]


def _rank(run: Run, source: str) -> tuple[int, bool, bool]:
    """Longer runs first, then those to the message that was pointed at before, then plain ones."""
    return run.lines, run.copy.source == source, run.change is None


def _run(lines: Sequence[str], at: int, floor: int, copy: Copy) -> Run | None:
    """The longest run through a line and its copy that begins at ``floor`` or later."""
    there = copy.lines.said
    change = None
    if lines[at] != there[copy.at]:
        change = change_between(lines[at], there[copy.at])
        if change is None:
            return None

    def is_copy(offset: int) -> bool:
        other = there[copy.at + offset]
        return lines[at + offset] == (change.line(other, offset) if change else other)

    back = 0
    while at - back > floor and back < copy.at and is_copy(-back - 1):
        back += 1
    n = 1
    # A line break at the end of a text stays, so that what follows stays apart.
    most = min(len(lines) - (lines[-1] == "") - at, len(there) - copy.at)
    while n < most and is_copy(n):
        n += 1
    if change and back + n < LEAST_CHANGED:
        return None
    moved = change and change.moved(-back)
    return Run(at - back, back + n, copy._replace(at=copy.at - back), moved)


def _paying(runs: Sequence[tuple[Run, int]], min_tokens: int) -> list[tuple[Run, int]]:
    """The runs whose source is worth being named."""
    shared: Counter[str] = Counter()
    for run, tokens in runs:
        shared[run.copy.source] += tokens
    return [(run, n) for run, n in runs if shared[run.copy.source] >= min_tokens]


def _with_pointers(lines: Sequence[str], runs: Sequence[Run]) -> str:
    out: list[str] = []
    at = 0
    named: set[str] = set()
    for run in runs:
        source = run.copy.source
        words = "" if source in named else words_of("\n".join(lines[run.start : run.end]))
        named.add(source)
        out += [*lines[at : run.start], run.pointer(words)]
        at = run.end
    return "\n".join([*out, *lines[at:]])


def _sent(lines: Lines, runs: Sequence[Run]) -> Lines:
    """The lines as they will be sent; a pointer stands as an empty line that nothing equals."""
    said: list[str] = []
    keys: list[str] = []
    at = 0
    for run in runs:
        said += [*lines.said[at : run.start], "\n"]
        keys += [*lines.keys[at : run.start], ""]
        at = run.end
    return replace(lines, said=[*said, *lines.said[at:]], keys=[*keys, *lines.keys[at:]])
