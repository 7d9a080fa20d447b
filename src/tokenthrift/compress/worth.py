"""What each unit is worth: its relevance to the question plus what structure says of it.

Pure scoring. The constants were set on one part of the recorded data and are reported on the other
(benchmarks/README.md).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from tokenthrift.compress.relevance import lexical as relevance
from tokenthrift.compress.html_units import density
from tokenthrift.compress.relevance.languages import language_of
from tokenthrift.compress.units import is_passages
from tokenthrift.compress.relevance.words import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.compress.relevance.lexical import FloatArray
    from tokenthrift.draft import Draft
    from tokenthrift.types import Encoder, Segment, Unit

# Added to a relevance of at most 1.
ERROR_WORTH: Final = 0.35
AGENT_ERROR_WORTH: Final = 0.10  # in agent loops most stand in code
RARE_WORTH: Final = 0.10  # of a template that occurs once; shared among its repeats
EDGE_WORTH: Final = 0.05  # of the first and last unit of a segment
RECENT_WORTH: Final = 0.6  # of the newest segment of an agent loop
NAME_WORTH: Final = 1.5  # of a unit with at least NAMES_ENOUGH ids, paths or names, in agent loops
NAMES_ENOUGH: Final = 3
HTML_RELEVANCE: Final = 0.5  # of the question in a page, against the density of its text

REPEATED: Final = 0.2  # of a unit that stands word for word further up in the window
REPEAT_CHARACTERS: Final = 24

AGENT_SEGMENTS: Final = 3  # a single answer of a tool is no loop yet
RECORD_KINDS: Final = frozenset({"json", "table", "search"})
PROSE_KINDS: Final = frozenset({"prose", "markdown"})
REPEATING_KINDS: Final = frozenset({"log", "search", "table", "trace", "json"})
NO_TEMPLATE: Final = -1

# Plain substrings of the lower-cased text: ten times faster than one pattern.
ERROR_WORDS: Final = (
    *("error", "exception", "traceback", "fail", "fatal", "critical", "panic", "denied", "refused"),
    *("timeout", "timed out", "warn", "abort", "corrupt", "invalid", "alert"),
)
NAME = re.compile(
    r"\b(?=\w*\d)(?=\w*[A-Za-z_])\w{5,}\b"  # ids of letters and digits
    r"|\b\w+(?:[./-]\w+)+"  # paths, dotted and dashed names
    r"|\b[^\W_]+(?:_[^\W_]+)+"  # snake_case
    r"|\b[a-z]+[A-Z]\w+"  # camelCase
)
"""What later steps of an agent refer to."""
_VARYING = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}|\d+")


@dataclass(frozen=True, slots=True)
class Worth:
    """Value of a unit, and the number of its template (`NO_TEMPLATE` for none)."""

    value: float
    template: int


def worth_of(
    draft: Draft,
    segments: Sequence[Segment],
    units: Sequence[Sequence[Unit]],
    encoder: Encoder | None = None,
) -> list[Worth]:
    """What every unit is worth for the draft's window, segment after segment."""
    texts = [s.text[u.start : u.end] for s, own in zip(segments, units, strict=True) for u in own]
    tokens = [u.tokens for own in units for u in own]
    groups = groups_of(segments, units)
    question, context = draft.window.question, draft.window.context
    language = language_of(words_of(question), chain.from_iterable(map(words_of, texts)))
    query = relevance.query_terms(question, context, language)
    agent = len(segments) > AGENT_SEGMENTS and _is_agent(draft)
    windows = relevance.AGENT_WINDOWS if agent else relevance.WINDOWS
    scores = relevance.score(query, texts, tokens, groups, language, windows).values
    scores = scores / np.float32(max(float(scores.max(initial=0.0)), 1e-9))
    if encoder is not None and texts:
        scores = (scores + _similarity(encoder, draft.window.question, texts)) / np.float32(2)
    templates = _templates(segments, units, texts)
    often = Counter(templates)
    shown: set[str] = set()
    out: list[Worth] = []
    for place, (segment, own) in enumerate(zip(segments, units, strict=True)):
        at = len(out)
        mine = texts[at : at + len(own)]
        dense = density(mine) if segment.kind == "html" else None
        recent = (place + 1) / len(segments)
        structured = agent or not _is_speech(segment)
        for n, text in enumerate(mine):
            if not text.strip():
                out.append(Worth(0.0, NO_TEMPLATE))
                continue
            value = float(scores[at + n])
            template = templates[at + n]
            if dense is not None:
                value = (value * HTML_RELEVANCE + 1) * dense[n]
            elif structured and _tells_of_errors(text):
                value += AGENT_ERROR_WORTH if agent else ERROR_WORTH
            if template != NO_TEMPLATE:
                value += RARE_WORTH / often[template]
            if n in (0, len(mine) - 1) and structured:
                value += EDGE_WORTH
            if agent:
                value += _agent_worth(text, recent)
            if len(text) >= REPEAT_CHARACTERS:
                value *= REPEATED if text in shown else 1.0
                shown.add(text)
            out.append(Worth(value, template))
    return out


def _similarity(encoder: Encoder, question: str, texts: Sequence[str]) -> FloatArray:
    """Cosine of each unit with the question, scaled to 0..1 over the units."""
    vectors = encoder.encode([question, *texts])
    cosine = vectors[1:] @ vectors[0]
    low, high = float(cosine.min()), float(cosine.max())
    return np.asarray((cosine - low) / max(high - low, 1e-9), np.float32)


def _tells_of_errors(text: str) -> bool:
    lower = text.lower()
    return any(word in lower for word in ERROR_WORDS)


def _agent_worth(text: str, recent: float) -> float:
    """What a step of an agent is likely to need next: what is new, and names it can refer to."""
    names = min(1.0, len(NAME.findall(text)) / NAMES_ENOUGH)
    return RECENT_WORTH * recent + NAME_WORTH * names


def _templates(
    segments: Sequence[Segment], units: Sequence[Sequence[Unit]], texts: Sequence[str]
) -> list[int]:
    """A number per unit that repeats of one event share: its text with digits and hashes masked."""
    numbers: dict[str, int] = {}
    out: list[int] = []
    for segment, own in zip(segments, units, strict=True):
        mine = texts[len(out) : len(out) + len(own)]
        if segment.kind in REPEATING_KINDS:
            out += [numbers.setdefault(_VARYING.sub("0", t), len(numbers)) for t in mine]
        else:
            out += [NO_TEMPLATE] * len(mine)
    return out


def _is_agent(draft: Draft) -> bool:
    """Whether a model works with tools here: calls, or fenced commands in most of its texts."""
    if any(f.role == "tool" for f in draft.frames):
        return True
    texts = [s for s in draft.segments if s.role == "assistant"]
    acting = {s.message for s in texts if s.kind not in ("prose", "markdown")}
    return 2 * len(acting) > len({s.message for s in texts}) > 1


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
            starts = unit.start == 0 or segment.text[unit.start - 1] == "\n"
            group += apart and starts
            out.append(group)
        group += segment.role == "tool" or apart
    return out


def _is_speech(segment: Segment) -> bool:
    """Whether words for errors and first lines are a matter of talk here, not of structure."""
    spoken = segment.role != "tool" and segment.kind in PROSE_KINDS
    return spoken or is_passages(segment.text)
