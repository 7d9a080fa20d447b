"""One plan explained: what happened to every segment and why, as plain data.

Nothing is decided here; it is all in the plan. Text that stayed as it was gets a reason, too, so
that "why was nothing saved?" has an answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tokenthrift.compress import ELSEWHERE, REDACT, TOOLS
from tokenthrift.draft import REQUEST
from tokenthrift.ledger import Charge, Savings, split_savings
from tokenthrift.report.stretches import by_segment
from tokenthrift.route import SIGNAL_COLUMNS, signal_rows, summary, verdict_data, verdict_rows
from tokenthrift.tokens import count_request, counter_for
from tokenthrift.types import Usage
from tokenthrift.wire import tools_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tokenthrift.catalog import Catalog, ModelCard
    from tokenthrift.draft import Edit, Step
    from tokenthrift.pipeline import Plan
    from tokenthrift.types import Segment, TokenCounter

COMPACT: Final = "compact"
NOTHING_FOUND: Final = "nothing a stage could shorten"
NO_STAGES: Final = "the policy has no stages"


@dataclass(frozen=True, slots=True)
class UnitLine:
    """What became of one line, row or sentence, and why.

    Attributes:
        text: its text.
        worth: what it was worth against the other units.
    """

    text: str
    kept: bool
    worth: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """What happened to one segment.

    Attributes:
        state: ``kept`` as it was, ``cut`` to less, ``removed`` with its message.
        units_dropped: lines, rows or sentences that went, of ``units_total``.
        reasons: why it was changed, or why it was not.
        units: what became of each, where the plan was made to be explained and text was cut.
    """

    id: str
    role: str
    kind: str
    turn: int
    level: int
    state: str
    tokens_before: int
    tokens_after: int
    units_dropped: int
    units_total: int
    reasons: tuple[str, ...]
    units: tuple[UnitLine, ...] = ()


@dataclass(frozen=True, slots=True)
class StageLine:
    """What one stage did over all turns of the request."""

    stage: str
    runs: int
    edits: int
    tokens_saved: int
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolLine:
    """What happened to one tool of the request.

    Attributes:
        state: ``kept`` as it was, ``compacted``, or ``left out``.
        reason: what was done, or why it is not offered.
    """

    name: str
    state: str
    tokens_before: int
    tokens_after: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A plan in words and numbers.

    Attributes:
        counter: what counted; ``counter_error`` is its stated relative error, 0 when exact.
        framing_tokens_before: of what is no segment: framing, tool schemas, calls and media.
        savings: of the input of this one request, nothing cached, no answer.
        verdicts: rows under `VERDICT_COLUMNS`; ``actions`` the same as plain data.
        signals: of the request's complexity, rows under `SIGNAL_COLUMNS`.
        epoch: how many compactions the conversation has been through; ``epochs`` has them in words.
        cache: what a provider's prompt cache may still know of the request, in words.
        hard_tokens: the budget, if there is one.
        recall: whether the recall tool is offered, or why not; ``recall_tool_tokens`` its size.
        tools: of the caller, where the policy does something about them; ``tools_note`` says why
            all of them stayed.
        secrets: how many of which kind were replaced, in words; empty where none is looked for.
    """

    policy: str
    policy_digest: str
    requested: str
    chosen: str
    baseline: str
    choice: str
    counter: str
    counter_error: float
    tokens_before: int
    tokens_after: int
    framing_tokens_before: int
    framing_tokens_after: int
    segments: tuple[SegmentLine, ...]
    stages: tuple[StageLine, ...]
    epochs: tuple[str, ...]
    verdicts: tuple[tuple[str, ...], ...]
    savings: Savings
    prices: str
    recall: str = ""
    recall_tool_tokens: int = 0
    epoch: int = 0
    cache: str = ""
    hard_tokens: int | None = None
    tools: tuple[ToolLine, ...] = ()
    tools_note: str = ""
    secrets: tuple[str, ...] = ()
    actions: tuple[dict[str, Any], ...] = ()
    signals: tuple[tuple[str, ...], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As plain data; money in nano-dollars, None where a price is not known."""
        data = asdict(self)
        data["verdicts"] = data.pop("actions")
        data["signals"] = [dict(zip(SIGNAL_COLUMNS, s, strict=True)) for s in self.signals]
        data["savings"] = {
            "baseline_nanos": _nanos(self.savings.baseline),
            "actual_nanos": _nanos(self.savings.actual),
            "compression_nanos": _nanos(self.savings.compression),
            "routing_nanos": _nanos(self.savings.routing),
            "net_nanos": _nanos(self.savings.net),
            "basis": self.savings.basis,
            "unpriced": self.savings.unpriced,
            "assumes": "input only, nothing cached",
        }
        return data


def explain(plan: Plan, catalog: Catalog) -> Explanation:
    """Explain a plan.

    Args:
        plan: what `tokenthrift.pipeline.plan` gave.
        catalog: the cards it was made with, for prices.
    """
    steps = current_steps(plan.trace)
    return Explanation(
        policy=plan.policy.name,
        policy_digest=plan.policy.digest,
        requested=plan.request.model,
        chosen=plan.model,
        baseline=plan.decision.baseline,
        choice=summary(plan.decision),
        counter=plan.count.name,
        counter_error=plan.count.error,
        tokens_before=plan.tokens_before,
        tokens_after=plan.tokens_after,
        framing_tokens_before=plan.framing_tokens_before,
        framing_tokens_after=plan.framing_tokens_after,
        segments=segment_lines(plan),
        stages=stage_lines(steps),
        epochs=tuple(n for s in plan.trace if s.stage == COMPACT for _, n in s.notes),
        verdicts=tuple(verdict_rows(plan.decision)),
        savings=_savings(plan, catalog),
        prices=catalog.snapshot,
        recall=plan.offer.reason if plan.policy.recall.offer else "",
        recall_tool_tokens=plan.tool_tokens,
        epoch=plan.epoch,
        cache=cache_words(plan, catalog.get(plan.model)),
        hard_tokens=plan.policy.budget.hard_tokens,
        tools=tool_lines(plan),
        tools_note="; ".join(n for s in steps if s.stage == TOOLS for _, n in s.notes),
        secrets=tuple(n for s in steps if s.stage == REDACT for _, n in s.notes),
        actions=tuple(verdict_data(plan.decision)),
        signals=tuple(signal_rows(plan.decision.complexity)),
    )


def cache_words(plan: Plan, card: ModelCard | None) -> str:
    """What a provider's prompt cache may still know of a request."""
    last = plan.draft.window.last_turn
    if plan.policy.scope == "request":
        return "a one-off: no later request begins like this one"
    if any(s.stage == COMPACT and s.window[1] == last for s in plan.trace):
        return "a compaction re-wrote the past in this turn, so the cache begins anew"
    if not last:
        return "the first turn: later ones begin with what is sent now"
    known = plan.draft.base_tokens
    known += sum(s.tokens for s in plan.draft.segments if s.turn < last)
    known += sum(f.tokens for f in plan.draft.frames if f.turn < last and not f.removed)
    words = f"the first {known:,} of {plan.tokens_after:,} tokens are those of the turn before"
    least = card.cache.min_tokens if card is not None and card.cache is not None else 0
    return words if known >= least else f"{words}; {plan.model} caches from {least:,} on"


def current_steps(trace: Sequence[Step]) -> list[Step]:
    """The steps that made the draft what it is; those of turns decided again are left out.

    A compaction opens everything up to its turn as it was first given, so what earlier steps did
    there is gone; the steps that are left add up to the tokens saved.
    """
    last = max((i for i, s in enumerate(trace) if s.stage == COMPACT), default=-1)
    if last < 0:
        return list(trace)
    turn = trace[last].window[1]
    ahead = [s for s in trace[:last] if s.window == REQUEST]
    return ahead + [s for s in trace[last + 1 :] if s.window == (0, turn) or s.window[0] > turn]


def stage_lines(steps: Iterable[Step]) -> tuple[StageLine, ...]:
    """Sums by stage, in the order in which stages first ran."""
    groups: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        groups[step.stage].append(step)
    return tuple(
        StageLine(
            stage,
            runs=len(own),
            edits=sum(len(s.edits) for s in own),
            tokens_saved=sum(s.tokens_before - s.tokens_after for s in own),
            errors=tuple(s.error for s in own if s.error),
        )
        for stage, own in groups.items()
    )


def segment_lines(plan: Plan, first_turn: int = 0) -> tuple[SegmentLine, ...]:
    """What happened to every segment of the request, from a turn on."""
    steps = [s for s in current_steps(plan.trace) if s.window[1] >= first_turn]
    edits: dict[str, list[Edit]] = defaultdict(list)
    notes: dict[str, list[str]] = defaultdict(list)
    for step in steps:
        for edit in step.edits:
            edits[edit.target].append(edit)
        for target, note in step.notes:
            notes[target].append(note)
    texts: dict[str, list[str]] = defaultdict(list)
    for segment in plan.draft.segments:
        if segment.original:
            texts[f"m{segment.message}"].append(segment.id)
    lines = []
    for segment in plan.draft.segments:
        if segment.turn < first_turn:
            continue
        whole = f"m{segment.message}"  # also the id of a message's only segment
        own = list(edits[segment.id])
        if segment.id != whole:
            removals = [e for e in edits[whole] if e.action == "remove"]
            own += [_part_of(e, texts[whole], segment.id) for e in removals]
        lines.append(_segment_line(plan, segment, own, notes[segment.id]))
    return tuple(lines)


def tool_lines(plan: Plan) -> tuple[ToolLine, ...]:
    """What happened to every tool of the request; empty where the policy leaves tools alone."""
    step = next((s for s in plan.trace if s.stage == TOOLS and s.window == REQUEST), None)
    if step is None:
        return ()
    edits = {edit.target: edit for edit in step.edits}
    lines = []
    pairs = zip(tools_of(plan.request), plan.request.tools_text, strict=True)
    for n, (tool, text) in enumerate(pairs):
        before, edit = plan.count(text), edits.get(f"t{n}")
        if edit is None:
            lines.append(ToolLine(tool.name, "kept", before, before))
            continue
        state = "left out" if edit.action == "remove" else "compacted"
        reason = edit.reason.removeprefix(f"{tool.name}: ")
        lines.append(ToolLine(tool.name, state, before, plan.count(edit.text), reason))
    return tuple(lines)


def _segment_line(
    plan: Plan, segment: Segment, edits: Sequence[Edit], notes: Sequence[str]
) -> SegmentLine:
    before = plan.count(segment.original)
    gone = segment.message in plan.draft.removed
    changed = gone or segment.text != segment.original
    reasons = [e.reason for e in edits] if changed else _why_kept(plan, segment, before, notes)
    return SegmentLine(
        id=segment.id,
        role=segment.role,
        kind=segment.kind,
        turn=segment.turn,
        level=segment.level,
        state="removed" if gone else "cut" if changed else "kept",
        tokens_before=before,
        tokens_after=segment.tokens,
        units_dropped=sum(e.units_dropped for e in edits),
        units_total=max((e.units_total for e in edits), default=0),
        reasons=tuple(dict.fromkeys(reasons)),
        units=_unit_lines(segment, edits),
    )


def _part_of(removal: Edit, texts: Sequence[str], name: str) -> Edit:
    """What the removal of a message says of one of its texts."""
    units = by_segment(removal.units)
    known = name in texts and len(units) == len(texts)
    return replace(removal, units=units[texts.index(name)] if known else ())


def _unit_lines(segment: Segment, edits: Sequence[Edit]) -> tuple[UnitLine, ...]:
    """The units of the edit that selected among them, with the text they were cut from."""
    text = segment.original
    for edit in edits:
        if edit.units:
            return tuple(
                UnitLine(text[u.start : u.end], u.kept, round(u.value, 4), u.reasons)
                for u in edit.units
            )
        text = edit.text
    return ()


def _why_kept(plan: Plan, segment: Segment, tokens: int, notes: Sequence[str]) -> list[str]:
    if not plan.policy.stages:
        return [NO_STAGES]
    if segment.protected:
        return [f"protected: {segment.protected}"]
    if tokens < plan.policy.floor_tokens:
        return [f"under floor_tokens ({plan.policy.floor_tokens})"]
    # A stage that is meant for other texts says least of why this one stayed.
    telling = [note for note in notes if not note.startswith(ELSEWHERE)]
    return telling or list(notes) or [NOTHING_FOUND]


def reasons_kept(lines: Iterable[SegmentLine]) -> dict[str, tuple[int, int]]:
    """Segments and tokens that stayed as they were, by reason; the last reason given counts."""
    segments: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for line in lines:
        if line.state == "kept":
            segments[line.reasons[-1]] += 1
            tokens[line.reasons[-1]] += line.tokens_before
    return {reason: (n, tokens[reason]) for reason, n in segments.items()}


def _savings(plan: Plan, catalog: Catalog) -> Savings:
    """The input bill of this one request, nothing cached: what a lone call would save."""
    baseline, chosen = plan.decision.baseline, plan.model
    before = Usage(input_tokens=count_request(plan.request, counter_for(baseline)), estimated=True)
    between = Usage(input_tokens=count_request(plan.sent, counter_for(baseline)), estimated=True)
    after = _sent_usage(plan, counter_for(chosen))
    return split_savings(
        Charge(before, catalog.get(baseline)), between, [Charge(after, catalog.get(chosen))]
    )


def _sent_usage(plan: Plan, count: TokenCounter) -> Usage:
    return Usage(input_tokens=count_request(plan.sent, count), estimated=True)


def _nanos(amount: Any) -> int | None:
    return None if amount is None else int(amount.nanos)
