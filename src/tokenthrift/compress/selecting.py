"""The selective stage: of what is open, keep the units that matter for the question.

`worth` says what each unit is worth, `choosing` chooses, `writing` turns the choice into edits;
this module fits the result to its target, counted exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np

from tokenthrift.compress.choosing import GAP_TOKENS, Choices, Ready
from tokenthrift.compress.code_units import MARK_TOKENS, Source, sources_of
from tokenthrift.compress.code_worth import favoured
from tokenthrift.compress.loops import in_loop
from tokenthrift.compress.main_text import aside_units
from tokenthrift.compress.pointers import with_pointers
from tokenthrift.compress.relevance.rungs import PLAIN, RungName
from tokenthrift.compress.units import units_of
from tokenthrift.compress.worth import ASIDE, Worth, worth_of
from tokenthrift.compress.writing import Writer
from tokenthrift.draft import UnitNote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenthrift.draft import Draft, Edit, Resources
    from tokenthrift.types import Frame, Segment, TokenCounter, Unit

PagesKept: TypeAlias = Literal["main", "all"]
CodeCut: TypeAlias = Literal["lines", "syntax"]

LEGEND_TOKENS: Final = 16
FITTING_ROUNDS: Final = 4
NEAR_SHARE: Final = 0.03  # of a share that is wished for; sums of units miss large texts by less


def size_of(draft: Draft, segments: Sequence[Segment]) -> int:
    """Tokens that a selection over these segments decides on."""
    loose = _loose(draft, segments)
    return sum(s.tokens for s in segments) + sum(f.tokens for f in loose.values())


def _loose(draft: Draft, segments: Sequence[Segment]) -> dict[int, Frame]:
    """Messages that may go whole: not pinned, and all of their text is in the selection."""
    chosen = {s.id for s in segments}
    whole = {s.message for s in segments}
    whole -= {s.message for s in draft.new_segments if s.text and s.id not in chosen}
    return {f.message: f for f in draft.new_frames if f.message in whole and not f.pinned}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a selection scores, and how it is recorded.

    Attributes:
        stage: name of its step.
        rung: of the ladder of scorers.
        resources: what the rung needs, and whether edits explain themselves.
        notes: why other segments were left alone.
        with_legend: whether it explains its marks (or a later selection does).
        pages: what may stay of web pages.
        code: how source text is cut.
        exact: whether the target is a budget that must be met, or a share that is wished for.
        core_stays: whether the core of a text (what a diff changes, the messages of a trace) stays
            however much more than the target it is.
    """

    stage: str = "select"
    rung: RungName = "fast"
    resources: Resources = PLAIN
    notes: Sequence[tuple[str, str]] = ()
    with_legend: bool = True
    pages: PagesKept = "all"
    code: CodeCut = "lines"
    exact: bool = True
    core_stays: bool = False


PLAINLY: Final = Manner()


def select(
    draft: Draft,
    segments: Sequence[Segment],
    target_tokens: int,
    manner: Manner = PLAINLY,
) -> Draft:
    """Cut segments so that they and their messages' frames take at most ``target_tokens``.

    The choice works on sums of units; the joined text is counted exactly, and the choice repeated
    with a corrected allowance until it fits closely, or comes near to a share that is wished for.
    """
    if not segments:
        return draft.edit(manner.stage, [], manner.notes)
    # Under a hard budget what is asked decides, and a name without its row answers nothing.
    alone = not manner.exact or in_loop(draft)
    sources = sources_of(draft, segments) if manner.code == "syntax" else [None] * len(segments)
    scored = [s if code is None else code.of(s) for s, code in zip(segments, sources, strict=True)]
    units: Sequence[Sequence[Unit]] = [
        with_pointers(s.text, units_of(s.text, s.kind, draft.count, names_alone=alone))
        if code is None
        else code.loose
        for s, code in zip(segments, sources, strict=True)
    ]
    worth = worth_of(draft, scored, units, manner.rung, manner.resources)
    if manner.core_stays and worth.core.any():
        target_tokens += _lacking(units, worth, target_tokens / max(1, size_of(draft, segments)))
    goal = draft.tokens - size_of(draft, segments) + max(0, target_tokens)
    if manner.pages == "main":
        worth = _without_asides(worth, segments, units, draft.window.question)
    if any(sources):
        units = [
            own if code is None else code.units for own, code in zip(units, sources, strict=True)
        ]
        worth = favoured(worth, sources, units)
    material = _Material.of(draft, segments, units, worth, manner, sources)
    said = [("", worth.score.note)] if worth.score.note else []
    notes = [*manner.notes, *said]
    allowance = target_tokens
    best: Draft | None = None
    near = goal // 100 if manner.exact else int(NEAR_SHARE * target_tokens)
    for _ in range(FITTING_ROUNDS):
        after = draft.edit(manner.stage, material.edits(allowance), notes)
        fits = after.tokens <= goal
        if fits and (best is None or after.tokens > best.tokens or best.tokens > goal):
            best = after
        if best is None or (not fits and best.tokens > after.tokens):
            best = after
        slack = goal - after.tokens
        is_near = (0 if manner.exact else -max(8, near)) <= slack <= max(8, near)
        if is_near or (fits and allowance >= material.most_tokens):
            break
        allowance += slack if slack > 0 else slack - 8
    return best if best is not None else draft


def used_exchanges(
    draft: Draft, segments: Sequence[Segment], target_tokens: int, shells: Mapping[int, int]
) -> set[int]:
    """The tool exchanges that a selection would keep some of, if what it keeps none of could go.

    Args:
        draft: says what is asked.
        segments: what may be cut.
        target_tokens: for segments, frames of messages that may go, and calls of exchanges.
        shells: tokens of calls and frames of each exchange that may go, by the group of its frames.
    """
    alone = in_loop(draft)
    units = [
        with_pointers(s.text, units_of(s.text, s.kind, draft.count, names_alone=alone))
        for s in segments
    ]
    worth = worth_of(draft, segments, units, PLAINLY.rung, PLAIN)
    material = _Material.of(draft, segments, units, worth, PLAINLY, [None] * len(units))
    number = {group: n for n, group in enumerate(shells)}
    group_of = {f.message: f.group for f in draft.new_frames}
    exchanges = [number.get(group_of[s.message], -1) for s in segments]
    choices = replace(material.choices, exchanges=exchanges, shells=[*shells.values()])
    kept = Ready(choices).choose(target_tokens - material.fixed_tokens)
    blocks = {b for b, is_kept in zip(choices.blocks, kept, strict=True) if is_kept}
    return {group_of[segments[b].message] for b in blocks}


def _lacking(units: Sequence[Sequence[Unit]], worth: Worth, share: float) -> int:
    """Tokens that the core of segments, with its heads and marks, takes beyond a share of each."""
    lacking, first = 0.0, 0
    for own in units:
        core = worth.core[first : first + len(own)].tolist()
        first += len(own)
        stays = {n for n, is_core in enumerate(core) if is_core}
        stays |= {head for n in stays for head in _above(own, n)}
        gaps = sum(n + 1 not in stays for n in stays)
        needs = sum(own[n].tokens for n in stays) + GAP_TOKENS * gaps
        lacking += max(0.0, needs - share * sum(u.tokens for u in own)) if stays else 0.0
    return int(lacking)


def _above(units: Sequence[Unit], n: int) -> list[int]:
    """What a unit hangs on, the next first."""
    heads: list[int] = []
    while (n := units[n].head) >= 0:
        heads.append(n)
    return heads


def _without_asides(
    worth: Worth, segments: Sequence[Segment], units: Sequence[Sequence[Unit]], question: str
) -> Worth:
    """The same worth, below 0 for what stands beside the main text of a page."""
    asides = [aside_units(s, own, question) for s, own in zip(segments, units, strict=True)]
    if all(a is None for a in asides):
        return worth
    beside = [
        np.zeros(len(own), np.bool_) if a is None else a
        for a, own in zip(asides, units, strict=True)
    ]
    return replace(worth, values=np.where(np.concatenate(beside), ASIDE, worth.values))


def _heads(units: Sequence[Sequence[Unit]]) -> list[int]:
    """Of each unit the place of the one that is kept with it, or -1; empty where none has one."""
    heads: list[int] = []
    first = 0
    for own in units:
        heads += [first + u.head if u.head >= 0 else -1 for u in own]
        first += len(own)
    return heads if max(heads, default=-1) >= 0 else []


def _lines(units: Sequence[Sequence[Unit]], sources: Sequence[Source | None]) -> list[int]:
    """Of each unit how many lines it is; empty where no text was cut along its syntax."""
    if not any(sources):
        return []
    every: list[int] = []
    for own, code in zip(units, sources, strict=True):
        every += [1] * len(own) if code is None else code.lines
    return every


@dataclass(frozen=True, slots=True)
class _Material:
    """Units of the segments with what each is worth; computed once, chosen from several times."""

    segments: Sequence[Segment]
    units: Sequence[Sequence[Unit]]
    sources: Sequence[Source | None]
    choices: Choices
    ready: Ready
    loose: dict[int, Frame]
    fixed_tokens: int
    with_legend: bool
    count: TokenCounter
    why: Sequence[tuple[str, ...]]
    given: Sequence[int] = ()

    @classmethod
    def of(
        cls,
        draft: Draft,
        segments: Sequence[Segment],
        units: Sequence[Sequence[Unit]],
        worth: Worth,
        manner: Manner,
        sources: Sequence[Source | None],
    ) -> _Material:
        """Put together what a choice needs to know."""
        loose = _loose(draft, segments)
        frames = [loose.get(s.message) for s in segments]
        every = [u for own in units for u in own]
        choices = Choices(
            values=worth.values.tolist(),
            tokens=[u.tokens for u in every],
            templates=worth.templates.tolist(),
            blocks=np.repeat(np.arange(len(units)), [len(own) for own in units]).tolist(),
            openings=[-GAP_TOKENS if frame is None else frame.tokens for frame in frames],
            anchors=[n for n, u in enumerate(every) if u.anchor],
            heads=_heads(units),
            gaps=[GAP_TOKENS if code is None else MARK_TOKENS for code in sources],
            running=worth.running.tolist() if worth.running.any() else (),
            names=worth.names.of_unit,
            name_worth=worth.names.worth.tolist(),
            core=np.flatnonzero(worth.core).tolist() if worth.waits.any() else (),
            waits=worth.waits.tolist() if worth.waits.any() else (),
            lines=_lines(units, sources),
        )
        pinned = sum(s.message not in loose for s in segments)
        fixed = pinned * GAP_TOKENS + (LEGEND_TOKENS if manner.with_legend else 0)
        why = worth.reasons() if manner.resources.explain else []
        given = np.flatnonzero(worth.core).tolist() if manner.core_stays else ()
        return cls(
            segments,
            units,
            sources,
            choices,
            Ready(choices),
            loose,
            fixed,
            manner.with_legend,
            draft.count,
            why,
            given,
        )

    @property
    def most_tokens(self) -> int:
        """An allowance under which everything stays that can."""
        choices = self.choices
        widest = max(choices.gaps, default=GAP_TOKENS)
        gaps = 2 * widest * len(choices.tokens) + sum(max(0, o) for o in choices.openings)
        return self.fixed_tokens + sum(choices.tokens) + gaps

    def edits(self, allowance_tokens: int) -> list[Edit]:
        """The edits that keep the best units within an allowance."""
        allowance = allowance_tokens - self.fixed_tokens
        kept = self.ready.choose(allowance, self.given)
        writer = Writer(self.count, with_legend=self.with_legend)
        flags = []
        at = 0
        for own in self.units:
            flags.append(kept[at : at + len(own)])
            at += len(own)
        stay = {s.message for s, k in zip(self.segments, flags, strict=True) if any(k)}
        rows = zip(self.segments, self.units, flags, self.sources, strict=True)
        for segment, own, mine, code in rows:
            goes = segment.message in self.loose and segment.message not in stay
            writer.add(segment, own, mine, removed=goes, marks=code)
        edits = writer.finish()
        return self._explained(edits, kept) if self.why else edits

    def _explained(self, edits: Sequence[Edit], kept: Sequence[bool]) -> list[Edit]:
        """Edits with what became of each of their units."""
        notes: dict[str, list[UnitNote]] = {}
        at = 0
        for segment, own in zip(self.segments, self.units, strict=True):
            mine = [
                UnitNote(u.start, u.end, kept[n], self.choices.values[n], self.why[n])
                for n, u in enumerate(own, at)
            ]
            for target in {segment.id, f"m{segment.message}"}:
                notes.setdefault(target, []).extend(mine)
            at += len(own)
        return [replace(e, units=tuple(notes[e.target])) for e in edits]
