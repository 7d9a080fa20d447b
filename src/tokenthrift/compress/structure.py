"""What the form of a text says of its units, whatever it is about: errors, edges, odd rows.

Pure scoring, beside relevance (`tokenthrift.compress.worth` adds the two).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.outliers import odd_in_tables
from tokenthrift.compress.outlines import CHANGED, FRAME, MESSAGE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import numpy.typing as npt

    from tokenthrift.compress.relevance.lexical import Score
    from tokenthrift.compress.relevance.material import FloatArray, IntArray
    from tokenthrift.types import Kind, Segment, Unit

# Added to a relevance of at most 1.
ERROR_WORTH: Final = 0.35
AGENT_ERROR_WORTH: Final = 0.10  # in agent loops most stand in code
RARE_WORTH: Final = 0.10  # of a template that occurs once; shared among its repeats
EVENT_WORTH: Final = 0.8  # in logs, of a line that tells of an event first
NAMED_WORTH: Final = 0.8  # in logs, of a line with a word of the question that few lines have
NAMED_SHARE: Final = 0.03  # of all units
NAMED_LINES: Final = 3
# Of a line with such a word by kind: how rare the word must be, and what the line adds; names
# compete with results of a search and hunks.
ASKED: Final = {"log": (NAMED_SHARE, NAMED_WORTH), "search": (0.1, 3.0), "diff": (0.5, 3.0)}
ODD_WORTH: Final = 0.05  # of a row of a table that is not like the others
AGENT_ODD_WORTH: Final = 6.0  # the same, or the first to tell of an event, against names
ID_WORTH: Final = 0.2  # of the cell that names a row whose rest may go
EDGE_WORTH: Final = 0.05  # of the first and last unit of a segment

REPEATING_KINDS: Final = frozenset({"search", "table", "trace", "json"})
NO_TEMPLATE: Final = -1

ERROR, RARE, EDGE, ODD, ID = "error", "rare", "edge", "odd", "id"
EVENT, NAMED = "event", "named"
PHRASES: Final = {
    ERROR: "tells of an error",
    RARE: "occurs once",
    EDGE: "first or last",
    ODD: "not like the other rows",
    ID: "names a row",
    EVENT: "tells of an event first",
    NAMED: "has a rare word of the question",
    CHANGED: "changed",
    MESSAGE: "says what failed",
    FRAME: "of your own code",
}

# Plain substrings of the lower-cased text: ten times faster than one pattern.
ERROR_WORDS: Final = (
    *("error", "exception", "traceback", "fail", "fatal", "critical", "panic", "denied", "refused"),
    *("timeout", "timed out", "warn", "abort", "corrupt", "invalid", "alert"),
)
_VARYING = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}|\d+")


def form_worth(
    texts: Sequence[str],
    place: IntArray,
    structured: npt.NDArray[np.bool_],
    templates: IntArray,
) -> dict[str, FloatArray]:
    """What the form of a text says of its units, whatever is asked."""
    changes = place[1:] != place[:-1]
    edges = np.ones(len(texts), np.bool_)
    edges[1:-1] = changes[1:] | changes[:-1]
    rare = np.zeros(len(texts), np.float32)
    counted = templates != NO_TEMPLATE
    if counted.any():
        rare[counted] = RARE_WORTH / np.bincount(templates[counted])[templates[counted]]
    return {
        ERROR: ERROR_WORTH * (structured & tell_of_errors(texts)).astype(np.float32),
        RARE: rare,
        EDGE: EDGE_WORTH * (structured & edges).astype(np.float32),
    }


def naming_units(segments: Sequence[Segment], units: Sequence[Sequence[Unit]]) -> set[int]:
    """The units that name a row of JSON whose rest may go."""
    out: set[int] = set()
    first = 0
    for segment, own in zip(segments, units, strict=True):
        if segment.kind == "json":
            out.update(first + u.head for u in own if u.head >= 0)
        first += len(own)
    return out


def odd_units(segments: Sequence[Segment], units: Sequence[Sequence[Unit]]) -> FloatArray:
    """(n,) 1 for units in rows of tables that are not like the others."""
    out: list[bool] = []
    for segment, own in zip(segments, units, strict=True):
        spans = odd_in_tables(segment.text) if segment.kind == "json" else []
        starts = {start for start, _ in spans}
        inside = False
        for unit in own:
            inside = unit.start in starts or (inside and not unit.opens)
            out.append(inside)
    return np.array(out, np.float32)


def row_worth(
    segments: Sequence[Segment],
    units: Sequence[Sequence[Unit]],
    naming: Collection[int],
    *,
    loop: bool,
) -> dict[str, FloatArray]:
    """What rows add that are not like the others, and outside of loops the cells that name rows."""
    out: dict[str, FloatArray] = {}
    if all(s.kind != "json" for s in segments):
        return out
    odd = odd_units(segments, units)
    if odd.any():
        out[ODD] = (AGENT_ODD_WORTH if loop else ODD_WORTH) * odd
    if naming and not loop:
        out[ID] = ID_WORTH * np.isin(np.arange(len(odd)), list(naming)).astype(np.float32)
    return out


def asked_worth(kinds: Sequence[Kind], place: IntArray, score: Score) -> dict[str, FloatArray]:
    """What lines add that have a rare word of the question, in kinds where single lines answer.

    Args:
        kinds: of the segments.
        place: (n,) the segment that each unit is of.
        score: of the units.
    """
    if ASKED.keys().isdisjoint(kinds):
        return {}
    out = np.zeros(len(place), np.float32)
    for kind, (share, worth) in ASKED.items():
        if kind in kinds:
            mine = np.array([k == kind for k in kinds])[place]
            out[mine & named_units(score, share)] = worth
    return {NAMED: out} if out.any() else {}


def first_of(templates: IntArray) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit is the first of its template, or has none."""
    out: npt.NDArray[np.bool_] = np.equal(templates, NO_TEMPLATE)
    out[np.unique(templates, return_index=True)[1]] = True
    return out


def named_units(score: Score, share: float) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit holds a word of the question that few others have."""
    n = score.hits.shape[1]
    few = np.count_nonzero(score.hits, axis=1) <= max(NAMED_LINES, share * n)
    return np.asarray(score.hits[few].any(axis=0), np.bool_)


def tell_of_errors(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit holds a word for errors."""
    out = np.zeros(len(texts), np.bool_)
    joined = "\0".join(texts)
    lowered = texts if joined.isascii() else [t.lower() for t in texts]
    joined = joined.lower()
    ends = [*accumulate(len(text) + 1 for text in lowered)]
    for word in ERROR_WORDS:
        at = joined.find(word)
        while at >= 0:
            unit = bisect_right(ends, at)
            out[unit] = True
            at = joined.find(word, ends[unit])
    return out


def templates_of(
    segments: Sequence[Segment], units: Sequence[Sequence[Unit]], texts: Sequence[str]
) -> IntArray:
    """A number per unit that repeats of one event share: its text with digits and hashes masked.

    Two frames of a trace are the same only to the letter.
    """
    numbers: dict[str, int] = {}
    out = np.full(len(texts), NO_TEMPLATE, np.int64)
    at = 0
    for segment, own in zip(segments, units, strict=True):
        if segment.kind in REPEATING_KINDS:
            mine = [
                t if u.part == FRAME else _VARYING.sub("0", t)
                for u, t in zip(own, texts[at : at + len(own)], strict=True)
            ]
            out[at : at + len(own)] = [numbers.setdefault(t, len(numbers)) for t in mine]
        at += len(own)
    return out
