"""Which pieces two texts have in common, in order: a diff that takes linear time.

Lines that occur once in both texts are anchors; those in rising order hold the texts together, and
between two of them what is equal at both ends is taken (Cohen's patience diff, without recursion).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LONG_LINE: Final = 240  # characters; longer lines are compared sentence by sentence

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")


@dataclass(frozen=True, slots=True)
class Run:
    """``length`` pieces from ``before`` in the old text are those from ``after`` in the new."""

    before: int
    after: int
    length: int


def pieces_of(text: str) -> list[str]:
    """Lines; long ones by sentence, as that is what is kept or dropped in them. They add up."""
    out: list[str] = []
    for line in text.splitlines(keepends=True):
        if len(line) <= LONG_LINE:
            out.append(line)
            continue
        ends = [match.end() for match in _SENTENCE_END.finditer(line)]
        cuts = [0, *(end for end in ends if 0 < end < len(line)), len(line)]
        out += [line[a:b] for a, b in pairwise(cuts)]
    return out


def matching_pieces(before: Sequence[str], after: Sequence[str]) -> list[Run]:
    """Runs of equal pieces, in order in both."""
    runs: list[Run] = []
    a = b = 0
    for next_a, next_b in [*_anchors(before, after), (len(before), len(after))]:
        head = _alike(before, after, (a, b), min(next_a - a, next_b - b), 1)
        _add(runs, Run(a, b, head))
        most = min(next_a - a, next_b - b) - head
        tail = _alike(before, after, (next_a - 1, next_b - 1), most, -1)
        anchor = next_a < len(before)
        _add(runs, Run(next_a - tail, next_b - tail, tail + anchor))
        a, b = next_a + anchor, next_b + anchor
    return runs


def _anchors(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Places of pieces that occur once in both texts, as many as rise in both."""
    old, new = Counter(before), Counter(after)
    places = {piece: n for n, piece in enumerate(after) if new[piece] == 1 and old[piece] == 1}
    pairs = [(n, places[piece]) for n, piece in enumerate(before) if piece in places]
    return _rising(pairs)


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest choice whose second numbers rise (patience sorting)."""
    tops: list[int] = []  # the least last number of a rising choice of each length
    ends: list[int] = []  # which pair that is
    came_from: list[int] = []
    for n, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        came_from.append(ends[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [place]
        ends[pile : pile + 1] = [n]
    chosen: list[tuple[int, int]] = []
    n = ends[-1] if ends else -1
    while n >= 0:
        chosen.append(pairs[n])
        n = came_from[n]
    return chosen[::-1]


def _alike(
    before: Sequence[str], after: Sequence[str], start: tuple[int, int], most: int, way: int
) -> int:
    """How many pieces are equal from a place in both on, going forwards or backwards."""
    a, b = start
    n = 0
    while n < most and before[a + way * n] == after[b + way * n]:
        n += 1
    return n


def _add(runs: list[Run], run: Run) -> None:
    """Append a run, or let it prolong the last one."""
    if not run.length:
        return
    if runs and (runs[-1].before + runs[-1].length, runs[-1].after + runs[-1].length) == (
        run.before,
        run.after,
    ):
        run = Run(runs[-1].before, runs[-1].after, runs.pop().length + run.length)
    runs.append(run)
