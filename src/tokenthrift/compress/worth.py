"""What each unit is worth: its relevance to the question plus what structure says of it.

Pure scoring. The constants were set on one part of the recorded data and are reported on the other
(benchmarks/README.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.events import events_of
from tokenthrift.compress.forms import rows_of
from tokenthrift.compress.html_units import density
from tokenthrift.compress.loops import in_loop
from tokenthrift.compress.markers import is_page_mark
from tokenthrift.compress.names import Names, name_set, names_in
from tokenthrift.compress.outlines import CORE, WAITING, among, part_worth
from tokenthrift.compress.question import trajectory_of
from tokenthrift.compress.relevance.likeness import Likeness
from tokenthrift.compress.relevance.material import Units
from tokenthrift.compress.relevance.reasons import reasons_of
from tokenthrift.compress.relevance.rungs import Question, score_units
from tokenthrift.compress.structure import (
    AGENT_ERROR_WORTH,
    AGENT_ODD_WORTH,
    ERROR,
    ERROR_WORTH,
    EVENT,
    EVENT_WORTH,
    NAMED_SHARE,
    NO_TEMPLATE,
    PHRASES,
    asked_worth,
    first_of,
    form_worth,
    named_units,
    naming_units,
    row_worth,
    templates_of,
)
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

HTML_RELEVANCE: Final = 0.5  # of the question in a page, against the density of its text

REPEATED: Final = 0.2  # of a unit that an earlier text of the window has
REPEAT_CHARACTERS: Final = 24
NEARLY_HELD: Final = 0.8  # share of a passage that an earlier one must hold

RECORD_KINDS: Final = frozenset({"json", "table", "search", "diff"})
PROSE_KINDS: Final = frozenset({"prose", "markdown"})
ASIDE: Final = np.float32(-1)  # of a unit that goes even where there is room


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
        core: (n,) what comes first in its segment: what a diff changes, messages and frames of a
            trace; not its repeats.
        waits: (n,) what waits for the core of its segment.
    """

    values: FloatArray
    templates: IntArray
    running: npt.NDArray[np.bool_]
    repeated: npt.NDArray[np.bool_]
    names: Names
    score: Score
    structure: Mapping[str, FloatArray]
    core: npt.NDArray[np.bool_]
    waits: npt.NDArray[np.bool_]

    def reasons(self) -> list[tuple[str, ...]]:
        """Of every unit, in a few words each, what its worth comes from."""
        out = [list(reason.says) for reason in reasons_of(self.score)]
        for name, says in PHRASES.items():
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
    templates = templates_of(segments, units, texts)
    templates[logs] = told.masks + templates.max(initial=0) + 1
    parts = [u.part for own in units for u in own]
    waits = among(parts, WAITING)
    templates[waits] = NO_TEMPLATE
    structured = agent | ~np.array([_is_speech(s) for s in segments], np.bool_)[place]
    structure = {**form_worth(texts, place, structured, templates), **part_worth(parts, loop=agent)}
    kinds = np.array([s.kind for s in segments], object)[place]
    structure |= asked_worth(kinds, score)
    if logs.any():
        named = logs & named_units(score, NAMED_SHARE)
        values = relevance + sum(structure.values())
        event = AGENT_ODD_WORTH if agent else EVENT_WORTH
        structure[EVENT] = event * _first_told(told, values, np.array(tokens), logs)
        templates[named] = NO_TEMPLATE  # a repeat that is asked for is none
    names = Names([()] * len(texts), np.zeros(0, np.float32))
    naming = naming_units(segments, units)
    templates[list(naming)] = NO_TEMPLATE  # ids are alike in form, but none repeats another
    structure |= row_worth(segments, units, naming, loop=agent)
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
    core = among(parts, CORE) & first_of(templates)
    return Worth(
        values.astype(np.float32),
        templates,
        running,
        repeated,
        names,
        score,
        structure,
        core,
        waits,
    )


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
