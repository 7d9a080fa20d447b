"""What each unit is worth: its relevance to the question plus what structure says of it.

Pure scoring. The constants were set on one part of the recorded data and are reported on the other
(benchmarks/README.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
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
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy.typing as npt

    from tokenthrift.compress.events import Events
    from tokenthrift.compress.relevance.lexical import Score
    from tokenthrift.compress.relevance.material import FloatArray, IntArray
    from tokenthrift.compress.relevance.rungs import RungName
    from tokenthrift.draft import Draft, Resources
    from tokenthrift.types import Kind, Segment, Unit

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


@dataclass(frozen=True, slots=True)
class _Window:
    """The units of a window, one after the other.

    Attributes:
        texts: what each says.
        tokens: what each costs.
        parts: what each is in the form of its kind.
        place: (n,) number of its segment.
        agent: whether a model works with tools here, to whom the texts are no retrieved passages.
    """

    segments: Sequence[Segment]
    units: Sequence[Sequence[Unit]]
    texts: Sequence[str]
    tokens: IntArray
    parts: Sequence[str]
    place: IntArray
    agent: bool

    @classmethod
    def of(
        cls, draft: Draft, segments: Sequence[Segment], units: Sequence[Sequence[Unit]]
    ) -> _Window:
        every = [u for own in units for u in own]
        return cls(
            segments,
            units,
            [t for s, own in zip(segments, units, strict=True) for t in _said(s, own)],
            np.fromiter([u.tokens for u in every], np.int64, len(every)),
            [u.part for u in every],
            np.arange(len(segments)).repeat([len(own) for own in units]),
            in_loop(draft) and not all(_is_retrieved(s) for s in segments),
        )

    def has(self, kind: Kind) -> bool:
        """Whether one of the segments is of a kind."""
        return any(s.kind == kind for s in self.segments)

    def where(self, test: Callable[[Segment], bool]) -> npt.NDArray[np.bool_]:
        """(n,) whether a unit is of a segment that passes a test."""
        passing = [test(s) for s in self.segments]
        if len(set(passing)) == 1:
            return np.full(len(self.texts), passing[0])
        return np.array(passing, np.bool_)[self.place]

    def material(self) -> Units:
        """What scorers are given."""
        own = list(zip(self.segments, self.units, strict=True))
        return Units(
            self.texts,
            self.tokens,
            groups_of(self.segments, self.units),
            [(s.text, [u.end for u in units]) for s, units in own],
            [s.kind in RECORD_KINDS for s, units in own for _ in units],
            [u.carry for units in self.units for u in units],
        )


def worth_of(
    draft: Draft,
    segments: Sequence[Segment],
    units: Sequence[Sequence[Unit]],
    rung: RungName,
    resources: Resources,
) -> Worth:
    """What every unit is worth for the draft's window, segment after segment."""
    window = _Window.of(draft, segments, units)
    texts, agent, n = window.texts, window.agent, len(window.texts)
    question = Question(draft.window.question, trajectory_of(draft.seen) if agent else "")
    material = window.material()
    score = score_units(question, material, rung, resources)
    relevance = score.values / max(np.float32(1e-9), score.values.max(initial=0.0))
    structured = np.ones(n, np.bool_) if agent else ~window.where(_is_speech)
    naming = naming_units(segments, units)
    templates, structure = _structure(window, score, relevance, structured, naming)
    names = Names([()] * n, np.zeros(0, np.float32))
    if agent:
        structure[ERROR] *= np.float32(AGENT_ERROR_WORTH / ERROR_WORTH)
        ages = ((window.place + 1) / max(1, len(segments))).tolist()
        names = names_in(texts, ages, lambda found: _unseen(draft, segments, found), naming)
    if window.has("html"):
        relevance = _with_density(window, relevance, structure[ERROR])
    values = relevance + _sum(structure, n)
    repeated = _repeated(texts) | _in_repeated_passages(material, draft.count.encoding_name)
    values[repeated] *= REPEATED
    values[[i for i, text in enumerate(texts) if not text or text.isspace()]] = 0
    running = np.zeros(n, np.bool_) if agent else ~structured & ~material.in_passages
    core, waits = among(window.parts, CORE), among(window.parts, WAITING)
    core = core & first_of(templates) if core.any() else core
    return Worth(values, templates, running, repeated, names, score, structure, core, waits)


def _structure(
    window: _Window,
    score: Score,
    relevance: FloatArray,
    structured: npt.NDArray[np.bool_],
    naming: Collection[int],
) -> tuple[IntArray, dict[str, FloatArray]]:
    """Templates of units, and by name what structure adds to their relevance.

    Args:
        window: the units.
        score: their relevance, with the words of the question that each has.
        relevance: the same, 1 at most.
        structured: (n,) whether form says something of a unit.
        naming: units that name a row.
    """
    segments, units, texts, agent = window.segments, window.units, window.texts, window.agent
    templates = templates_of(segments, units, texts)
    logs = window.where(lambda s: s.kind == "log") if window.has("log") else None
    if logs is not None:
        told = events_of([texts[n] for n in logs.nonzero()[0].tolist()])
        templates[logs] = told.masks + templates.max(initial=0) + 1
    templates[among(window.parts, WAITING)] = NO_TEMPLATE
    structure = {
        **form_worth(texts, window.place, structured, templates),
        **part_worth(window.parts, loop=agent),
        **asked_worth([s.kind for s in segments], window.place, score),
    }
    if logs is not None:
        values = relevance + _sum(structure, len(texts))
        event = AGENT_ODD_WORTH if agent else EVENT_WORTH
        structure[EVENT] = event * _first_told(told, values, window.tokens, logs)
        # A repeat that is asked for is none.
        templates[logs & named_units(score, NAMED_SHARE)] = NO_TEMPLATE
    if naming:
        templates[list(naming)] = NO_TEMPLATE  # ids are alike in form, but none repeats another
    structure |= row_worth(segments, units, naming, loop=agent)
    return templates, structure


def _sum(structure: Mapping[str, FloatArray], n: int) -> FloatArray:
    """(n,) all that structure adds."""
    total = np.zeros(n, np.float32)
    for part in structure.values():
        total += part
    return total


def _with_density(window: _Window, relevance: FloatArray, errors: FloatArray) -> FloatArray:
    """Relevance where the density of text in markup counts too; there errors are no errors."""
    pages = window.where(lambda s: s.kind == "html")
    firsts = np.cumsum([0, *map(len, window.units)]).tolist()
    spans = zip(window.segments, pairwise(firsts), strict=True)
    dense = np.concatenate([_dense(s, window.texts[a:b]) for s, (a, b) in spans])
    errors[pages] = 0
    raw = pages & (dense >= 0)
    return np.where(raw, (relevance * HTML_RELEVANCE + 1) * dense, relevance)


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


def _dense(segment: Segment, texts: Sequence[str]) -> FloatArray:
    """How much of each unit of a page's markup is main text; below 0 where there is no markup."""
    if segment.kind != "html" or is_page_mark(segment.text):
        return np.full(len(texts), -1, np.float32)
    return np.array(density(texts), np.float32)


def _repeated(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit stands word for word further up; short ones do not count."""
    out = np.zeros(len(texts), np.bool_)
    if len(set(texts)) == len(texts):
        return out
    shown: set[str] = set()
    for n, text in enumerate(texts):
        if len(text) >= REPEAT_CHARACTERS and not text.isspace():
            out[n] = text in shown
            shown.add(text)
    return out


def _in_repeated_passages(units: Units, encoding: str) -> npt.NDArray[np.bool_]:
    """(n,) whether a unit is in a passage that an earlier passage nearly holds."""
    inside, numbers = units.in_passages, units.numbers
    passages = np.unique(numbers[inside]) if inside.any() else numbers[:0]
    if len(passages) < 2:
        return np.zeros(len(inside), np.bool_)
    ids, sizes = units.token_ids(encoding)
    own = ids[inside.repeat(sizes)]
    lengths = np.bincount(numbers, sizes).astype(np.int64)[passages]
    pairs = Likeness(own, lengths).near_duplicates(NEARLY_HELD)
    if not pairs:
        return np.zeros(len(inside), np.bool_)
    return np.isin(numbers, passages[[p.text for p in pairs]])


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
