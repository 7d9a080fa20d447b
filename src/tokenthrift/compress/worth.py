"""What each unit is worth: its relevance to the question plus what structure says of it.

Pure scoring. The constants were set on one part of the recorded data and are reported on the other
(benchmarks/README.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.events import events_of
from tokenthrift.compress.forms import rows_of
from tokenthrift.compress.html_units import density
from tokenthrift.compress.loops import in_loop
from tokenthrift.compress.markers import is_page_mark
from tokenthrift.compress.names import Names, name_set, names_in
from tokenthrift.compress.outliers import odd_in_tables
from tokenthrift.compress.question import trajectory_of
from tokenthrift.compress.relevance.likeness import Likeness
from tokenthrift.compress.relevance.material import Units
from tokenthrift.compress.relevance.reasons import reasons_of
from tokenthrift.compress.relevance.rungs import Question, score_units
from tokenthrift.compress.units import is_passages

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import numpy.typing as npt

    from tokenthrift.compress.events import Events
    from tokenthrift.compress.relevance.lexical import Score
    from tokenthrift.compress.relevance.material import FloatArray, IntArray
    from tokenthrift.compress.relevance.rungs import RungName
    from tokenthrift.draft import Draft, Resources
    from tokenthrift.types import Segment, Unit

# Added to a relevance of at most 1.
ERROR_WORTH: Final = 0.35
AGENT_ERROR_WORTH: Final = 0.10  # in agent loops most stand in code
RARE_WORTH: Final = 0.10  # of a template that occurs once; shared among its repeats
EVENT_WORTH: Final = 0.8  # in logs, of a line that tells of an event first
NAMED_WORTH: Final = 0.8  # in logs, of a line with a word of the question that few lines have
NAMED_SHARE: Final = 0.03  # of all units
NAMED_LINES: Final = 3
ODD_WORTH: Final = 0.05  # of a row of a table that is not like the others
AGENT_ODD_WORTH: Final = 6.0  # the same, or the first to tell of an event, against names
ID_WORTH: Final = 0.2  # of the cell that names a row whose rest may go
EDGE_WORTH: Final = 0.05  # of the first and last unit of a segment
HTML_RELEVANCE: Final = 0.5  # of the question in a page, against the density of its text

REPEATED: Final = 0.2  # of a unit that an earlier text of the window has
REPEAT_CHARACTERS: Final = 24
NEARLY_HELD: Final = 0.8  # share of a passage that an earlier one must hold

RECORD_KINDS: Final = frozenset({"json", "table", "search"})
PROSE_KINDS: Final = frozenset({"prose", "markdown"})
REPEATING_KINDS: Final = frozenset({"search", "table", "trace", "json"})
NO_TEMPLATE: Final = -1
ASIDE: Final = np.float32(-1)  # of a unit that goes even where there is room

ERROR, RARE, EDGE, ODD, ID = "error", "rare", "edge", "odd", "id"
EVENT, NAMED = "event", "named"
_PHRASES: Final = {
    ERROR: "tells of an error",
    RARE: "occurs once",
    EDGE: "first or last",
    ODD: "not like the other rows",
    ID: "names a row",
    EVENT: "tells of an event first",
    NAMED: "has a rare word of the question",
}

# Plain substrings of the lower-cased text: ten times faster than one pattern.
ERROR_WORDS: Final = (
    *("error", "exception", "traceback", "fail", "fatal", "critical", "panic", "denied", "refused"),
    *("timeout", "timed out", "warn", "abort", "corrupt", "invalid", "alert"),
)
_VARYING = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}|\d+")


@dataclass(frozen=True, slots=True)
class Worth:
    """What units are worth, and what that comes from.

    Attributes:
        values: (n,) float32, 0 or more; `ASIDE` for what is not to stay.
        templates: (n,) units with one number are repeats of one event; `NO_TEMPLATE` for none.
        running: (n,) whether a unit is part of running text, which is read on from its neighbours.
        repeated: (n,) whether a unit stands word for word further up, or in a passage that an
            earlier one nearly holds.
        names: in an agent's loop, what each unit shows that a later step can refer to.
        score: relevance to the question, on a scale of its own.
        structure: what structure adds, by name, (n,) float32 each, where relevance is at most 1.
    """

    values: FloatArray
    templates: IntArray
    running: npt.NDArray[np.bool_]
    repeated: npt.NDArray[np.bool_]
    names: Names
    score: Score
    structure: Mapping[str, FloatArray]

    def reasons(self) -> list[tuple[str, ...]]:
        """Of every unit, in a few words each, what its worth comes from."""
        out = [list(reason.says) for reason in reasons_of(self.score)]
        for name, says in _PHRASES.items():
            part = self.structure.get(name, np.zeros(0, np.float32))
            for n in np.flatnonzero(part > part.max(initial=0.0) / 2).tolist():
                out[n].append(says)
        for n, names in enumerate(self.names.of_unit):
            if names:
                out[n].append(f"{len(names)} names that a later step may need")
        for n in np.flatnonzero(self.repeated).tolist():
            out[n].append("an earlier text has it")
        for n in np.flatnonzero(self.values < 0).tolist():
            out[n].append("beside the main text of its page")
        return [tuple(says) for says in out]


def worth_of(
    draft: Draft,
    segments: Sequence[Segment],
    units: Sequence[Sequence[Unit]],
    rung: RungName,
    resources: Resources,
) -> Worth:
    """What every unit is worth for the draft's window, segment after segment."""
    texts = [t for s, own in zip(segments, units, strict=True) for t in _said(s, own)]
    tokens = [u.tokens for own in units for u in own]
    place = np.repeat(np.arange(len(segments)), [len(own) for own in units])
    agent = in_loop(draft) and not all(_is_retrieved(s) for s in segments)
    question = Question(draft.window.question, trajectory_of(draft.seen) if agent else "")
    wholes = [(s.text, [u.end for u in own]) for s, own in zip(segments, units, strict=True)]
    records = np.array([s.kind in RECORD_KINDS for s in segments], np.bool_)[place].tolist()
    carries = [u.carry for own in units for u in own]
    material = Units(texts, tokens, groups_of(segments, units), wholes, records, carries)
    score = score_units(question, material, rung, resources)
    relevance = score.values / max(np.float32(1e-9), score.values.max(initial=0.0))
    logs = np.array([s.kind == "log" for s in segments], np.bool_)[place]
    told = events_of([texts[n] for n in np.flatnonzero(logs).tolist()])
    templates = _templates(segments, units, texts)
    templates[logs] = told.masks + templates.max(initial=0) + 1
    structured = agent | ~np.array([_is_speech(s) for s in segments], np.bool_)[place]
    structure = _structure(texts, place, structured, templates)
    if logs.any():
        named = logs & _named(score)
        structure[NAMED] = NAMED_WORTH * named.astype(np.float32)
        values = relevance + sum(structure.values())
        event = AGENT_ODD_WORTH if agent else EVENT_WORTH
        structure[EVENT] = event * _first_told(told, values, np.array(tokens), logs)
        templates[named] = NO_TEMPLATE  # a repeat that is asked for is none
    names = Names([()] * len(texts), np.zeros(0, np.float32))
    naming = _naming(units)
    templates[list(naming)] = NO_TEMPLATE  # ids are alike in form, but none repeats another
    if naming and not agent:
        structure[ID] = ID_WORTH * np.isin(np.arange(len(texts)), list(naming)).astype(np.float32)
    odd = _odd(segments, units)
    if odd.any():
        structure[ODD] = (AGENT_ODD_WORTH if agent else ODD_WORTH) * odd
    if agent:
        structure[ERROR] *= np.float32(AGENT_ERROR_WORTH / ERROR_WORTH)
        ages = ((place + 1) / max(1, len(segments))).tolist()
        names = names_in(texts, ages, lambda found: _unseen(draft, segments, found), naming)
    pages = np.array([s.kind == "html" for s in segments], np.bool_)[place]
    if pages.any():
        dense = np.concatenate([_dense(s, texts, place == n) for n, s in enumerate(segments)])
        raw = pages & (dense >= 0)
        relevance = np.where(raw, (relevance * HTML_RELEVANCE + 1) * dense, relevance)
        structure[ERROR][pages] = 0
    values = relevance + sum(structure.values(), np.zeros(len(texts), np.float32))
    repeated = _repeated(texts) | _in_repeated_passages(material, draft.count.encoding_name)
    values[repeated] *= REPEATED
    values[[not t.strip() for t in texts]] = 0
    running = np.zeros(len(texts), np.bool_) if agent else ~structured & ~material.in_passages
    return Worth(values.astype(np.float32), templates, running, repeated, names, score, structure)


def _said(segment: Segment, units: Sequence[Unit]) -> list[str]:
    """What each unit says: its text, or the line that a row of a written form stands for."""
    rows = rows_of(segment.text) if segment.kind == "log" else []
    return [r.said for r in rows] or [segment.text[u.start : u.end] for u in units]


def _unseen(draft: Draft, segments: Sequence[Segment], found: Collection[str]) -> set[str]:
    """The names among those found that no text shows that stays whatever is chosen."""
    chosen = {s.id for s in segments}
    staying = [s for s in draft.new_segments if s.id not in chosen]
    names = set(found).difference(*(name_set(s.text) for s in staying))
    return names - draft.history.shows(names, name_set)


def _structure(
    texts: Sequence[str],
    place: IntArray,
    structured: npt.NDArray[np.bool_],
    templates: IntArray,
) -> dict[str, FloatArray]:
    """What the form of a text says of its units, whatever is asked."""
    n = len(texts)
    changes = np.diff(place, prepend=-1) != 0
    edges = changes | np.roll(changes, -1)
    rare = np.zeros(n, np.float32)
    counted = templates != NO_TEMPLATE
    rare[counted] = RARE_WORTH / np.bincount(templates[counted])[templates[counted]]
    return {
        ERROR: ERROR_WORTH * (structured & _tell_of_errors(texts)).astype(np.float32),
        RARE: rare,
        EDGE: EDGE_WORTH * (structured & edges).astype(np.float32),
    }


def _naming(units: Sequence[Sequence[Unit]]) -> set[int]:
    """The units that name a row whose rest may go."""
    out: set[int] = set()
    first = 0
    for own in units:
        out.update(first + u.head for u in own if u.head >= 0)
        first += len(own)
    return out


def _odd(segments: Sequence[Segment], units: Sequence[Sequence[Unit]]) -> FloatArray:
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


def _named(score: Score) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit holds a word of the question that few others have."""
    n = score.hits.shape[1]
    few = np.count_nonzero(score.hits, axis=1) <= max(NAMED_LINES, NAMED_SHARE * n)
    return np.asarray(score.hits[few].any(axis=0), np.bool_)


def _first_told(
    told: Events, values: FloatArray, tokens: IntArray, logs: npt.NDArray[np.bool_]
) -> FloatArray:
    """(n,) what a line of a log adds as the first to tell of its event; 0 elsewhere."""
    out = np.zeros(len(values), np.float32)
    out[logs] = told.first_told(values[logs], tokens[logs])
    return out


def _dense(segment: Segment, texts: Sequence[str], mine: npt.NDArray[np.bool_]) -> FloatArray:
    """How much of each unit of a page's markup is main text; below 0 where there is no markup."""
    if segment.kind != "html" or is_page_mark(segment.text):
        return np.full(int(mine.sum()), -1, np.float32)
    return np.array(density([texts[n] for n in np.flatnonzero(mine).tolist()]), np.float32)


def _tell_of_errors(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit holds a word for errors."""
    out = np.zeros(len(texts), np.bool_)
    joined = "\0".join(texts)
    lowered = texts if joined.isascii() else [t.lower() for t in texts]
    joined = joined.lower()
    sizes = np.fromiter(map(len, lowered), np.int64, len(texts))
    ends = np.cumsum(sizes + 1)
    for word in ERROR_WORDS:
        at = joined.find(word)
        while at >= 0:
            unit = int(np.searchsorted(ends, at, side="right"))
            out[unit] = True
            at = joined.find(word, int(ends[unit]))
    return out


def _repeated(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit stands word for word further up; short ones do not count."""
    shown: set[str] = set()
    out = np.zeros(len(texts), np.bool_)
    for n, text in enumerate(texts):
        if len(text) >= REPEAT_CHARACTERS and text.strip():
            out[n] = text in shown
            shown.add(text)
    return out


def _in_repeated_passages(units: Units, encoding: str) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit is in a passage that an earlier passage nearly holds."""
    out = units.in_passages.copy()
    passages = np.unique(units.numbers[out])
    if len(passages) < 2:
        return np.zeros(len(out), np.bool_)
    ids, sizes = units.token_ids(encoding)
    owners = units.numbers[np.repeat(np.arange(len(sizes)), sizes)]
    lengths = np.bincount(units.numbers, sizes).astype(np.int64)[passages]
    pairs = Likeness(ids[np.isin(owners, passages)], lengths).near_duplicates(NEARLY_HELD)
    held = passages[[p.text for p in pairs]] if pairs else passages[:0]
    return np.isin(units.numbers, held)


def _templates(
    segments: Sequence[Segment], units: Sequence[Sequence[Unit]], texts: Sequence[str]
) -> IntArray:
    """A number per unit that repeats of one event share: its text with digits and hashes masked."""
    numbers: dict[str, int] = {}
    out = np.full(len(texts), NO_TEMPLATE, np.int64)
    at = 0
    for segment, own in zip(segments, units, strict=True):
        if segment.kind in REPEATING_KINDS:
            mine = [_VARYING.sub("0", t) for t in texts[at : at + len(own)]]
            out[at : at + len(own)] = [numbers.setdefault(t, len(numbers)) for t in mine]
        at += len(own)
    return out


def groups_of(segments: Sequence[Segment], units: Sequence[Sequence[Unit]]) -> list[int]:
    """Where windows of relevance stop.

    They run through prose and through a conversation, but not across the border of a tool result,
    of a passage, or of a record.
    """
    out: list[int] = []
    group = 0
    for segment, own in zip(segments, units, strict=True):
        group += segment.role == "tool"
        apart = segment.kind in RECORD_KINDS or is_passages(segment.text)
        for unit in own:
            group += apart and unit.opens
            out.append(group)
        group += segment.role == "tool" or apart
    return out


def _is_retrieved(segment: Segment) -> bool:
    """Whether a text is passages of prose, to which a question is put also in a loop."""
    return segment.kind in PROSE_KINDS and is_passages(segment.text)


def _is_speech(segment: Segment) -> bool:
    """Whether words for errors and first lines are a matter of talk here, not of structure."""
    spoken = segment.role != "tool" and segment.kind in PROSE_KINDS
    return spoken or is_passages(segment.text)
