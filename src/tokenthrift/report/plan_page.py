"""One explained plan as a page: a single HTML file that needs nothing else, not even a network.

The texts of a request are hostile: all of them go through the template's escaping, and the page's
own policy forbids any script but the one it came with. The same plan gives the same bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from tokenthrift.compress.units import is_passages
from tokenthrift.report import formats
from tokenthrift.report.explain import current_steps, reasons_kept
from tokenthrift.report.folding import Fold, folded
from tokenthrift.report.pages import page
from tokenthrift.report.stretches import stretches_of
from tokenthrift.route import NUMBERS, SIGNAL_COLUMNS, VERDICT_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenthrift.pipeline import Plan
    from tokenthrift.report.explain import Explanation, SegmentLine
    from tokenthrift.report.stretches import Stretch
    from tokenthrift.types import Message, Part, Segment

LEVELS: Final = ("verbatim", "lossless", "selective", "digest")
RUNNING_KINDS: Final = frozenset({"prose", "markdown", "html"})
LONG_LINE: Final = 400  # characters; texts with longer lines are wrapped whatever they hold
MANY_SEGMENTS: Final = 120  # from here on there are no gaps between them in the map


@dataclass(frozen=True, slots=True)
class SegmentCard:
    """A segment as the page shows it.

    Attributes:
        line: what happened to it.
        protected: why it may not be altered, or an empty string.
        folds: its text.
        running: whether it is running text, which is wrapped and set in the page's own type.
        wrapped: whether its lines are too long to scroll along.
    """

    line: SegmentLine
    protected: str
    folds: tuple[Fold, ...]
    running: bool
    wrapped: bool


@dataclass(frozen=True, slots=True)
class CallCard:
    """A piece of a message that is no text: a tool call with its arguments, an image, a file."""

    what: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class MessageCard:
    """A message as the page shows it.

    Attributes:
        answers: the name of the tool whose result it is.
        states: of its segments; ``kept`` where it has none.
        frame_tokens: of what is no segment: framing, calls, media.
    """

    id: str
    role: str
    turn: int
    removed: bool
    answers: str
    states: tuple[str, ...]
    frame_tokens: int
    calls: tuple[CallCard, ...]
    segments: tuple[SegmentCard, ...]


def plan_page(plan: Plan, explained: Explanation) -> str:
    """A plan as HTML.

    Args:
        plan: the plan; made with ``Resources.explain``, units say why they were kept or dropped.
        explained: the same plan, explained.
    """
    saved = explained.savings
    priced = saved.baseline is not None and saved.actual is not None
    places = formats.decimals_for(
        [m.nanos for m in (saved.baseline, saved.actual) if m is not None]
    )
    return page(
        "plan",
        ["plan"],
        script="plan.js",
        explained=explained,
        messages=_messages(plan, explained),
        tools=[formats.visible(text) for text in plan.sent.tools_text],
        left_alone=sorted(reasons_kept(explained.segments).items(), key=lambda r: -r[1][1]),
        dense=len(explained.segments) > MANY_SEGMENTS,
        columns=VERDICT_COLUMNS,
        numbers=NUMBERS,
        signal_columns=SIGNAL_COLUMNS,
        priced=priced,
        usd=lambda money: formats.usd(None if money is None else money.nanos, places),
        levels=LEVELS,
    )


def _messages(plan: Plan, explained: Explanation) -> list[MessageCard]:
    found = stretches_of(plan.draft.segments, current_steps(plan.trace))
    lines = {line.id: line for line in explained.segments}
    texts = {
        message: tuple(_segment(plan, s, lines[s.id], found[s.id]) for s in own)
        for message, own in groupby(plan.draft.segments, key=lambda s: s.message)
    }
    calls = {
        p.call_id: p.name
        for m in plan.request.messages
        for p in m.parts
        if p.type == "tool_call" and p.call_id
    }
    cards = []
    for message, frame in zip(plan.request.messages, plan.draft.frames, strict=True):
        segments = texts.get(message.index, ())
        cards.append(
            MessageCard(
                id=frame.id,
                role=frame.role,
                turn=frame.turn,
                removed=frame.removed,
                answers=_answered(message, calls),
                states=tuple(dict.fromkeys(s.line.state for s in segments))
                or _alone(frame.removed),
                frame_tokens=frame.tokens,
                calls=tuple(
                    _call(p) for p in message.parts if p.type not in ("text", "tool_result")
                ),
                segments=segments,
            )
        )
    return cards


def _alone(removed: bool) -> tuple[str, ...]:  # noqa: FBT001 - a frame's own attribute
    return ("removed",) if removed else ("kept",)


def _answered(message: Message, calls: dict[str, str | None]) -> str:
    names = (p.name or calls.get(p.call_id or "") for p in message.parts if p.type == "tool_result")
    return formats.visible(", ".join(dict.fromkeys(name for name in names if name)))


def _call(part: Part) -> CallCard:
    what = {"tool_call": "calls", "opaque": "item"}.get(part.type, part.type)
    return CallCard(what, formats.visible(part.name or ""), formats.visible(part.text or ""))


def _segment(
    plan: Plan, segment: Segment, line: SegmentLine, stretches: Sequence[Stretch]
) -> SegmentCard:
    longest = max(map(len, re.split(r"\n", segment.original)), default=0)
    running = segment.kind in RUNNING_KINDS and (
        segment.role != "tool" or segment.kind == "html" or is_passages(segment.original)
    )
    return SegmentCard(
        line=line,
        protected=segment.protected,
        folds=tuple(folded(stretches, plan.count)),
        running=running,
        wrapped=running or longest > LONG_LINE,
    )
