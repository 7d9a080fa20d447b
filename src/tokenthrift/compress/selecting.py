"""The selective stage: of what is open, keep the units that matter for the question.

Scores come from `relevance`, structure adds a little, `choosing` chooses, and this module turns the
choice into edits with marks in place. Kept units are verbatim.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from tokenthrift.compress import markers, relevance
from tokenthrift.compress.choosing import GAP_TOKENS, Choice, choose_units
from tokenthrift.compress.html_units import density
from tokenthrift.compress.units import units_of
from tokenthrift.draft import Draft, Edit, Resources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.types import Frame, Segment, Unit

# What structure adds to a relevance of at most 1, set on the visible recordings (benchmarks/README.md).
ERROR_WORTH: Final = 0.35
AGENT_ERROR_WORTH: Final = 0.10  # in agent loops most error words stand in code
RARE_WORTH: Final = 0.10
EDGE_WORTH: Final = 0.05
RECENT_WORTH: Final = 0.6
HTML_RELEVANCE: Final = 0.5  # of the question in a page, against the density of its text
NAME_WORTH: Final = 0.4
NAMES_ENOUGH: Final = 3
LEGEND_TOKENS: Final = 24
FITTING_ROUNDS: Final = 4

RECORD_KINDS: Final = frozenset({"json", "table", "search"})
PASSAGE_CHARACTERS: Final = 300  # median length of a line from which lines are passages
REPEATING_KINDS: Final = frozenset({"log", "search", "table", "trace", "json"})

_ERROR = re.compile(
    r"\b(?:errors?|fail(?:ed|ure|ures|s)?|exceptions?|traceback|fatal|critical|panic|alert|denied|"
    r"refused|timed? ?out|timeout|warn(?:ing)?|abort(?:ed)?|corrupt(?:ed)?|invalid)\b"
    r"|[a-z]+(?:Error|Exception|Warning)\b",
    re.IGNORECASE,
)
# What later steps of an agent refer to: ids, paths, dotted, snake and camel names.
_NAME = re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z_])\w{5,}\b|\w+(?:[./_-]\w+)+|\b[a-z]+[A-Z]\w+")
_VARYING = re.compile(r"0x[0-9a-fA-F]+|[0-9a-fA-F]{8,}|\d+")


TRIM: Final = "trim"  # cuts of protected text leave their legend to the selection that follows


class Select(BaseModel):
    """Keep the units that matter for the question; leave a mark where others stood.

    Without a hard budget it takes ``keep`` of every long enough segment of the given roles. Under a
    hard budget it takes what fits, from everything that is open.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Literal["select"] = "select"
    keep: float = Field(default=0.5, gt=0, le=1)
    """Share of the open tokens to keep where no hard budget asks for less."""
    min_tokens: int = Field(default=800, ge=0)
    """Segments smaller than this are left whole unless a hard budget asks."""
    roles: tuple[Literal["user", "tool", "assistant"], ...] = ("tool", "user")
    """Whose text may be cut."""

    @property
    def name(self) -> str:
        """The word that names the stage."""
        return self.stage

    @property
    def level(self) -> int:
        """How hard it compresses."""
        return 2

    def __call__(self, draft: Draft, resources: Resources, /) -> Draft:
        """Cut what is open to the target."""
        budget = draft.window.budget_tokens
        over = 0 if budget is None else draft.tokens - budget
        if over > 0:
            segments = draft.open_segments()
            return select(draft, segments, _size(draft, segments) - over)
        segments = [
            s for s in draft.open_segments() if s.role in self.roles and s.tokens >= self.min_tokens
        ]
        notes = [
            (s.id, f"select: under {self.min_tokens} tokens, left whole")
            for s in draft.open_segments()
            if s.tokens < self.min_tokens
        ]
        if not segments or self.keep >= 1:
            return draft.edit(self.name, [], notes)
        return select(draft, segments, int(self.keep * _size(draft, segments)), notes)


def _size(draft: Draft, segments: Sequence[Segment]) -> int:
    """Tokens that a selection over these segments decides on."""
    loose = _loose(draft, segments)
    return sum(s.tokens for s in segments) + sum(f.tokens for f in loose.values())


def _loose(draft: Draft, segments: Sequence[Segment]) -> dict[int, Frame]:
    """Messages that may go whole: not pinned, and all of their text is in the selection."""
    chosen = {s.id for s in segments}
    whole = {s.message for s in segments}
    whole -= {s.message for s in draft.segments if s.text and s.id not in chosen}
    return {f.message: f for f in draft.frames if f.message in whole and not f.pinned}


def select(
    draft: Draft,
    segments: Sequence[Segment],
    target_tokens: int,
    notes: Sequence[tuple[str, str]] = (),
    stage: str = "select",
) -> Draft:
    """Cut segments so that they and their messages' frames take at most ``target_tokens``.

    The choice works on sums of units; the joined text is counted exactly, and the choice repeated
    with a corrected allowance until it fits closely.
    """
    if not segments:
        return draft.edit(stage, [], notes)
    goal = draft.tokens - _size(draft, segments) + max(0, target_tokens)
    material = _Material.of(draft, segments, with_legend=stage != TRIM)
    allowance = target_tokens
    best: Draft | None = None
    for _ in range(FITTING_ROUNDS):
        after = draft.edit(stage, material.edits(allowance), notes)
        fits = after.tokens <= goal
        if fits and (best is None or after.tokens > best.tokens or best.tokens > goal):
            best = after
        if best is None or (not fits and best.tokens > after.tokens):
            best = after
        slack = goal - after.tokens
        if 0 <= slack <= max(8, goal // 100):
            break
        allowance += slack if slack > 0 else slack - 8
    return best if best is not None else draft


@dataclass(frozen=True, slots=True)
class _Material:
    """Units of the segments with what each is worth; computed once, chosen from several times."""

    segments: Sequence[Segment]
    units: Sequence[Sequence[Unit]]
    choices: Sequence[Choice]
    loose: dict[int, Frame]
    fixed_tokens: int
    skipped: int
    with_legend: bool

    @classmethod
    def of(cls, draft: Draft, segments: Sequence[Segment], *, with_legend: bool) -> _Material:
        """Cut the segments into units and find out what each is worth."""
        units = [units_of(s.text, s.kind, draft.count) for s in segments]
        loose = _loose(draft, segments)
        values = _values(draft, segments, units)
        choices = []
        at = 0
        for block, (segment, own) in enumerate(zip(segments, units, strict=True)):
            frame = loose.get(segment.message)
            opening = frame.tokens if frame else -GAP_TOKENS
            for unit in own:
                value, template = values[at]
                choices.append(
                    Choice(value, unit.tokens, template, block, opening, unit.anchor)
                )
                at += 1
        pinned = sum(s.message not in loose for s in segments)
        fixed = pinned * GAP_TOKENS + (LEGEND_TOKENS if with_legend else 0)
        before = sum(f.removed and f.turn >= draft.window.first_turn for f in draft.frames)
        return cls(segments, units, choices, loose, fixed, before, with_legend)

    def edits(self, allowance_tokens: int) -> list[Edit]:
        """The edits that keep the best units within an allowance."""
        kept = choose_units(self.choices, allowance_tokens - self.fixed_tokens)
        writer = _Writer(self.skipped, with_legend=self.with_legend)
        flags = []
        at = 0
        for own in self.units:
            flags.append(kept[at : at + len(own)])
            at += len(own)
        stay = {s.message for s, k in zip(self.segments, flags, strict=True) if any(k)}
        for segment, own, mine in zip(self.segments, self.units, flags, strict=True):
            goes = segment.message in self.loose and segment.message not in stay
            writer.add(segment, own, mine, removed=goes)
        return writer.finish()


def _values(
    draft: Draft, segments: Sequence[Segment], units: Sequence[Sequence[Unit]]
) -> list[tuple[float, int]]:
    """Value and template number of every unit."""
    texts = [s.text[u.start : u.end] for s, own in zip(segments, units, strict=True) for u in own]
    tokens = [u.tokens for own in units for u in own]
    groups = _groups(segments, units)
    query = relevance.query_terms(draft.window.question, draft.window.context)
    scores = relevance.score(query, texts, tokens, groups).values
    top = float(scores.max()) if len(scores) else 0.0
    agent = len(segments) > 3 and _is_agent(draft)
    numbers: dict[str, int] = {}
    masked = []
    for segment, own in zip(segments, units, strict=True):
        for unit in own:
            text = segment.text[unit.start : unit.end]
            if segment.kind in REPEATING_KINDS:
                masked.append(numbers.setdefault(_VARYING.sub("0", text), len(numbers)))
            else:
                masked.append(-1)
    often = [0] * (len(numbers) + 1)
    for template in masked:
        often[template] += 1
    out = []
    at = 0
    for place, (segment, own) in enumerate(zip(segments, units, strict=True)):
        dense = density(texts[at : at + len(own)]) if segment.kind == "html" else None
        for n, unit in enumerate(own):
            value = float(scores[at]) / top if top else 0.0
            text = texts[at]
            if dense is not None:
                value = (value * HTML_RELEVANCE + 1) * dense[n]
            if segment.kind != "html" and _ERROR.search(text):
                value += AGENT_ERROR_WORTH if agent else ERROR_WORTH
            if masked[at] >= 0:
                value += RARE_WORTH / often[masked[at]]
            if n in (0, len(own) - 1):
                value += EDGE_WORTH
            if agent:
                value += RECENT_WORTH * (place + 1) / len(segments)
                value += NAME_WORTH * min(1.0, len(_NAME.findall(text)) / NAMES_ENOUGH)
            if not text.strip():
                value = 0.0
            out.append((value, masked[at]))
            at += 1
    return out


def _is_agent(draft: Draft) -> bool:
    """Whether a model works with tools here: calls, or fenced commands in most of its texts."""
    if any(f.role == "tool" for f in draft.frames):
        return True
    texts = [s for s in draft.segments if s.role == "assistant"]
    acting = {s.message for s in texts if s.kind not in ("prose", "markdown")}
    return 2 * len(acting) > len({s.message for s in texts}) > 1


def _groups(segments: Sequence[Segment], units: Sequence[Sequence[Unit]]) -> list[int]:
    """Where windows of relevance stop.

    They run through prose and through a conversation, but not across the border of a tool result,
    of a passage, or of a record.
    """
    out: list[int] = []
    group = 0
    for segment, own in zip(segments, units, strict=True):
        group += segment.role == "tool"
        passages = segment.kind in RECORD_KINDS or _is_passages(segment.text)
        for unit in own:
            starts = unit.start == 0 or segment.text[unit.start - 1] == "\n"
            group += passages and starts
            out.append(group)
        group += segment.role == "tool" or passages
    return out


def _is_passages(text: str) -> bool:
    """Whether a text is a list of passages: nearly all of it in long lines."""
    lines = [len(line) for line in text.split("\n") if line.strip()]
    return len(lines) > 2 and median(lines) >= PASSAGE_CHARACTERS


class _Writer:
    """Turns kept units into edits, with marks in place and one legend at the end."""

    def __init__(self, skipped: int, *, with_legend: bool) -> None:
        self._with_legend = with_legend
        self._texts: list[list[str]] = []
        self._cut: list[tuple[Segment, int, int]] = []
        self._removed: dict[int, None] = {}
        self._lost: list[str] = []
        self._tokens = [0, 0]
        self._skipped = skipped

    def add(
        self, segment: Segment, units: Sequence[Unit], kept: Sequence[bool], *, removed: bool
    ) -> None:
        """Write one segment, or count it to a message that goes as a whole."""
        self._tokens[0] += segment.tokens
        self._tokens[1] += sum(u.tokens for u, k in zip(units, kept, strict=True) if k)
        if removed:
            self._skipped += segment.message not in self._removed
            self._removed[segment.message] = None
            self._lost.append(segment.text)
            return
        out: list[str] = []
        if self._skipped:
            if self._texts:
                self._texts[-1].append(_on_own_line(self._texts[-1], self._skipped))
            else:
                out.append(markers.messages_gap(self._skipped))
            self._skipped = 0
        out += self._body(segment, units, kept)
        self._texts.append(out)
        self._cut.append((segment, kept.count(False), len(units)))

    def _body(
        self, segment: Segment, units: Sequence[Unit], kept: Sequence[bool]
    ) -> list[str]:
        out: list[str] = []
        n = 0
        while n < len(units):
            if kept[n]:
                out.append(segment.text[units[n].start : units[n].end])
                n += 1
                continue
            first = n
            while n < len(units) and not kept[n]:
                n += 1
            gone = segment.text[units[first].start : units[n - 1].end]
            if not gone.strip():
                out.append("\n" if "\n" in gone else " ")
                continue
            self._lost.append(gone)
            starts_line = units[first].start == 0 or segment.text[units[first].start - 1] == "\n"
            out.append(markers.gap(n - first, own_line=starts_line and gone.endswith("\n")))
        return out

    def finish(self) -> list[Edit]:
        """All edits; none if nothing was left out."""
        if not self._lost:
            return []
        address = markers.recall_id(self._lost)
        if self._texts:
            last = self._texts[-1]
            if self._skipped:
                last.append(_on_own_line(last, self._skipped))
            if self._with_legend:
                last.append(markers.legend(self._tokens[0], self._tokens[1], address))
        edits = []
        for message in self._removed:
            edits.append(
                Edit(f"m{message}", "remove", "", "little to do with the question", 2, 1, 1, address)
            )
        for (segment, dropped, total), out in zip(self._cut, self._texts, strict=True):
            text = "".join(out)
            if text != segment.text:
                reason = f"kept {total - dropped} of {total} units by relevance and structure"
                edits.append(
                    Edit(segment.id, "replace", text, reason, 2, dropped, total, address)
                )
        return edits


def _on_own_line(before: Sequence[str], messages: int) -> str:
    mark = markers.messages_gap(messages)
    return mark if before and before[-1].endswith("\n") else f"\n{mark}"
