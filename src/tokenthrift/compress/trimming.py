"""The last resort under a hard budget, where the policy says `trim`: protected text is cut too.

In this order: tool calls leave together with results that there is no room for, system text is cut
to its share by relevance, the latest user text to half the budget. Nothing else may ever touch
protected text.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.markers import exchanges_gap, recall_id
from tokenthrift.compress.segments import LATEST, SYSTEM
from tokenthrift.compress.selecting import Manner, select, size_of, used_exchanges
from tokenthrift.draft import Draft, Edit
from tokenthrift.types import RESULT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tokenthrift.types import Frame, Message, Segment

TRIM: Final = "trim"  # the name of the step
LIGHT_CUT: Final = 2.0  # beyond this ratio system text gives way faster than the budget shrinks
CUT_LEVEL: Final = 2  # texts that were cut harder are no matter of a selection
KEEP_EXCHANGES: Final = 1  # the newest call and its results always stay


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the budget.

    Attributes:
        system: what system text may take; harder cuts leave it less.
        rest: of what protected text leaves, what may be taken for tool exchanges and other text
            when it is looked which exchanges are needed.
        latest: what the latest user text may take.
    """

    system: float
    rest: float
    latest: float


def trim(draft: Draft, shares: Shares, *, with_legend: bool = False) -> Draft:
    """Make room: cut what is protected until it leaves some of the budget to the rest.

    Args:
        draft: a draft whose window has a budget.
        shares: how far to go.
        with_legend: whether the cuts explain themselves, because no selection follows that does.
    """
    budget = draft.window.budget_tokens
    if budget is None:
        return draft
    room = shares.system * budget * min(1.0, LIGHT_CUT * budget / draft.tokens)
    latest = int(shares.latest * budget)
    draft = _without_unused(draft, {SYSTEM: int(room), LATEST: latest, RESULT: latest}, shares.rest)
    draft = _cut(draft, lambda s: s.protected == SYSTEM, int(room), with_legend=with_legend)
    return _cut(draft, lambda s: s.protected in (LATEST, RESULT), latest, with_legend=with_legend)


def _cut(
    draft: Draft, which: Callable[[Segment], bool], target_tokens: int, *, with_legend: bool
) -> Draft:
    chosen = [s for s in draft.segments if which(s) and s.turn >= draft.window.first_turn]
    if sum(s.tokens for s in chosen) <= target_tokens:
        return draft
    why = {s.id: s.protected for s in chosen}
    opened = tuple(replace(s, protected="") if s.id in why else s for s in draft.segments)
    lifted = replace(draft, segments=opened)
    picked = [s for s in opened if s.id in why]
    after = select(lifted, picked, target_tokens, Manner(TRIM, with_legend=with_legend))
    closed = tuple(
        replace(s, protected=why[s.id]) if s.id in why and s.text else s for s in after.segments
    )
    return replace(after, segments=closed)


def _without_unused(draft: Draft, most: Mapping[str, int], share: float) -> Draft:
    """Remove tool exchanges that a selection under the budget would keep nothing of.

    So their calls and frames leave room for results that are worth more. The newest exchange stays.

    Args:
        draft: a draft whose window has a budget.
        most: tokens that protected texts will be cut to, by why they are protected.
        share: of the room that is left, how much the selection gets.
    """
    shells = _exchanges(draft)
    segments = [s for s in draft.open_segments() if s.level <= CUT_LEVEL]
    if not shells:
        return draft
    given: Counter[str] = Counter()
    for segment in draft.new_segments:
        given[segment.protected] += segment.tokens
    left = (draft.window.budget_tokens or 0) - draft.tokens + size_of(draft, segments)
    left += sum(shells.values()) + sum(max(0, given[why] - size) for why, size in most.items())
    used = used_exchanges(draft, segments, int(share * left), shells) if segments else set()
    gone = [f for f in draft.frames if f.group in shells and f.group not in used]
    return _without(draft, gone) if gone else draft


def _exchanges(draft: Draft) -> dict[int, int]:
    """Tokens of the frames of each tool exchange in the window but the newest, by its group."""
    answered = {f.group for f in draft.frames if f.role == "tool" and not f.removed}
    answered &= {f.group for f in draft.frames if f.role != "tool"}  # a call that is held elsewhere
    sizes: Counter[int] = Counter()
    for frame in draft.frames:
        if frame.group in answered and frame.turn >= draft.window.first_turn:
            sizes[frame.group] += frame.tokens
    return dict(sorted(sizes.items())[: max(0, len(sizes) - KEEP_EXCHANGES)])


def _without(draft: Draft, gone: Sequence[Frame]) -> Draft:
    """The draft without messages, and with a mark of them at the next text that stays."""
    messages = sorted(f.message for f in gone)
    lost = tuple(_said(draft.request.messages[m]) for m in messages)
    address = recall_id(lost)
    edits = [
        Edit(f.id, "remove", "", "tool exchange, over budget", 3, 1, 1, address, lost) for f in gone
    ]
    place = _place(draft, messages)
    if place is None:
        return draft.edit(TRIM, edits)
    text = exchanges_gap(len(messages), address) + place.text
    edits.append(Edit(place.id, "mark", text, "marks what is missing here", 0))
    opened = tuple(replace(s, protected="") if s is place else s for s in draft.segments)
    after = replace(draft, segments=opened).edit(TRIM, edits)
    closed = (
        replace(s, protected=place.protected) if s.id == place.id else s for s in after.segments
    )
    return replace(after, segments=tuple(closed))


def _place(draft: Draft, messages: Sequence[int]) -> Segment | None:
    """Where messages that go are marked: a text behind the first of them, or else before it."""
    left = set(messages)
    texts = [s for s in draft.new_segments if s.text and s.message not in left]
    texts = [s for s in texts if s.turn >= draft.window.first_turn]
    # What is protected gives way to a mark only where nothing else is there.
    for places in ([s for s in texts if draft.may_point(s)], texts):
        if places:
            return next((s for s in places if s.message > messages[0]), places[-1])
    return None


def _said(message: Message) -> str:
    """What a message said, with the names of the tools that it called."""
    return "\n".join(f"{p.name} {p.text}" if p.name else p.text for p in message.parts if p.text)
