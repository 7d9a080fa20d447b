"""Run the stages window by window: append-only by construction.

A turn is compressed when it is first sent, with nothing later in sight, and is frozen then. Only
when a threshold of the policy is crossed does a compaction open the whole prefix again (the epoch
advances). Both are functions of the messages so far, so every replica decides alike; `Memo` makes
the next turn cheap and never changes a result.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.loops import acts_in_text
from tokenthrift.compress.paying import bargain, crosses
from tokenthrift.compress.question import question_of
from tokenthrift.compress.segments import protect, split, turns_of
from tokenthrift.compress.stage import Openings
from tokenthrift.compress.trimming import TRIM, Shares, trim
from tokenthrift.draft import Draft, Step, Window
from tokenthrift.errors import OverBudgetError
from tokenthrift.history import History, Sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.compress.paying import CachePrices
    from tokenthrift.compress.rules import Rules
    from tokenthrift.compress.segments import Parts
    from tokenthrift.compress.stage import Staged
    from tokenthrift.draft import Resources
    from tokenthrift.types import Message, Request, TokenCounter

MEMO_ENTRIES: Final = 512
# Of what a compaction left. What cannot shrink would be compacted in each turn otherwise: the cache
# is written anew each time, and the time that it takes grows by the square.
GROWTH: Final = 1.1
LARGEST_SHOWN: Final = 3
# Of what protected text leaves: how much room there is to weigh tool exchanges in. Of the budget:
# what the latest user text may take. Of the policy's share for system text: what it keeps. Gentlest
# first.
TRIM_SHARES: Final = (
    (1.0, 0.5, 1.0),
    (0.7, 0.5, 0.9),
    (0.4, 0.35, 0.75),
    (0.2, 0.2, 0.5),
    (0.0, 0.1, 0.25),
    (0.0, 0.0, 0.1),
)


class Memo:
    """Drafts of prefixes that were planned before, by content. Bounded, thread-safe."""

    def __init__(self, entries: int = MEMO_ENTRIES) -> None:
        self._entries = entries
        self._drafts: OrderedDict[bytes, Draft] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Draft | None:
        """The draft of a prefix, if it is still known."""
        with self._lock:
            draft = self._drafts.get(key)
            if draft is not None:
                self._drafts.move_to_end(key)
            return draft

    def put(self, key: bytes, draft: Draft) -> None:
        """Remember the draft of a prefix."""
        with self._lock:
            self._drafts[key] = draft
            while len(self._drafts) > self._entries:
                self._drafts.popitem(last=False)


def compress(
    request: Request,
    rules: Rules,
    count: TokenCounter,
    resources: Resources,
    memo: Memo | None = None,
) -> Draft:
    """The draft of a request after all stages.

    Raises:
        OverBudgetError: the hard budget cannot be met and the policy says ``error``.
    """
    turns = turns_of(request.messages)
    last = turns[-1] if turns else 0
    if rules.change_nothing:
        parts = split(request, count, as_given=True)
        kept = replace(_empty(request, rules, count), base_tokens=parts.base_tokens)
        window = replace(kept.window, first_turn=last, last_turn=last)
        return replace(kept, segments=parts.segments, frames=parts.frames, window=window)
    if rules.scope == "request" or not turns:
        draft = _empty(request, rules, count)
        draft = _opened(draft, split(request, count), (0, last), rules.budget.hard_tokens)
        draft = _run(draft, rules, resources)
        return _within(draft, rules)
    chain = [] if memo is None else _chain(request, turns, rules, count)
    start, draft = _resume(request, rules, count, chain, memo)
    parts = split(request, count, first_turn=start)
    for turn, new in enumerate(parts.by_turn(), start):
        draft = _next_turn(draft, new, turn, rules, resources)
        if memo is not None:
            memo.put(chain[turn], draft)
    return _within(draft, rules)


def _next_turn(before: Draft, new: Parts, turn: int, rules: Rules, resources: Resources) -> Draft:
    hard = rules.budget.hard_tokens
    first = not before.frames
    draft = _run(_opened(before, new, (turn, turn), hard if first else None), rules, resources)
    if first:
        return draft
    rule = rules.compaction
    threshold = _crossed(draft, rules)
    if threshold is not None:
        after = _run(_reopened(draft, turn, int(threshold * rule.to_share)), rules, resources)
        return _advanced(before, draft, after, f"{draft.tokens} tokens crossed {threshold}")
    least = max(rule.least_tokens, int(before.window.compacted_tokens / rule.to_share))
    if rule.priced and rules.cache and crosses(before.tokens, draft.tokens, least):
        return _advanced_if_it_pays(before, draft, rules, rules.cache, resources)
    return draft


def _crossed(draft: Draft, rules: Rules) -> int | None:
    """The threshold that a draft exceeds so that it must be compacted; None for none."""
    hard, wished = rules.budget.hard_tokens, rules.compaction.at_tokens
    over = hard is not None and draft.tokens > hard
    if wished is not None:
        over = over or draft.tokens > max(wished, GROWTH * draft.window.compacted_tokens)
    return min(n for n in (hard, wished) if n is not None) if over else None


def _advanced(before: Draft, draft: Draft, after: Draft, why: str) -> Draft:
    """A compacted draft with the step that says why the epoch advanced."""
    note = f"epoch {after.window.epoch}: {why}, now {after.tokens}"
    step = Step(
        "compact", (0, draft.window.last_turn), draft.tokens, after.tokens, notes=(("", note),)
    )
    window = replace(after.window, compacted_tokens=after.tokens)
    own = after.trace[len(before.trace) :]
    return replace(after, window=window, trace=before.trace).noting(step, *own)


def _advanced_if_it_pays(
    before: Draft, draft: Draft, rules: Rules, cache: CachePrices, resources: Resources
) -> Draft:
    """The compacted draft where what it costs comes back within the requests to come."""
    turn = draft.window.last_turn
    turns = rules.compaction.expected_share * turn
    goal = int(rules.compaction.to_share * draft.tokens)
    if not bargain(before.tokens, draft.tokens, goal, turns, cache).pays:
        return draft
    after = _run(_reopened(draft, turn, goal, is_wish=True), rules, resources)
    found = bargain(before.tokens, draft.tokens, after.tokens, turns, cache)
    if not found.pays:
        return draft
    why = (
        f"of {draft.tokens} tokens; costs {found.cost:.0f} uncached tokens now and saves "
        f"{found.saves:.0f} in each of {turns:.0f} requests to come"
    )
    return _advanced(before, draft, after, why)


def _empty(request: Request, rules: Rules, count: TokenCounter) -> Draft:
    window = Window(0, 0, may_cut=bool(rules.lossy))
    return Draft(request, (), (), window, count, 0, rules.floor_tokens)


def _opened(before: Draft, new: Parts, turns: tuple[int, int], budget_tokens: int | None) -> Draft:
    """The draft with one more window of text to decide on."""
    first, last = turns
    over = budget_tokens is not None and before.tokens + new.tokens > budget_tokens
    one_off = first < last
    sums = before.sums + Sums.of(new.segments, new.frames)
    segments = protect(
        new.segments,
        first_turn=first,
        last_turn=last,
        assistant=not (over or one_off),
        results=acts_in_text(sums),
    )
    was = before.window
    question = was.question
    if "user" in [f.role for f in new.frames]:
        question = question_of(before.request.messages[new.begin : new.end])
    window = Window(
        first,
        last,
        question,
        budget_tokens,
        is_wish=False,
        epoch=was.epoch,
        may_cut=was.may_cut,
        compacted_tokens=was.compacted_tokens,
    )
    base = new.base_tokens
    return before.opened(segments, new.frames, window, base_tokens=base, sums=sums)


def _reopened(draft: Draft, turn: int, goal_tokens: int, *, is_wish: bool = False) -> Draft:
    """Everything so far as it was first given, open for a compaction."""
    segments = tuple(
        replace(s, text=s.original, tokens=draft.count(s.original), level=0, protected="")
        for s in draft.segments
    )
    window = replace(
        draft.window,
        first_turn=0,
        budget_tokens=goal_tokens,
        is_wish=is_wish,
        epoch=draft.window.epoch + 1,
    )
    return replace(
        draft,
        segments=protect(segments, first_turn=0, last_turn=turn, assistant=False),
        frames=tuple(replace(f, removed=False) for f in draft.frames),
        window=window,
        history=History(),
    )


def _run(draft: Draft, rules: Rules, resources: Resources) -> Draft:
    """All stages over the open window, those that lose nothing first.

    A hard budget that is still exceeded then lifts the floor and, where the policy says so, trims:
    gently at first, harder while it does not fit.
    """
    if draft.window.budget_tokens is None:
        return _apply(draft, rules.in_order, rules, resources)
    lossless, lossy = rules.lossless, rules.lossy
    floor = draft.floor_tokens
    draft = _apply(draft, lossless, rules, resources)
    if not _over(draft):
        return _apply(draft, lossy, rules, resources)
    draft = replace(draft, floor_tokens=0)
    if rules.budget.on_over_budget == "error" or draft.window.is_wish:
        return replace(_apply(draft, lossy, rules, resources), floor_tokens=floor)
    after = draft
    for rest, latest, system in TRIM_SHARES:
        shares = Shares(rules.budget.protected_share * system, rest, latest)
        after = _trimmed(draft, shares, lossy, rules, resources)
        if not _over(after):
            break
    return replace(after, floor_tokens=floor)


def _trimmed(
    draft: Draft, shares: Shares, lossy: Sequence[Staged], rules: Rules, resources: Resources
) -> Draft:
    """Trim, then select; the selection carries the legend of both unless it leaves all as it is."""
    after = _apply(trim(draft, shares), lossy, rules, resources)
    steps = after.trace[len(draft.trace) :]
    if any(s.stage == TRIM and s.edits for s in steps) and not any(
        s.stage != TRIM and s.edits for s in steps
    ):
        after = _apply(trim(draft, shares, with_legend=True), lossy, rules, resources)
    return after


def _apply(draft: Draft, stages: Sequence[Staged], rules: Rules, resources: Resources) -> Draft:
    """Stages one after the other; one that raises leaves the draft as it was.

    One that can do nothing is not run, which leaves the same trace.
    """
    here = (draft.window.first_turn, draft.window.last_turn)
    openings, tokens = Openings(draft), draft.tokens
    idle: list[Step] = []
    for stage, name, reach in stages:
        if reach is not None and not openings.hold(reach):
            idle.append(Step(name, here, tokens, tokens))
            continue
        before = draft.noting(*idle)
        idle = []
        try:
            draft = stage(before, resources)
        except Exception as error:
            if rules.raise_stage_errors:
                raise
            draft = before.failed(name, error)
        if draft.segments is not before.segments:
            openings, tokens = Openings(draft), draft.tokens
    return draft.noting(*idle)


def _over(draft: Draft) -> bool:
    budget = draft.window.budget_tokens
    return budget is not None and draft.tokens > budget


def _within(draft: Draft, rules: Rules) -> Draft:
    hard = rules.budget.hard_tokens
    if hard is None or draft.tokens <= hard:
        return draft
    pieces = [(s.id, s.tokens) for s in draft.segments if s.protected]
    pieces += [(f"{f.id} (calls)", f.tokens) for f in draft.frames if not f.removed]
    pieces.append(("tool schemas", draft.base_tokens))
    largest = sorted(pieces, key=lambda p: (-p[1], p[0]))[:LARGEST_SHOWN]
    raise OverBudgetError(hard, draft.tokens, largest)


def _chain(
    request: Request, turns: Sequence[int], rules: Rules, count: TokenCounter
) -> list[bytes]:
    """One digest per turn, of everything up to its end that a plan depends on."""
    digest = sha256()
    prices = str(rules.cache) if rules.compaction.priced else ""
    for text in (rules.digest, prices, count.name, request.model, *request.tools_text):
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    chain: list[bytes] = []
    for n, (message, turn) in enumerate(zip(request.messages, turns, strict=True)):
        digest.update(_told(message))
        if n + 1 == len(turns) or turns[n + 1] != turn:
            chain.append(digest.digest())
    return chain


def _told(message: Message) -> bytes:
    """Everything in a message that a plan depends on."""
    pieces: list[str | None] = [message.role, str(message.pinned), message.framing_text]
    for part in message.parts:
        raw = None if part.raw is None else repr(part.raw)
        pieces += (part.type, part.call_id, part.name, raw, part.text)
    # With lengths, so that no text can pass for several pieces.
    sizes = [-1 if piece is None else len(piece) for piece in pieces]
    text = "".join([piece or "" for piece in pieces])
    return f"{sizes}{text}".encode("utf-8", "surrogatepass")


def _resume(
    request: Request,
    rules: Rules,
    count: TokenCounter,
    chain: Sequence[bytes],
    memo: Memo | None,
) -> tuple[int, Draft]:
    """The first turn that has to be decided, and the draft of everything before it."""
    if memo is not None:
        for turn in range(len(chain) - 1, -1, -1):
            known = memo.get(chain[turn])
            if known is not None:
                return turn + 1, replace(known, request=request)
    return 0, _empty(request, rules, count)
